"""Log lines of a command: a file a day in the workspace, and stderr when DEFINABLE_LOG says so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from definable.cli.app import Session

if TYPE_CHECKING:
    from definable.redaction import Redactor

SECRET = ("KEY", "TOKEN", "SECRET", "PASSWORD")
"""A variable with one of these in its name holds something that is never written down."""


def redactor(environ: Mapping[str, str]) -> Redactor:
    """Return what takes the secrets of the environment out of a text."""
    from definable.redaction import Redactor

    return Redactor(value for name, value in environ.items() if any(word in name.upper() for word in SECRET))


@contextmanager
def logging(session: Session) -> Iterator[None]:
    """Keep log lines, without secrets, while a run is worked on."""
    from definable.observe import observing

    with observing(session.settings, redactor(session.environ), session.home / "logs"):
        yield
