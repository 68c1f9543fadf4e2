"""The ring of keys: which is in use, how it moves, and that no value is ever shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from definable.spec.toolkit import Source
from definable.toolkits.credentials import Key, KeyRing, is_exclusive
from tests.hexkit import toolkit

SOURCES = (Source(env="KEY"), Source(env="NEXT"), Source(file_env="FILE"))


def _value(key: Key | None) -> str | None:
    return key.secret.get_secret_value() if key else None


def test_the_first_source_that_is_set_is_in_use() -> None:
    """Empty and blank variables are not set."""
    ring = KeyRing(SOURCES, {"KEY": "  ", "NEXT": " b \n"})
    key = ring.current()
    assert key is not None
    assert (key.name, _value(key)) == ("NEXT", "b")


def test_a_refused_key_makes_room_for_the_next() -> None:
    """And it stays behind, however often the ring is asked."""
    ring = KeyRing(SOURCES, {"KEY": "a", "NEXT": "b"})
    assert ring.current()
    assert _value(ring.advance("KEY")) == "b"
    assert _value(ring.current()) == "b"
    assert ring.advance("NEXT") is None
    assert ring.current() is None


def test_many_refusals_of_one_key_move_the_ring_once() -> None:
    """Whoever comes second finds another key in use and leaves it there."""
    ring = KeyRing(SOURCES, {"KEY": "a", "NEXT": "b"})
    first = ring.current()
    assert first is not None
    assert [_value(ring.advance(first)) for _ in range(3)] == ["b"] * 3
    assert [_value(ring.advance("KEY")) for _ in range(3)] == ["b"] * 3


def test_a_changed_variable_counts_as_a_new_key() -> None:
    """The value is what was refused, not the name; it is tried again as soon as it is another."""
    environ = {"KEY": "a"}
    ring = KeyRing(SOURCES, environ)
    first = ring.current()
    assert first is not None
    assert ring.advance(first) is None
    assert ring.current() is None
    environ["KEY"] = "a2"
    assert _value(ring.current()) == "a2"
    assert _value(ring.advance(first)) == "a2"


def test_a_changed_file_counts_as_a_new_key(tmp_path: Path) -> None:
    """The file is read anew whenever the ring is walked."""
    file = tmp_path / "key"
    file.write_text("old\n")
    ring = KeyRing(SOURCES, {"FILE": str(file)})
    key = ring.current()
    assert key is not None
    assert (key.name, _value(key)) == ("FILE (file)", "old")
    file.write_text("new\n")
    assert _value(ring.advance(key)) == "new"


def test_two_sources_with_one_value_are_one_key() -> None:
    """What was refused under one name is not sent under another."""
    ring = KeyRing(SOURCES, {"KEY": "a", "NEXT": "a"})
    assert ring.current()
    assert ring.advance("KEY") is None


def test_why_there_is_no_key_is_told_by_source(tmp_path: Path) -> None:
    """Names, what became of each, and no value."""
    ring = KeyRing(SOURCES, {"KEY": "secret-a", "FILE": str(tmp_path / "missing")})
    assert ring.current()
    assert ring.advance("KEY") is None
    assert ring.explain() == (
        "no key is left: KEY was refused, NEXT is not set, "
        "FILE (file) cannot be read: No such file or directory"
    )


@pytest.mark.parametrize("value", ["two words", "naïve", "bell\x07"])
def test_what_cannot_be_a_key_is_not_sent(value: str) -> None:
    """It would break the request's header; the next source is used."""
    ring = KeyRing(SOURCES, {"KEY": value, "NEXT": "b"})
    assert _value(ring.current()) == "b"
    assert ring.states()["KEY"] == "holds spaces or characters that no key has"


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are not guessed at."""
    file = tmp_path / "key"
    file.write_bytes(b"\xff\xfe\x00")
    assert KeyRing(SOURCES, {"FILE": str(file)}).states()["FILE (file)"] == "cannot be read: it is not text"


def test_no_text_form_shows_a_value() -> None:
    """Not of the key, the ring or its states."""
    ring = KeyRing(SOURCES, {"KEY": "hxtp_canary", "NEXT": "hxtp_canary2"})
    shown = f"{ring!r} {ring.current()!r} {ring.current()} {ring.states()} {ring.explain()}"
    assert "canary" not in shown
    assert ring.states() == {"KEY": "in use", "NEXT": "set", "FILE (file)": "not set"}
    assert ring.secrets() == ["hxtp_canary", "hxtp_canary2"]


@pytest.mark.parametrize(("value", "exclusive"), [("1", True), ("Yes", True), ("0", False), ("", False)])
def test_exclusive_use_must_be_declared(value: str, exclusive: bool) -> None:
    """Only a yes is a yes."""
    assert is_exclusive(toolkit(), {"HEX_TOKEN_EXCLUSIVE": value}) is exclusive
    assert is_exclusive(toolkit(), {}) is False
