"""What is known of keys, shared by all processes of one home: which were refused, where, and when they end.

A key stands in it under its mark, the SHA-256 of its value; values are never written. The file is small, is
changed under a lock and replaced as a whole, and is read again only when it has changed. Where it cannot be
written, this process remembers for itself.

A *generation* is the time between two judgements on keys: each refusal that is news counts it up, and each
check by which a refused key turned out to be good. Whoever took a key knows in which generation that was, so
that late refusals are told from news.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

Known = TypeVar("Known")

ASK_AGAIN = 86400.0

KEPT = 90 * 86400.0
"""Seconds after which a key that nobody met is forgotten."""

ASKING = 70.0
"""Seconds after which whoever asks about a refused key, and was not heard of since, has crashed."""


RENEWED = 2.0
"""Seconds after which whoever asks says again that it does."""


class Judged(StrEnum):
    """What is known of a key that a host answered with a 401."""

    REFUSED = "refused"
    GOOD = "good"
    OURS = "ours"
    """Nothing yet: it is on the caller to ask."""
    THEIRS = "theirs"
    """Nothing yet: another process asks."""


class _Page(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Refusal(_Page):
    """When a host refused a key, in seconds since 1970, and the generation that this began."""

    at: float
    generation: int


class Doubt(_Page):
    """A host refused a key, and `by` asks whether it is good; it has until then (since 1970).

    What stands before the point in `by` is a process id.
    """

    by: str
    until: float


class Facts(_Page):
    """What is known of one key; times in seconds since 1970. `name`: the source it came from last."""

    name: str = ""
    met: float = 0.0
    refused: dict[str, Refusal] = Field(default_factory=dict)
    """Host → its refusal; taken out when the host accepts the key again."""
    doubted: dict[str, Doubt] = Field(default_factory=dict)
    """Host → who asks whether a refusal is meant."""
    good: dict[str, int] = Field(default_factory=dict)
    """Host → the generation that began when it accepted the key after a refusal that was not meant."""
    worked: dict[str, float] = Field(default_factory=dict)
    """Host → when it was seen to accept the key for the first time, or again after a refusal."""
    asked: float | None = None
    """When the product was asked whose key this is; `told` whether it answered."""
    told: bool = False
    expires: float | None = None
    whose: str = ""


NOTHING = Facts()
"""What is known of a key that nobody met."""


class Book(_Page):
    """All of it. `generation` counts judgements."""

    generation: int = 0
    keys: dict[str, Facts] = Field(default_factory=dict)

    def facts(self, mark: str) -> Facts:
        """Return what is known of a key."""
        return self.keys.get(mark, NOTHING)


class KeyBook:
    """Remembers keys by their marks, in the file at `path`, or in this process only when that is None."""

    def __init__(self, path: Path | None = None, clock: Callable[[], float] = time.time) -> None:
        """Keep where to look; nothing is read yet. `clock` gives seconds since 1970."""
        self.path = path
        self.clock = clock
        self._book = Book()
        self._seen: tuple[int, ...] | None = None

    @property
    def generation(self) -> int:
        """How many judgements on keys there were so far."""
        return self.read().generation

    def read(self) -> Book:
        """Return all of it as it is now: the file is read when it is not the one that was read last."""
        if self.path is None:
            return self._book
        try:
            stat = os.stat(self.path)
            seen = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
            if seen != self._seen:
                self._book, self._seen = Book.model_validate_json(self.path.read_bytes()), seen
        except FileNotFoundError:
            self._book, self._seen = Book(), None
        except (OSError, ValidationError):
            pass
        return self._book

    def facts(self, mark: str) -> Facts:
        """Return what is known of a key."""
        return self.read().facts(mark)

    def refuse(self, mark: str, name: str, host: str, seen: int) -> bool:
        """Note that `host` refused this key, taken in generation `seen`. False: that was known already."""
        known = self.facts(mark).refused.get(host)
        if known is not None and known.generation > seen:
            return False
        with self._changing() as book:
            facts = book.facts(mark)
            known = facts.refused.get(host)
            if known is not None and known.generation > seen:
                return False
            generation = book.generation + 1
            refusal = Refusal(at=self.clock(), generation=generation)
            refused = {**facts.refused, host: refusal}
            facts = facts.model_copy(update={"refused": refused, "doubted": _without(facts.doubted, host)})
            self._write(self._with(book, mark, name, facts).model_copy(update={"generation": generation}))
        return True

    def works(self, mark: str, name: str, host: str, seen: int) -> None:
        """Note that `host` accepted this key, taken in generation `seen`; an older refusal is forgotten."""
        if self._is_no_news(self.facts(mark), host, seen):
            return
        with self._changing() as book:
            facts = book.facts(mark)
            if not self._is_no_news(facts, host, seen):
                worked = {**facts.worked, host: self.clock()}
                facts = facts.model_copy(update={"refused": _without(facts.refused, host), "worked": worked})
                self._write(self._with(book, mark, name, facts))

    def doubt(self, mark: str, name: str, host: str, seen: int, by: str) -> Judged:
        """Note that `host` answered this key, taken in generation `seen`, with a 401 that may not be meant.

        OURS: process `by` is the one who asks, and from now on has `ASKING` seconds to say what came of it,
        by `refuse`, `accept` or `drop`; nobody needs to try the key meanwhile.
        """
        if (known := self._judged(self.facts(mark), host, seen, by)) is not None:
            return known
        with self._changing() as book:
            facts = book.facts(mark)
            if (known := self._judged(facts, host, seen, by)) is not None:
                return known
            mine = Doubt(by=by, until=self.clock() + ASKING)
            facts = facts.model_copy(update={"doubted": {**facts.doubted, host: mine}})
            self._write(self._with(book, mark, name, facts))
        return Judged.OURS

    def in_doubt(self, mark: str, host: str) -> bool:
        """Whether somebody asks just now whether a refusal of this key is meant."""
        return self.is_doubted(self.facts(mark), host)

    def is_doubted(self, facts: Facts, host: str) -> bool:
        """Whether somebody asks about it, by what is known of it."""
        doubt = facts.doubted.get(host)
        return doubt is not None and self._asks(doubt)

    def accept(self, mark: str, name: str, host: str) -> None:
        """Note that a key was found good that `host` had refused: refusals up to now say nothing."""
        with self._changing() as book:
            facts, generation = book.facts(mark), book.generation + 1
            changed = {
                "refused": _without(facts.refused, host),
                "doubted": _without(facts.doubted, host),
                "good": {**facts.good, host: generation},
            }
            facts = facts.model_copy(update=changed)
            self._write(self._with(book, mark, name, facts).model_copy(update={"generation": generation}))

    def drop(self, mark: str, name: str, host: str) -> None:
        """Note that whoever asked about a refused key does so no more, and knows nothing."""
        with self._changing() as book:
            facts = book.facts(mark)
            facts = facts.model_copy(update={"doubted": _without(facts.doubted, host)})
            self._write(self._with(book, mark, name, facts))

    def _asks(self, doubt: Doubt) -> bool:
        """Whether it still asks, as far as that can be told from here."""
        if doubt.until <= self.clock():
            return False
        process = doubt.by.partition(".")[0]
        try:
            os.kill(int(process), 0)
        except ProcessLookupError:
            return False
        except (ValueError, OSError):
            return True  # somebody else's
        return True

    def _judged(self, facts: Facts, host: str, seen: int, by: str) -> Judged | None:
        refused, doubt = facts.refused.get(host), facts.doubted.get(host)
        if refused is not None and refused.generation > seen:
            return Judged.REFUSED
        if facts.good.get(host, 0) > seen:
            return Judged.GOOD
        if doubt is None or not self._asks(doubt):
            return None
        if doubt.by != by:
            return Judged.THEIRS
        return Judged.OURS if doubt.until - self.clock() > ASKING - RENEWED else None

    def may_ask(self, mark: str, name: str) -> bool:
        """Whether the caller is the one who asks the product about this key.

        Once, whoever works with it; where there was no answer, once more after a day.
        """
        if not self._unasked(self.facts(mark)):
            return False
        with self._changing() as book:
            facts = book.facts(mark)
            if not self._unasked(facts):
                return False
            self._write(self._with(book, mark, name, facts.model_copy(update={"asked": self.clock()})))
        return True

    def ask_later(self, mark: str, name: str) -> None:
        """Note that whoever was to ask about this key did not."""
        with self._changing() as book:
            facts = book.facts(mark)
            self._write(self._with(book, mark, name, facts.model_copy(update={"asked": None})))

    def _unasked(self, facts: Facts) -> bool:
        return facts.asked is None or (not facts.told and self.clock() - facts.asked > ASK_AGAIN)

    def told(self, mark: str, name: str, expires: float | None, whose: str) -> None:
        """Note what the product said: when the key ends (None: it does not say), and whose it is."""
        with self._changing() as book:
            said = {"asked": self.clock(), "told": True, "expires": expires, "whose": whose}
            self._write(self._with(book, mark, name, book.facts(mark).model_copy(update=said)))

    @staticmethod
    def _is_no_news(facts: Facts, host: str, seen: int) -> bool:
        refused = facts.refused.get(host)
        return refused.generation > seen if refused else host in facts.worked

    def _with(self, book: Book, mark: str, name: str, facts: Facts) -> Book:
        now = self.clock()
        kept = {m: f for m, f in book.keys.items() if now - f.met < KEPT}
        facts = facts.model_copy(update={"name": name, "met": now})
        return book.model_copy(update={"keys": {**kept, mark: facts}})

    @contextmanager
    def _changing(self) -> Iterator[Book]:
        """Hold the lock and give the book as it is now; only this process has it where there is no file."""
        file = self._lock_file()
        try:
            if file is not None:
                fcntl.flock(file, fcntl.LOCK_EX)
                self._seen = None
            yield self.read()
        finally:
            if file is not None:
                os.close(file)

    def _lock_file(self) -> int | None:
        if self.path is None:
            return None
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(self.path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o600)
        except OSError:
            self.path = None  # from here on this process remembers for itself
            return None

    def _write(self, book: Book) -> None:
        self._book = book
        if self.path is None:
            return
        new = self.path.with_suffix(".new")
        try:
            with open(os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
                file.write(book.model_dump_json(exclude_defaults=True))
            # Two changes within one tick of the disk's clock must not look the same.
            at = max(time.time_ns(), self._seen[0] + 1 if self._seen else 0)
            os.utime(new, ns=(at, at))
            new.replace(self.path)
        except OSError:
            self.path = None


def _without(hosts: dict[str, Known], host: str) -> dict[str, Known]:
    return {each: known for each, known in hosts.items() if each != host}
