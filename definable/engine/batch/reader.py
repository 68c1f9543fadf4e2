"""Reads items from a file of JSON lines or a table (CSV), one at a time, whatever the file's size."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Final

from definable.engine.batch.lines import LONGEST, Line, lines
from definable.engine.batch.rows import BadRow, Item, Reading
from definable.errors import UsageError
from definable.spec.inputs import whole

STDIN: Final = "-"

Rows = Iterator[Item | BadRow]

A_LIST = (
    "{name} is one JSON list, where one object a line is expected",
    "turn it into lines: jq -c '.[]' {name} > items.jsonl",
)


def read_items(path: str, reading: Reading, called: str = "") -> Rows:
    """Yield each row of a file, or of the standard input (`-`): an item, or what is wrong with it.

    `called` is the file's name in what is said of it; its path unless given. Names of items are not compared
    with one another here. UsageError when the file cannot be read as one of rows at all: it is not there, is
    no text, or its columns do not fit the workflow.
    """
    with _opened(path) as file:
        name = called or ("standard input" if path == STDIN else path)
        text = lines(file, name)
        first = next((line for line in text if line.strip() or line.trouble), None)
        if first is None:
            raise UsageError(f"{name} is empty", hint="give it one item a line")
        read = table_rows if _is_table(path, first) else json_rows
        yield from read(chain([first], text), name, reading)


def passes(path: Path) -> bool:
    """Whether what can be read there is gone when it was read: a pipe's or a device's, and no file's."""
    return path.exists() and not path.is_file() and not path.is_dir()


@contextmanager
def _opened(path: str) -> Iterator[BinaryIO]:
    if path == STDIN:
        yield sys.stdin.buffer
        return
    try:
        file = Path(path).open("rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise UsageError(f"cannot read the items in {path!r}: {error.strerror}") from error
    with file:
        yield file


def _is_table(path: str, first: Line) -> bool:
    kind = Path(path).suffix.lower()
    if kind in (".jsonl", ".ndjson", ".json"):
        return False
    return kind in (".csv", ".tsv") or not first.lstrip().startswith(("{", "["))


def json_rows(text: Iterator[Line], name: str, reading: Reading) -> Rows:
    """Yield the rows of JSON lines. Blank lines are none."""
    begun = False
    for line in text:
        if not begun and line.lstrip().startswith("["):
            raise UsageError(A_LIST[0].format(name=name), hint=A_LIST[1].format(name=name))
        begun = True
        if line.trouble:
            yield BadRow(line.number, (line.trouble,))
        elif line.strip():
            yield _json_row(line, reading)


def _json_row(line: Line, reading: Reading) -> Item | BadRow:
    try:
        row = json.loads(line, object_pairs_hook=_once, parse_constant=_refuse, parse_int=whole)
    except json.JSONDecodeError as error:
        what = f"not JSON: {error.msg} at column {error.colno}; each line is one object by itself"
        return BadRow(line.number, (what,))
    except RecursionError:
        return BadRow(line.number, ("nested too deeply",))
    except ValueError as error:
        return BadRow(line.number, (str(error),))
    return reading.of_object(line.number, row)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} stands in one object twice; keep one")
        found[key] = value
    return found


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON; write a number, or null")


class _Physical(Iterator[str]):
    """The lines of a table as `csv` wants them, and what was wrong with them."""

    def __init__(self, text: Iterator[Line]) -> None:
        self.text = text
        self.last = 0
        self.troubles: list[BadRow] = []

    def __next__(self) -> str:
        line = next(self.text)
        self.last = line.number
        if line.trouble:
            self.troubles.append(BadRow(line.number, (line.trouble,)))
        return f"{line}\n"


def table_rows(text: Iterator[Line], name: str, reading: Reading) -> Rows:
    """Yield the rows of a table, whose first line names its columns. Fields in quotes may hold line ends."""
    head = next(text)
    physical = _Physical(chain([head], text))
    csv.field_size_limit(LONGEST)
    rows = csv.reader(physical, strict=True, delimiter=_delimiter(head))
    columns = [each.strip() for each in _header(rows, name)]
    if wrong := reading.columns(columns):
        takes = ", ".join(reading.workflow.inputs) or "none"
        raise UsageError(f"{name}:{head.number}: {wrong}", hint=f"its first line names the columns: {takes}")
    while True:
        start = physical.last + 1
        try:
            cells = next(rows)
        except StopIteration:
            yield from physical.troubles
            return
        except csv.Error as error:
            physical.troubles.clear()
            yield BadRow(start, (_unquoted(str(error), start, physical.last),))
            continue
        if physical.troubles:
            yield from physical.troubles
            physical.troubles.clear()
        elif any(cell.strip() for cell in cells):
            yield _table_row(start, columns, cells, reading)


def _header(rows: Iterator[list[str]], name: str) -> list[str]:
    try:
        return next(rows)
    except csv.Error as error:
        raise UsageError(f"{name}:1: the names of the columns cannot be read: {error}") from error


def _delimiter(head: str) -> str:
    """Return what stands between the columns: a comma, unless there is none and something else is."""
    return next((each for each in (",", ";", "\t") if each in head), ",")


def _table_row(line: int, columns: list[str], cells: list[str], reading: Reading) -> Item | BadRow:
    if len(cells) != len(columns):
        what = f"{len(cells)} fields, where the first line names {len(columns)} columns"
        return BadRow(line, (f"{what}; put a field that has a comma in it in quotes",))
    return reading.of_texts(line, dict(zip(columns, cells, strict=True)))


def _unquoted(error: str, start: int, last: int) -> str:
    if "end of data" in error or "field limit" in error:
        taken = f"; the lines up to {last:,} went into it" if last > start else ""
        return f"a quote that opens in this row is never closed{taken}"
    return f'the quotes are wrong ({error}); a quote inside quotes is written twice, ""'
