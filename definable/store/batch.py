"""Several writes as one transaction, which is begun with the first of them and kept open for the next."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager


class Batch:
    """A transaction on `locks` that does not wait for the disk; `begins` gives it."""

    def __init__(self, locks: tuple[str, ...], begins: Callable[..., AbstractContextManager[object]]) -> None:
        """Begin nothing yet."""
        self._locks = locks
        self._begins = begins
        self._open: ExitStack | None = None

    def covers(self, locks: Sequence[str]) -> bool:
        """Whether what decides on these may be a part of it."""
        return set(locks) <= set(self._locks)

    @contextmanager
    def part(self) -> Iterator[None]:
        """Write a part of it. What raises takes back all that is not committed."""
        try:
            if self._open is None:
                self._open = ExitStack()
                self._open.enter_context(self._begins(*self._locks, durable=False))
            yield
        except BaseException:
            if self._open is not None:
                opened, self._open = self._open, None
                opened.__exit__(*sys.exc_info())
            raise

    def commit(self) -> None:
        """Commit what was written."""
        if self._open is not None:
            opened, self._open = self._open, None
            opened.close()
