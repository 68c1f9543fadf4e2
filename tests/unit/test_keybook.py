"""What is kept of keys between processes: marks, times and names, under a lock, and never a value."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from definable.toolkits.key import moment
from definable.toolkits.keybook import ASK_AGAIN, ASKING, KEPT, Judged, KeyBook
from definable.toolkits.refusal import why

HERE, THERE = "https://here", "https://there"


def test_two_processes_share_one_book(tmp_path: Path) -> None:
    """What one refuses, the other knows at once; it counts once."""
    one, two = KeyBook(tmp_path / "keys.json"), KeyBook(tmp_path / "keys.json")
    assert one.refuse("m", "KEY", HERE, 0)
    assert not two.refuse("m", "KEY", HERE, 0)
    assert two.generation == 1
    assert two.facts("m").refused[HERE].generation == 1
    two.works("m", "KEY", HERE, 0)
    assert one.facts("m").refused, "a success that began before the refusal is no news"
    two.works("m", "KEY", HERE, 1)
    assert not one.facts("m").refused


def test_one_process_asks_about_a_refused_key(tmp_path: Path) -> None:
    """The others wait; a process that was not heard of for long is taken for dead, and another asks."""
    now = [0.0]
    one, two = (KeyBook(tmp_path / "keys.json", lambda: now[0]) for _ in range(2))
    assert one.doubt("m", "KEY", HERE, 0, "one") is Judged.OURS
    assert two.doubt("m", "KEY", HERE, 0, "two") is Judged.THEIRS
    assert two.in_doubt("m", HERE)
    assert not two.in_doubt("m", THERE)
    now[0] += ASKING - 1
    assert one.doubt("m", "KEY", HERE, 0, "one") is Judged.OURS
    now[0] += ASKING - 1
    assert two.doubt("m", "KEY", HERE, 0, "two") is Judged.THEIRS, "it said in between that it still asks"
    now[0] += 2
    assert not two.in_doubt("m", HERE)
    assert two.doubt("m", "KEY", HERE, 0, "two") is Judged.OURS


def test_a_process_that_has_ended_asks_no_more(tmp_path: Path) -> None:
    """Nobody waits for what a dead process would have found."""
    book = KeyBook(tmp_path / "keys.json")
    dead = subprocess.Popen(["true"])
    dead.wait()
    book.doubt("m", "KEY", HERE, 0, f"{dead.pid}.x")
    assert not book.in_doubt("m", HERE)
    assert book.doubt("m", "KEY", HERE, 0, f"{os.getpid()}.y") is Judged.OURS
    assert book.doubt("m", "KEY", HERE, 0, f"{os.getpid()}.z") is Judged.THEIRS


def test_what_was_found_out_holds_for_all_that_left_before(tmp_path: Path) -> None:
    """A late 401 needs no question, for a good key and for a refused one; a later one does."""
    one, two = KeyBook(tmp_path / "keys.json"), KeyBook(tmp_path / "keys.json")
    one.doubt("m", "KEY", HERE, 0, "one")
    one.accept("m", "KEY", HERE)
    assert not two.in_doubt("m", HERE)
    assert two.doubt("m", "KEY", HERE, 0, "two") is Judged.GOOD
    assert two.generation == 1
    assert two.doubt("m", "KEY", HERE, 1, "two") is Judged.OURS
    two.refuse("m", "KEY", HERE, 1)
    assert not one.in_doubt("m", HERE)
    for seen in (0, 1):
        assert one.doubt("m", "KEY", HERE, seen, "one") is Judged.REFUSED
    one.accept("m", "KEY", HERE)
    assert not two.facts("m").refused


def test_who_stops_asking_leaves_it_to_the_next(tmp_path: Path) -> None:
    """Nothing is known then, and nothing was said."""
    book = KeyBook(tmp_path / "keys.json")
    book.doubt("m", "KEY", HERE, 0, "one")
    book.drop("m", "KEY", HERE)
    assert book.generation == 0
    assert book.doubt("m", "KEY", HERE, 0, "two") is Judged.OURS


def test_one_of_many_asks_about_a_key(tmp_path: Path) -> None:
    """Once for all processes; who could not ask leaves it to the next, and silence is asked again."""
    now = [0.0]
    one, two = (KeyBook(tmp_path / "keys.json", lambda: now[0]) for _ in range(2))
    assert one.may_ask("m", "KEY")
    assert not two.may_ask("m", "KEY")
    one.ask_later("m", "KEY")
    assert two.may_ask("m", "KEY")
    now[0] += ASK_AGAIN + 1
    assert one.may_ask("m", "KEY")
    one.told("m", "KEY", None, "ada@example.com")
    now[0] += ASK_AGAIN + 1
    assert not two.may_ask("m", "KEY")
    assert two.facts("m").whose == "ada@example.com"


def test_a_book_that_is_none_is_empty_and_is_replaced(tmp_path: Path) -> None:
    """Losing it costs one refusal; it stops nothing."""
    path = tmp_path / "keys.json"
    path.write_text("{ not json")
    book = KeyBook(path)
    assert book.generation == 0
    assert book.refuse("m", "KEY", HERE, 0)
    assert KeyBook(path).generation == 1


def test_where_nothing_can_be_written_a_process_remembers_for_itself(tmp_path: Path) -> None:
    """A home that is no folder stops nothing."""
    (tmp_path / "home").write_text("a file")
    book = KeyBook(tmp_path / "home" / "keys.json")
    assert book.refuse("m", "KEY", HERE, 0)
    assert book.facts("m").refused


def test_keys_that_nobody_met_for_long_are_forgotten(tmp_path: Path) -> None:
    """The book stays small."""
    now = [0.0]
    book = KeyBook(tmp_path / "keys.json", lambda: now[0])
    book.works("old", "KEY", HERE, 0)
    now[0] += KEPT + 1
    book.works("new", "KEY", HERE, 0)
    assert not book.facts("old").worked
    assert book.facts("new").worked


@pytest.mark.parametrize(
    ("value", "at"),
    [
        (1_767_225_600, 1_767_225_600.0),
        (1_767_225_600_000, 1_767_225_600.0),
        ("2026-01-01T00:00:00Z", 1_767_225_600.0),
        ("2026-01-01T01:00:00+01:00", 1_767_225_600.0),
        ("2026-01-01T00:00:00", 1_767_225_600.0),
        (1e30, None),
        (float("nan"), None),
        (12, None),
        (-5, None),
        (True, None),
        (None, None),
        ("soon", None),
        ("", None),
        ([], None),
        ({}, None),
    ],
)
def test_what_is_a_time(value: object, at: float | None) -> None:
    """Seconds, milliseconds by their size, RFC 3339; nothing else, and nothing is guessed."""
    assert moment(value) == at


def test_a_refusal_is_told_apart_as_far_as_anything_is_known() -> None:
    """Over, revoked, another host's, taken out on the way, or never good here: with what to do."""
    said = {"www-authenticate": 'Bearer error="invalid_token"'}
    now = 1_767_225_600.0

    def words(book: KeyBook, expires: float | None = None, headers: dict[str, str] = said) -> str:
        return why("KEY", HERE, book.facts("m"), expires, headers, now, "HEX_BASE_URL")

    unknown = KeyBook(clock=lambda: now)
    assert words(unknown, now - 60).endswith("it expired at 2025-12-31 23:59 UTC; make a new one")
    assert "never worked as far as is known: revoked, expired, or for another host" in words(unknown)
    assert "was to last until 2026-01-01 00:01 UTC, where it never worked" in words(unknown, now + 60)
    assert "saw no key in the request" in words(unknown, headers={"www-authenticate": "Bearer"})
    there = KeyBook(clock=lambda: now)
    there.works("m", "KEY", THERE, 0)
    assert words(there).endswith("so it is that host's; set HEX_BASE_URL to it")
    here = KeyBook(clock=lambda: now)
    here.works("m", "KEY", HERE, 0)
    assert "so it was revoked or expired since; make a new one" in words(here)
    assert "was revoked since" in words(here, now + 60)
