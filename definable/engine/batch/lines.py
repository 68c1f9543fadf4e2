"""The lines of an items file, one at a time: what is no text, or too long, is said and passed over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final

from definable.errors import UsageError

LONGEST: Final = 8_000_000
"""The longest line that is read, in bytes."""

BOM: Final = b"\xef\xbb\xbf"

FOREIGN: Final = (
    (b"\xff\xfe", "is UTF-16", "save it as UTF-8"),
    (b"\xfe\xff", "is UTF-16", "save it as UTF-8"),
    (b"\x1f\x8b", "is compressed", "unpack it first: gunzip"),
    (b"PK\x03\x04", "is a spreadsheet or an archive", "save it as CSV, or unpack it"),
)
"""How files begin that are something else: what they are, what to do."""


class Line(str):
    """The text of a line, without its end. Bytes that are no UTF-8 stand in it as half characters."""

    number: int
    trouble: str
    """What is wrong with the line itself; empty when nothing is."""


def lines(file: BinaryIO, name: str) -> Iterator[Line]:
    """Yield the lines of a file, the first without its byte order mark. UsageError for what is no text."""
    number = 0
    while raw := file.readline(LONGEST + 1):
        number += 1
        if number == 1:
            raw = _begun(raw, name)
        trouble = ""
        if len(raw) > LONGEST:
            raw, trouble = b"", f"the line has more than {LONGEST:,} bytes; a row may not have so many"
            _skip(file)
        yield _line(raw.rstrip(b"\r\n") if raw.endswith(b"\n") else raw, number, trouble)


def _begun(raw: bytes, name: str) -> bytes:
    for start, what, hint in FOREIGN:
        if raw.startswith(start):
            raise UsageError(f"{name} {what}, where lines of UTF-8 text are expected", hint=hint)
    return raw.removeprefix(BOM)


def _skip(file: BinaryIO) -> None:
    while (rest := file.readline(LONGEST)) and not rest.endswith(b"\n"):
        pass


def _line(raw: bytes, number: int, trouble: str) -> Line:
    try:
        line = Line(raw.decode())
    except UnicodeDecodeError as error:
        line = Line(raw.decode(errors="surrogateescape"))
        trouble = (
            f"byte {error.start + 1} is not UTF-8 ({raw[error.start : error.start + 1]!r}); save it as UTF-8"
        )
    line.number, line.trouble = number, trouble
    return line
