"""Items from files of JSON lines and tables: each row read, or what is wrong with it said, with its line."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from definable.engine.batch import lines
from definable.engine.batch.index import Index, Stage
from definable.engine.batch.reader import read_items
from definable.engine.batch.rows import BadRow, Item, Reading
from definable.errors import UsageError
from definable.spec.load import load
from definable.spec.source import read_yaml
from definable.spec.workflow import Workflow

WORKFLOW = load(
    read_yaml(
        """
name: w
description: d
inputs:
  project: { type: string, description: Where it goes }
  days: { type: integer, default: 7, minimum: 1, maximum: 31 }
  tags: { type: array, required: false }
steps: [{ id: a, agent: writer }]
""",
        "w.yaml",
    ),
    Workflow,
)
BOM = b"\xef\xbb\xbf"


def rows(tmp_path: Path, data: bytes, name: str = "items.jsonl", **how: Any) -> list[Item | BadRow]:
    """Return the rows of a file with these bytes."""
    (tmp_path / name).write_bytes(data)
    return list(read_items(str(tmp_path / name), Reading(WORKFLOW, **how)))


def items(found: list[Item | BadRow]) -> list[tuple[int, str, dict[str, Any]]]:
    """Return line, name and inputs of each row; all of them are items."""
    assert not [each for each in found if isinstance(each, BadRow)], found
    return [(each.line, each.custom_id, each.inputs) for each in found if isinstance(each, Item)]


def full(project: str, days: int = 7) -> dict[str, Any]:
    """Return inputs with the defaults filled in."""
    return {"project": project, "days": days, "tags": None}


def wrong(found: list[Item | BadRow]) -> list[tuple[int, str]]:
    """Return line and words of each row; all of them are bad."""
    return [(each.line, "; ".join(each.problems)) for each in found if isinstance(each, BadRow)]


def test_a_row_is_the_inputs_or_has_them_beside_a_name(tmp_path: Path) -> None:
    """Both forms, with or without a name, stand in one file; defaults are filled in."""
    text = b'{"project": "p"}\n{"custom_id": "b", "inputs": {"project": "q", "days": 3}}\n'
    text += b'{"custom_id": 3, "project": "r"}\n{"inputs": {"project": "s"}}'
    found = items(rows(tmp_path, text))
    assert [each[2] for each in found] == [full("p"), full("q", 3), full("r"), full("s")]
    assert [name for _, name, _ in found][1:3] == ["b", "3"]
    assert found[0][1].startswith("row-")


def test_a_table_is_read_by_the_types_of_the_inputs(tmp_path: Path) -> None:
    """As `-i key=value` is; an empty field is an input that is not given, and quotes may hold line ends."""
    text = b'custom_id,project,days,tags\r\na,"two\r\nlines",3,"[""x""]"\r\n\r\nb,"p, q",,\r\n'
    found = items(rows(tmp_path, BOM + text, "items.csv"))
    assert found == [
        (2, "a", {"project": "two\nlines", "days": 3, "tags": ["x"]}),
        (5, "b", full("p, q")),
    ]


@pytest.mark.parametrize("delimiter", [";", "\t", ","])
def test_a_table_may_be_divided_otherwise(tmp_path: Path, delimiter: str) -> None:
    """Spreadsheets write what their country writes; and what a file is shows in its first line."""
    text = "project,days\np,3\n".replace(",", delimiter).encode()
    assert [each[2] for each in items(rows(tmp_path, text, "items"))] == [full("p", 3)]


def test_a_column_names_the_items(tmp_path: Path) -> None:
    """It may be an input as well, and stays one; else it is no input."""
    assert items(rows(tmp_path, b'{"project": "p"}', column="project")) == [(1, "p", full("p"))]
    assert items(rows(tmp_path, b"n,project\n7,p\n", "i.csv", column="n")) == [(2, "7", full("p"))]
    assert wrong(rows(tmp_path, b'{"project": "p"}', column="n")) == [(1, "n: missing; it names the item")]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"{", "not JSON: Expecting property name enclosed in double quotes at column 2"),
        (b"7", "7 stands here, where an object with the inputs is expected"),
        (b'{"project": "p", "project": "q"}', "the key 'project' stands in one object twice; keep one"),
        (b'{"project": "p", "days": NaN}', "NaN is not JSON; write a number, or null"),
        (b'{"days": 3}', "project: missing; a text is expected (Where it goes)"),
        (b'{"project": "p", "days": 99}', "days: at most 31 is expected, not 99"),
        (b'{"project": "p", "dys": 3}', "dys: unknown input; did you mean 'days'?"),
        (b'{"project": "p", "days": "3"}', "days: a whole number is expected, not '3'"),
        (b'{"project": "\\ud800"}', "project: a text has half a character"),
        (b'{"project": "caf\xe9"}', "byte 17 is not UTF-8 (b'\\xe9'); save it as UTF-8"),
        (b'{"inputs": 7}', "inputs: an object is expected, not 7"),
        (b'{"inputs": {"project": "p"}, "body": {}}', "'body' stands beside 'inputs': only 'custom_id' goes"),
        (b'{"custom_id": true, "project": "p"}', "custom_id: a text or a whole number is expected, not true"),
        (b'{"custom_id": "a\\nb", "project": "p"}', "custom_id: 1 to 200 printable characters are expected"),
        (
            b'{"custom_id": "", "project": "p"}',
            "custom_id: 1 to 200 printable characters are expected, not ''",
        ),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"project": "p", "tags": ' + b"[" * 300 + b"]" * 300 + b"}", "tags: more than 64 levels deep"),
        (b'{"project": "p", "tags": [1e999]}', "tags: a number is too large, or none: a list"),
        (
            b'{"project": "p", "days": ' + b"9" * 5000 + b"}",
            "a whole number has 5,000 digits; at most 300 are read",
        ),
    ],
)
def test_what_is_wrong_with_a_row_is_said(tmp_path: Path, line: bytes, says: str) -> None:
    """With its line, the value, and what is expected; the rows around it are read all the same."""
    found = rows(tmp_path, b'{"project": "p"}\n\n' + line + b'\r\n{"project": "q"}\n')
    ((number, words),) = wrong(found)
    assert (number, len(found)) == (3, 3)
    assert words.startswith(says)


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (b"project,days\np\n", 2, "1 fields, where the first line names 2 columns"),
        (b"project,days\np,x\n", 2, "days: a whole number is expected, not 'x'"),
        (b'project,days\n"a"b,3\n', 2, "the quotes are wrong"),
        (b'project,days\nq,1\n"a,3\n', 3, "a quote that opens in this row is never closed"),
        (
            b'project,days\nq,1\n"a\nb,3\nc,3',
            3,
            "a quote that opens in this row is never closed; the lines up to 5 went into it",
        ),
        (b"project,days\ncaf\xe9,3\n", 2, "byte 4 is not UTF-8"),
    ],
)
def test_what_is_wrong_with_a_row_of_a_table_is_said(
    tmp_path: Path, text: bytes, line: int, says: str
) -> None:
    """With the line in which the row begins."""
    ((number, words),) = wrong(rows(tmp_path, text, "items.csv"))
    assert number == line
    assert words.startswith(says)


@pytest.mark.parametrize(
    ("data", "name", "says"),
    [
        (b"", "items.jsonl", "items.jsonl is empty"),
        (b"\n \r\n", "items.jsonl", "items.jsonl is empty"),
        ("x".encode("utf-16"), "items.csv", "is UTF-16, where lines of UTF-8 text are expected"),
        (b"\x1f\x8b\x08", "items.jsonl", "is compressed"),
        (b"PK\x03\x04", "items.csv", "is a spreadsheet or an archive"),
        (b'[\n{"project": "p"}]', "items.json", "is one JSON list, where one object a line is expected"),
        (
            b"project,dys\n",
            "items.csv",
            "items.csv:1: the column 'dys' is no input of w; did you mean 'days'?",
        ),
        (b"project,project\n", "items.csv", "two columns are named 'project'"),
        (b"project,\n", "items.csv", "column 2 has no name"),
    ],
)
def test_a_file_that_has_no_rows_says_why(tmp_path: Path, data: bytes, name: str, says: str) -> None:
    """One message, whatever the file is."""
    with pytest.raises(UsageError) as error:
        rows(tmp_path, data, name)
    assert says in error.value.message


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    """By its name; and a folder is no file."""
    for path, why in ((tmp_path / "x.jsonl", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(UsageError, match=f"cannot read the items in .*{why}"):
            list(read_items(str(path), Reading(WORKFLOW)))


def test_a_line_without_end_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is never held in memory; the rows after it are read."""
    monkeypatch.setattr(lines, "LONGEST", 100)
    found = rows(tmp_path, b'{"project": "' + b"x" * 1000 + b'"}\n{"project": "p"}\n')
    assert wrong(found[:1]) == [(1, "the line has more than 100 bytes; a row may not have so many")]
    assert [each[0] for each in items(found[1:])] == [2]


def test_names_are_there_once() -> None:
    """The second of a name is a bad row; rows that are alike and have no name get one each, always alike."""
    plain = Reading(WORKFLOW).of_object(1, {"project": "p"})
    assert isinstance(plain, Item)
    twice = [Item(line, "a", full("p")) for line in (1, 2)]
    with Index.open() as index:
        index.fill([*twice, plain, plain])
        assert [each.problems for each in index.bad_rows()] == [
            ("custom_id 'a' stands in line 1 already; give each item its own",)
        ]
        names = [entry.custom_id for chunk in index.chunks(Stage.NEW) for entry in chunk]
        assert names == ["a", plain.custom_id, f"{plain.custom_id}-2"]


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(lambda t: t.strip() == t)


@given(st.lists(st.tuples(TEXT, st.integers(1, 31)), min_size=1), st.sampled_from(["\n", "\r\n"]))
def test_both_kinds_of_files_say_the_same(values: list[tuple[str, int]], end: str) -> None:
    """Whatever the texts are, a table and JSON lines of the same items give the same inputs."""
    import tempfile

    table = io.StringIO()
    writer = csv.writer(table, lineterminator=end)
    writer.writerow(["project", "days"])
    writer.writerows(values)
    text = end.join(json.dumps({"project": p, "days": d}, ensure_ascii=False) for p, d in values)
    with tempfile.TemporaryDirectory() as folder:
        for name, content in (("i.csv", table.getvalue()), ("i.jsonl", text)):
            found = items(rows(Path(folder), content.encode(), name))
            assert [each[2] for each in found] == [full(p, d) for p, d in values]
