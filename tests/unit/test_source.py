"""Reading YAML 1.2 and Markdown with front matter, with the place of each value."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from definable.errors import DefinitionError, Problem
from definable.spec.source import LARGEST, decode, read_file, read_markdown, read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("2026-01-01", "2026-01-01"),
        ("200_000", "200_000"),
        ("1e3", 1000.0),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("-3", -3),
        (".5", 0.5),
        ("True", True),
        ("~", None),
        ("'1'", "1"),
        ("1.2.3", "1.2.3"),
        ("+1 555", "+1 555"),
        ("-", "-"),
    ],
)
def test_scalars_are_read_as_yaml_1_2(text: str, value: Any) -> None:
    """Only what the core schema calls a number, boolean or null is one."""
    read = read_yaml(f"a: {text}" if text != "-" else "a: '-'", "f").data["a"]
    assert read == value
    assert type(read) is type(value)


def test_keys_are_always_text() -> None:
    """Keys keep the text that stands there, whatever it would mean as a value."""
    assert read_yaml("401: a\non: b\ntrue: c\n", "f").data == {"401": "a", "on": "b", "true": "c"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "f:1:1: the file is empty"),
        ("# only this\n", "f:1:1: the file is empty"),
        ("a: 1\nb: 2\na: 3", "f:3:1: the key 'a' stands here twice, first on line 1"),
        ("a: !!int 3", "f:1:4: the tag 'tag:yaml.org,2002:int' is not supported; write the value without it"),
        ("a: !!python/object:os.system x", "is not supported"),
        ("<<: {a: 1}", "f:1:1: merge keys (<<) are not supported; write the keys out"),
        ("a:\n\t- b", "f:2:1: a tab cannot be used to indent; use spaces"),
        ("a: b: c", "f:1:5: a second ': ' on this line"),
        ("a: {x: ${{ y }} }", "inside { } and [ ], put ${{ … }} in quotes"),
        ("a: @x", "f:1:4: text that starts with '@' must stand in quotes"),
        ("a: *x", "f:1:4: there is no anchor &x before this alias"),
        ("a: &x [*x]", "f:1:8: *x stands inside what it stands for"),
        ("a: 'x", "f:1:6: this is not YAML: found unexpected end of stream"),
        ("a: \x07", "f:1:4: the control character '\\x07' is not allowed"),
        ("a: 1\n---\nb: 2", "f:2:1: a second document starts here (---); a file holds one"),
        ("? [a]\n: b", "f:1:3: a key is a text, not a list, an object or an alias"),
        ("a: .inf", "f:1:4: .inf is not a number that JSON can carry"),
        ("a: 1e999", "f:1:4: 1e999 is too large a number"),
        ("a: " + "9" * 5000, "is not a number that JSON can carry"),
        ("[" * 100, "f:1:66: more than 64 levels deep"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_its_place(text: str, problem: str) -> None:
    """Each of these is one clear problem with line and column."""
    with pytest.raises(DefinitionError) as caught:
        read_yaml(text, "f")
    assert problem in str(caught.value)
    assert len(caught.value.problems) == 1


def test_all_doubtful_values_of_a_file_are_reported_at_once() -> None:
    """Duplicate keys, tags and merge keys are all said, not only the first."""
    with pytest.raises(DefinitionError) as caught:
        read_yaml("a: 1\na: 2\nb: !x 3\n<<: {}\n", "f")
    assert [p.line for p in caught.value.problems] == [2, 3, 4]


def test_aliases_are_followed_but_cannot_blow_up() -> None:
    """An alias stands for its anchor's value; a file that grows beyond bounds through aliases is refused."""
    assert read_yaml("a: &x {k: [1]}\nb: *x", "f").data == {"a": {"k": [1]}, "b": {"k": [1]}}
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    with pytest.raises(DefinitionError, match="more than 200,000 values once aliases are followed"):
        read_yaml("\n".join(lines), "f")


def test_places_of_values_and_keys() -> None:
    """A document knows where each value and each key stands, and stops where a path leads no further."""
    document = read_yaml("a:\n  b: [1, {c: 2}]\n", "f")
    assert str(document.problem(("a", "b", 1, "c"), "x")) == "f:2:14: x"
    assert str(document.problem(("a", "b"), "x", key=True)) == "f:2:3: x"
    assert str(document.problem(("a", "b", 1, "nope", "deeper"), "x")) == "f:2:10: x"


def test_front_matter_and_text() -> None:
    """The text below the front matter is the prompt, and lines count from the top of the file."""
    document = read_markdown("---\r\nname: x\r\n---\r\n\r\nHello\r\n---\r\nthere\r\n", "f.md")
    assert document.data == {"name": "x", "prompt": "Hello\r\n---\r\nthere"}
    assert str(document.problem(("name",), "y")) == "f.md:2:7: y"
    assert str(document.problem(("prompt",), "y")) == "f.md:5:1: y"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("hello", "f:1:1: the file must start with front matter: keys between two lines of ---"),
        ("---\nname: x\n", "f:1:1: the file must start with front matter"),
        ("---\n---\n", "f:2:1: the file is empty"),
        ("---\n- a\n---\n", "f:2:1: front matter is keys and values, such as `name: writer`"),
        ("---\nprompt: a\n---\n", "f:2:1: the prompt is the text below the front matter"),
    ],
)
def test_markdown_without_proper_front_matter(text: str, problem: str) -> None:
    """Front matter that is missing, open, empty or a list is refused."""
    with pytest.raises(DefinitionError) as caught:
        read_markdown(text, "f")
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"a: 1\nb: \xff", "f.yaml:2:4: the byte 0xff is not UTF-8; save the file as UTF-8"),
        (b"\xff\xfea\x00", "f.yaml:1:1: the file is UTF-16; save it as UTF-8"),
        (b"a" * (LARGEST + 1), "f.yaml:1:1: the file is larger than 2,000,000 bytes"),
    ],
)
def test_bytes_that_are_no_text(tmp_path: Path, data: bytes, problem: str) -> None:
    """Invalid UTF-8, UTF-16 and files that are too large are refused."""
    (tmp_path / "f.yaml").write_bytes(data)
    with pytest.raises(DefinitionError) as caught:
        read_file(tmp_path / "f.yaml", "f.yaml")
    assert str(caught.value) == problem


def test_files_that_are_none(tmp_path: Path) -> None:
    """A folder and a missing file are said to be that; a byte order mark does not matter."""
    with pytest.raises(DefinitionError, match="d:1:1: this is a folder; a file is expected"):
        read_file(tmp_path, "d")
    with pytest.raises(DefinitionError, match="x:1:1: there is no such file"):
        read_file(tmp_path / "x", "x")
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_file(tmp_path / "bom.yaml").data == {"a": 1}


@given(st.text() | st.lists(st.sampled_from("ab:-&*!<>[]{}\"'|#?%@`\n \t,~.0"), max_size=40).map("".join))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Whatever the text, reading it gives a document or a DefinitionError with places in the file."""
    found: list[Problem] = []
    try:
        read_yaml(text, "f")
    except DefinitionError as error:
        found = error.problems
    assert all(p.line >= 1 and p.column >= 1 and p.message for p in found)


@given(st.binary())
def test_any_bytes_are_decoded_or_refused(data: bytes) -> None:
    """Whatever the bytes, decoding and reading them raises nothing but DefinitionError."""
    with suppress(DefinitionError):
        assert read_markdown(decode(data, "f"), "f").data


def test_text_that_a_comma_cuts_short_is_refused() -> None:
    """In `{ }` a comma ends unquoted text; what stands behind it would be a key without a value."""
    text = "limit: { type: integer, description: Cells per page; when given, only one page is read }\n"
    with pytest.raises(DefinitionError, match="1:66: 'only one page is read' has no value"):
        read_yaml(text, "t.yaml")
    assert read_yaml("a: { 'b c': , d: 1 }\nempty key:\n", "t.yaml").data == {
        "a": {"b c": None, "d": 1},
        "empty key": None,
    }
