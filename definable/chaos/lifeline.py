"""What ties the processes of the bench to the one that started them: when that ends, so do they."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from typing import Any


def hold(line: Connection | None = None, tidy: Callable[[], object] = lambda: None) -> None:
    """End this process when its parent has ended, however that came, or has closed its end of `line`.

    It may be anywhere in its work then, so `tidy` is all that is done before.
    """
    parent = parent_process()
    if parent is None:
        return
    ends: list[Any] = [parent.sentinel, *([line] if line else [])]

    def watch() -> None:
        wait(ends)
        try:
            tidy()
        finally:
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
