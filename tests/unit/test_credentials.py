"""The ring of keys: which is in use, how it moves, and that no value is ever shown."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from definable.spec.toolkit import Source
from definable.toolkits.credentials import Key, KeyRing, is_exclusive
from definable.toolkits.keybook import KeyBook
from tests.hexkit import toolkit

SOURCES = (Source(env="KEY"), Source(env="NEXT"), Source(file_env="FILE"))


def _value(key: Key | None) -> str | None:
    return key.secret.get_secret_value() if key else None


def _refused(ring: KeyRing) -> Key | None:
    """Let the key in use be refused, and return the next one."""
    key = ring.current()
    assert key is not None
    ring.answered(replace(key, generation=ring.book.generation), 401)
    return ring.current()


def test_the_first_source_that_is_set_is_in_use() -> None:
    """Empty and blank variables are not set."""
    ring = KeyRing(SOURCES, {"KEY": "  ", "NEXT": " b \n"})
    key = ring.current()
    assert key is not None
    assert (key.name, _value(key)) == ("NEXT", "b")


def test_a_refused_key_makes_room_for_the_next() -> None:
    """And it stays behind, however often the ring is asked."""
    ring = KeyRing(SOURCES, {"KEY": "a", "NEXT": "b"})
    assert _value(_refused(ring)) == "b"
    assert _value(ring.current()) == "b"
    assert _refused(ring) is None
    assert ring.current() is None


@pytest.mark.anyio
async def test_many_refusals_of_one_key_are_one_generation() -> None:
    """Whoever comes second finds another key in use; a late refusal of the old key does nothing."""
    ring = KeyRing(SOURCES, {"KEY": "a", "NEXT": "b"})
    taken = [await ring.ready() for _ in range(3)]
    for key in taken:
        assert key is not None
        ring.answered(key, 401)
    assert ring.book.generation == 1
    assert _value(await ring.ready()) == "b"


@pytest.mark.anyio
@pytest.mark.parametrize("good", [True, False])
async def test_one_task_asks_about_a_key_in_doubt_for_all(good: bool) -> None:
    """Those that were refused share what it finds; nobody takes the key before that."""
    book = KeyBook()
    here, there = (KeyRing(SOURCES, {"KEY": "a", "NEXT": "b"}, book, asks=True) for _ in range(2))
    taken = [(ring, key) for ring in (here, there) for _ in range(3) if (key := await ring.ready())]
    asked: list[Key] = []

    async def asks(key: Key) -> bool:
        asked.append(key)
        await asyncio.sleep(0.01)
        assert not first.done()
        assert not other.done()
        return good

    for ring, key in taken:
        ring.answered(key, 401, "it was refused")
    assert book.generation == 0
    new = KeyRing(SOURCES, {"KEY": "a", "NEXT": "b"}, book, asks=True)
    other = asyncio.ensure_future(new.ready())
    first = asyncio.ensure_future(there.ready())
    assert await asyncio.gather(*(ring.settled("KEY", asks) for ring, _ in taken)) == [good] * 6
    assert len(asked) == 1
    assert _value(await first) == ("a" if good else "b")
    assert _value(await other) == ("a" if good else "b")
    assert book.generation == 1
    late, key = taken[0]
    late.answered(key, 401)
    assert await late.settled("KEY", asks) is good
    assert len(asked) == 1


@pytest.mark.anyio
async def test_a_question_that_is_broken_off_bars_no_key() -> None:
    """What breaks it off is raised; the next refusal is asked about anew."""
    ring = KeyRing(SOURCES, {"KEY": "a"}, asks=True)
    key = await ring.ready()
    assert key is not None
    ring.answered(key, 401)

    async def broken(key: Key) -> bool:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await ring.settled("KEY", broken)
    assert _value(await ring.ready()) == "a"


@pytest.mark.anyio
async def test_a_key_that_is_known_to_be_over_is_not_asked_about() -> None:
    """Nothing would come of it."""
    book = KeyBook(clock=lambda: 1e9)
    ring = KeyRing(SOURCES, {"KEY": "a"}, book, clock=lambda: 1e9, asks=True)
    key = await ring.ready()
    assert key is not None
    book.told(key.mark, "KEY", 1e9 - 1, "ada")
    ring.answered(key, 401)
    assert book.facts(key.mark).refused


@pytest.mark.anyio
async def test_a_call_that_was_on_its_way_neither_clears_nor_repeats_a_refusal() -> None:
    """A success that began before the refusal is no news; one that began after it clears the key."""
    ring = KeyRing(SOURCES, {"KEY": "a"})
    early, other = await ring.ready(), await ring.ready()
    assert early is not None
    assert other is not None
    ring.answered(early, 401)
    ring.answered(other, 200)
    assert await ring.ready() is None
    ring.anew()
    again = await ring.ready()
    assert again is not None
    ring.answered(again, 200)
    assert not ring.book.facts(again.mark).refused


def test_a_person_who_says_go_on_has_refused_keys_tried_again() -> None:
    """One odd 401 locks nobody out: neither a new start nor `anew` is bound by what was refused before."""
    book = KeyBook()
    ring = KeyRing(SOURCES, {"KEY": "a"}, book)
    assert _refused(ring) is None
    assert _value(KeyRing(SOURCES, {"KEY": "a"}, book).current()) == "a"
    assert ring.current() is None
    ring.anew()
    assert _value(ring.current()) == "a"
    assert _refused(ring) is None


def test_what_one_host_refuses_another_may_accept() -> None:
    """A refusal is of a key at a host."""
    book = KeyBook()
    here, there = (KeyRing(SOURCES, {"KEY": "a"}, book, host) for host in ("https://a", "https://b"))
    assert _refused(here) is None
    assert _value(there.current()) == "a"


@pytest.mark.anyio
async def test_what_another_process_learns_of_a_key_counts_for_the_next_attempt(tmp_path: Path) -> None:
    """That it was refused, in which generation, and that it ends."""
    books = [KeyBook(tmp_path / "keys.json") for _ in range(2)]
    here, there = (KeyRing(SOURCES, {"KEY": "a", "NEXT": "b", "FILE": ""}, book, "h") for book in books)
    key = await here.ready()
    assert (_value(key), key and key.generation) == ("a", 0)
    assert _value(_refused(there)) == "b"
    key = await here.ready()
    assert (_value(key), key and key.generation) == ("b", 1)
    here.answered(key or Key("", SecretStr("")), 200)
    there.book.accept(here.set_now()[0].mark, "KEY", "h")
    key = await here.ready()
    assert (_value(key), key and key.generation) == ("b", 2), "one that is good stays"
    assert key is not None
    there.book.told(key.mark, key.name, 1.0, "ana")
    assert _value(await here.ready()) == "a"


def test_a_changed_variable_counts_as_a_new_key() -> None:
    """The value is what was refused, not the name; it is tried again as soon as it is another."""
    environ = {"KEY": "a"}
    ring = KeyRing(SOURCES, environ)
    first = ring.current()
    assert first is not None
    assert _refused(ring) is None
    environ["KEY"] = "a2"
    assert _value(ring.current()) == "a2"
    ring.answered(first, 401)
    assert _value(ring.current()) == "a2"


def test_a_changed_file_counts_as_a_new_key(tmp_path: Path) -> None:
    """The file is looked at with every attempt: nothing has to be refused first."""
    file = tmp_path / "key"
    file.write_text("old\n")
    ring = KeyRing(SOURCES, {"FILE": str(file)})
    key = ring.current()
    assert key is not None
    assert (key.name, _value(key)) == ("FILE (file)", "old")
    file.write_text("newer\n")
    assert _value(ring.current()) == "newer"


def test_a_source_that_comes_back_takes_its_place_again(tmp_path: Path) -> None:
    """The order of the sources is the order of choice, whenever one of them changes."""
    file = tmp_path / "key"
    sources = (Source(file_env="FILE"), Source(env="KEY"))
    ring = KeyRing(sources, {"FILE": str(file), "KEY": "b"})
    assert _value(ring.current()) == "b"
    file.write_text("a")
    assert _value(ring.current()) == "a"


def test_two_sources_with_one_value_are_one_key() -> None:
    """What was refused under one name is not sent under another."""
    assert _refused(KeyRing(SOURCES, {"KEY": "a", "NEXT": "a"})) is None


def test_the_ring_moves_on_before_a_key_ends() -> None:
    """A minute before, when there is another; the last one is used to its end and beyond: it is presumed."""
    now = [1_000_000_000.0]
    book = KeyBook(clock=lambda: now[0])
    ring = KeyRing(SOURCES, {"KEY": "a", "NEXT": "b"}, book, clock=lambda: now[0])
    first = ring.current()
    assert first is not None
    book.told(first.mark, first.name, now[0] + 100, "")
    now[0] += 39
    assert _value(ring.current()) == "a"
    now[0] += 2
    assert _value(ring.current()) == "b"
    assert ring.states()["KEY"] == "ends at 2001-09-09 01:48 UTC"
    alone = KeyRing(SOURCES, {"KEY": "a"}, book, clock=lambda: now[0])
    assert _value(alone.current()) == "a"


def test_why_there_is_no_key_is_told_by_source(tmp_path: Path) -> None:
    """Names, what became of each, and no value."""
    ring = KeyRing(SOURCES, {"KEY": "secret-a", "FILE": str(tmp_path / "missing")})
    assert _refused(ring) is None
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
