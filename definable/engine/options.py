"""How a run is executed, kept with it; and what it is called."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from pathlib import Path

from pydantic import Field

from definable.calls import Fact


class Options(Fact):
    """How a run is executed. It is kept with the run, so that it goes on the way it began."""

    sandbox: bool = False
    faults: Path | None = None
    offline: bool = False
    yes_to: tuple[str, ...] = Field(())
    file: str = ""
    """The workflow's name or path, to find the limits that its file has later."""
    dry: bool = False
    undoes: str = ""
    """The run whose writes this one takes back."""


def new_id() -> str:
    """Return a run id that sorts by time: `20261123-0704-3fa9c20b6d41`.

    Of 48 random bits, two of 10,000 runs a minute are alike once in five million minutes.
    """
    return f"{datetime.now(UTC):%Y%m%d-%H%M}-{secrets.token_hex(6)}"
