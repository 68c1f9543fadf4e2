"""Where text goes: results to stdout, progress to stderr, plain unless a person is watching."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TextIO

from definable.errors import StoreError

if TYPE_CHECKING:
    from rich.console import Console

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What a terminal might obey: everything that is no text, but for tab and newline."""


def prepare() -> None:
    """Make the standard streams take any text: what an encoding cannot say is written as an escape.

    A stream that was closed before the start is one that nobody reads.
    """
    sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")  # noqa: SIM115
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def harmless(text: str) -> str:
    """Return `text` with control characters made visible, since it may come from outside."""
    return CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


class Screen:
    """The two streams of one command. A reader that went away (a broken pipe) is no failure."""

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        json: bool = False,
        out: TextIO | None = None,
        err: TextIO | None = None,
    ) -> None:
        """Decide what may be coloured and live: terminals only, never with `json` or NO_COLOR."""
        self.out = out or sys.stdout
        self.err = err or sys.stderr
        plain = json or bool(environ.get("NO_COLOR")) or environ.get("TERM") == "dumb"
        self.json = json
        self.rich = self.out.isatty() and not plain
        self.live = self.err.isatty() and not plain
        self.asks = sys.stdin.isatty() and self.err.isatty() and not json

    def result(self, text: str) -> None:
        """Write a result to stdout."""
        self._write(self.out, harmless(text) if self.out.isatty() else text)

    def data(self, value: Any) -> None:
        """Write a result to stdout as one line of JSON."""
        import json

        self._write(self.out, json.dumps(value, ensure_ascii=False))

    def say(self, text: str) -> None:
        """Write progress to stderr."""
        self._write(self.err, harmless(text))

    def console(self, *, progress: bool = False) -> Console:
        """Return a rich console for one of the streams; used only where `rich` or `live` is true."""
        from rich.console import Console

        return Console(file=self.err if progress else self.out, highlight=False, markup=False, emoji=False)

    def ask(self, question: str, default: str = "n") -> str:
        """Ask the person at the terminal (`asks` says if one is there); return the answer in lower case."""
        self.err.write(f"{harmless(question)} ")
        self.err.flush()
        answer = sys.stdin.readline()
        return answer.strip().lower() or default

    def flush(self) -> None:
        """Write out what is buffered, quietly."""
        for stream in (self.out, self.err):
            self._write(stream, None)

    def _write(self, stream: TextIO, text: str | None) -> None:
        try:
            if text is not None:
                stream.write(text + "\n")
            stream.flush()
        except BrokenPipeError:
            # Nobody reads any more: the rest goes nowhere, and the command ends as it would have.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            if stream is self.out:
                raise StoreError(
                    f"the output cannot be written: {error.strerror}", hint="what was done is kept"
                ) from error
