"""Keys: where they come from, which one is in use, and which were refused. Only names are ever shown."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import SecretStr

from definable.spec.toolkit import Source, Toolkit
from definable.toolkits.command import Command
from definable.toolkits.key import Key, Unusable, checked, stamp
from definable.toolkits.keybook import ASKING, Book, Facts, Judged, KeyBook

__all__ = ["Key", "KeyRing", "Rings", "is_exclusive"]

YES = ("1", "true", "yes", "on")

GLANCE = 0.05
"""Seconds between two looks whether another process has found out what a refusal means."""

Asks = Callable[[Key], Awaitable[bool]]
"""Asks the product about a key that it refused; False when it stays refused, or nobody could be asked."""


class KeyRing:
    """The sources of keys in their order; the first that was not refused, and is not about to end, is in use.

    A value that `host` refused is not used again until it changes, by any process that shares the `book`:
    each refusal begins a generation, and what was refused in one before this ring was made, or before
    `anew`, does not bind it. With `asks`, a 401 alone refuses nothing: the key is in doubt, and held back,
    until whoever performs attempts has asked about it (`settled`). Variables and files are looked at with
    every attempt, so that a changed one counts as a new key; a command is run when its turn comes, once for
    all who wait.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        environ: Mapping[str, str],
        book: KeyBook | None = None,
        host: str = "",
        clock: Callable[[], float] = time.time,
        asks: bool = False,
    ) -> None:
        """Keep where to look; nothing is read yet. `clock` gives seconds since 1970."""
        self.asks = asks
        self.suspect: Key | None = None
        """The key that is asked about just now, because it was refused."""
        self.book = book or KeyBook(clock=clock)
        self.host = host
        self.since = self.book.generation
        self._sources = tuple(sources)
        self._environ = environ
        self._clock = clock
        self._key: Key | None = None
        self._seen: tuple[object, ...] = ()
        self._turn = asyncio.Lock()
        self._why: dict[str, str] = {}
        self._me = f"{os.getpid()}.{secrets.token_hex(4)}"
        self._asking = asyncio.Lock()
        self._doubts: dict[str, Key] = {}
        self._commands = {
            s.name: Command(s.name, s.command_env, environ, host, clock)
            for s in self._sources
            if s.command_env
        }

    def __repr__(self) -> str:
        """Show the names of the sources."""
        return f"KeyRing({', '.join(s.name for s in self._sources)})"

    async def ready(self) -> Key | None:
        """Return the key for one attempt, or None when none is left; commands are run when it takes one.

        Whoever got a key says what came of it to `answered`.
        """
        book = self.book.read()
        if (key := self._still(book)) is None or self.book.is_doubted(book.facts(key.mark), self.host):
            async with self._turn:
                await self._undoubted()
                if (key := self._still()) is None:
                    await self._obtain()
                    key = self.current()
            book = self.book.read()
        return replace(key, generation=book.generation) if key else None

    def current(self) -> Key | None:
        """Return the key in use, or None when no source holds one that was not refused. Runs no command."""
        if self._still() is None:
            self._seen = self._look()
            self._key = self._pick()
        return self._key

    def answered(self, key: Key, status: int | None, words: str = "") -> None:
        """Take in what the host said to a key: 401 refuses it, or puts it in doubt; 2xx and 403 prove it.

        `words` say why it was refused, as far as that is known.
        """
        if status == 401:
            self._why[key.mark] = words
            if self.asks and not self._over(key):
                self._doubts[key.name] = key
                self.book.doubt(key.mark, key.name, self.host, key.generation, self._me)
            else:
                self.book.refuse(key.mark, key.name, self.host, key.generation)
        elif status is not None and (200 <= status < 300 or status == 403):
            self.book.works(key.mark, key.name, self.host, key.generation)

    async def settled(self, name: str, asks: Asks) -> bool:
        """Return whether the key from source `name`, which the host just refused, is good all the same.

        One task of one process asks, all others wait for what it finds; a key that is not good is refused.
        """
        if (key := self._doubts.get(name)) is None:
            return False
        async with self._asking:
            known = await self._judged(key)
            if known is Judged.OURS:
                known = Judged.GOOD if await self._found_good(key, asks) else Judged.REFUSED
        return known is Judged.GOOD

    def still_asking(self) -> None:
        """Say to other processes that the key in `suspect` is still being asked about."""
        if self.suspect is not None:
            self._doubt(self.suspect)

    def has_other(self, key: Key) -> bool:
        """Whether another key than this one could be used, or a command might bring one."""
        others = (each for each in self.set_now() if each.mark != key.mark)
        return any(self._usable(each) for each in others) or any(c.line for c in self._commands.values())

    def anew(self) -> None:
        """Forget what was refused up to now: a person said so, or it is time for another try."""
        self.since = self.book.generation
        for command in self._commands.values():
            command.hurry()

    def set_now(self) -> list[Key]:
        """Return all keys that are set now, refused ones too; of commands those that were obtained."""
        return [key for source in self._sources if (key := self._try(source))]

    def secrets(self) -> list[str]:
        """Return all values that are set now, for the redactor."""
        return [key.secret.get_secret_value() for key in self.set_now()]

    def expires(self, key: Key) -> float | None:
        """Return when a key ends: as its source says, else as the product said; None when nobody told."""
        return _end(key, self.book.facts(key.mark))

    def renews(self, key: Key) -> bool:
        """Whether a key is replaced without a person when it ends: a command brought it."""
        return key.name in self._commands

    @property
    def may_change(self) -> bool:
        """Whether another key may come up while this process runs: a file or a command is configured."""
        return any(self._environ.get(s.variable, "").strip() for s in self._sources if not s.env)

    @property
    def may_have(self) -> bool:
        """Whether any source could bring a key: one that is set, or a command. Nothing is run."""
        return bool(self.set_now()) or any(command.line for command in self._commands.values())

    @property
    def name(self) -> str:
        """A text that tells the keys of one environment from another's, the same for as long as it can be."""
        first = next((key.mark for key in self.set_now() if key.name not in self._commands), "")
        return first or "".join(command.line for command in self._commands.values())

    def states(self) -> dict[str, str]:
        """Return how each source stands: `in use`, `set`, `not set`, `refused`, or what is wrong."""
        return {source.name: self._state(source) for source in self._sources}

    def explain(self) -> str:
        """Return in one line why there is no key."""
        why = {key.name: words for key in self.set_now() if (words := self._why.get(key.mark))}
        told = {name: f"{name} {_is(state)}" for name, state in self.states().items()}
        return "no key is left: " + ", ".join(
            why.get(name, words) if words.endswith(" was refused") else words for name, words in told.items()
        )

    def recall(self) -> None:
        """Take the keys that commands brought in other processes, as far as they are shared; run nothing."""
        for command in self._commands.values():
            command.recall()

    async def _judged(self, key: Key) -> Judged:
        """What is known of a key in doubt, once no other process asks about it."""
        while True:
            if (known := self._doubt(key)) is not Judged.THEIRS:
                return known
            await asyncio.sleep(GLANCE)

    def _doubt(self, key: Key) -> Judged:
        return self.book.doubt(key.mark, key.name, self.host, key.generation, self._me)

    async def _found_good(self, key: Key, asks: Asks) -> bool:
        """Ask about a key in doubt, and note what came of it; who is interrupted knows nothing."""
        self.suspect = replace(key, generation=self.book.generation)
        try:
            good = await asks(key)
        except BaseException:
            self.book.drop(key.mark, key.name, self.host)
            raise
        finally:
            self.suspect = None
        if good:
            self.book.accept(key.mark, key.name, self.host)
        else:
            self.book.refuse(key.mark, key.name, self.host, key.generation)
        return good

    async def _undoubted(self) -> None:
        """Wait while the key in use is asked about, here or elsewhere; no longer than that may take."""
        until = time.monotonic() + 2 * ASKING
        while (key := self.current()) and self.book.in_doubt(key.mark, self.host):
            if time.monotonic() > until:
                return
            await asyncio.sleep(GLANCE)

    def _still(self, book: Book | None = None) -> Key | None:
        """The key in use, when nothing has changed."""
        key = self._key
        if key is None or not self._usable(key, book) or self._look() != self._seen:
            return None
        return key

    def _look(self) -> tuple[object, ...]:
        """What changes when a source changes: variables, and the time, size and number of files."""
        return tuple(self._sight(source) for source in self._sources)

    def _sight(self, source: Source) -> object:
        value = self._environ.get(source.variable, "")
        if not source.file_env or not value:
            return value
        try:
            stat = Path(value).expanduser().stat()
        except (OSError, RuntimeError, ValueError):
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino

    async def _obtain(self) -> None:
        """Run the commands that come before the first key that is good."""
        for source in self._sources:
            command = self._commands.get(source.name)
            if command is not None and command.line:
                await command.obtain(self._usable, self._proven)
            if (key := self._try(source)) is not None and self._usable(key):
                return

    def _pick(self) -> Key | None:
        """The first key that is good; else the first that was not refused: its end is only presumed."""
        keys = [key for key in self.set_now() if not self._refused(key)]
        return next((key for key in keys if not self._ending(key)), keys[0] if keys else None)

    def _usable(self, key: Key, book: Book | None = None) -> bool:
        """Whether it may be used, by what is known now; a look at that is spared with `book`."""
        facts = (book or self.book).facts(key.mark)
        return not self._is_refused(facts) and not self._is_ending(key, facts)

    def _refused(self, key: Key) -> bool:
        return self._is_refused(self.book.facts(key.mark))

    def _is_refused(self, facts: Facts) -> bool:
        refusal = facts.refused.get(self.host)
        return refusal is not None and refusal.generation > self.since

    def _proven(self, key: Key) -> bool:
        return bool(self.book.facts(key.mark).worked)

    def _over(self, key: Key) -> bool:
        expires = self.expires(key)
        return expires is not None and expires <= self._clock()

    def _ending(self, key: Key) -> bool:
        return self._is_ending(key, self.book.facts(key.mark))

    def _is_ending(self, key: Key, facts: Facts) -> bool:
        return self._clock() >= key.leave_at(_end(key, facts))

    def _try(self, source: Source) -> Key | None:
        try:
            return self._read(source)
        except Unusable:
            return None

    def _read(self, source: Source) -> Key | None:
        if (command := self._commands.get(source.name)) is not None:
            return command.held if command.line else None
        value = self._environ.get(source.variable, "").strip()
        if value and source.file_env:
            value = _file(value)
        return Key(source.name, SecretStr(checked(value))) if value else None

    def _state(self, source: Source) -> str:
        command = self._commands.get(source.name)
        try:
            key = self._read(source)
        except Unusable as error:
            return str(error)
        in_use = key is not None and key == self._key and not self._refused(key)
        if command is not None and command.line and command.trouble and not in_use:
            return command.trouble
        if key is None:
            return "set" if command is not None and command.line else "not set"
        if self._refused(key):
            return "refused"
        if self._ending(key):
            return f"ends at {stamp(self.expires(key) or 0)}"
        return "in use" if in_use else "set"


class Rings:
    """One ring for each product and host in a process: its runs share what they learn of keys."""

    def __init__(self, book: KeyBook) -> None:
        """Keep the book that all of them share."""
        self.book = book
        self._since = book.generation
        self._rings: dict[tuple[str, ...], KeyRing] = {}

    def of(self, toolkit: Toolkit, host: str, environ: Mapping[str, str]) -> KeyRing:
        """Return the ring for this product, host and environment; the same one for the same."""
        place = (toolkit.toolkit, host, *(environ.get(s.variable, "") for s in toolkit.credentials))
        if place not in self._rings:
            asks = toolkit.who is not None
            ring = KeyRing(toolkit.credentials, environ, self.book, host, self.book.clock, asks)
            ring.since = self._since
            self._rings[place] = ring
        return self._rings[place]

    def anew(self) -> None:
        """Forget what was refused up to now, in all of them."""
        self._since = self.book.generation
        for ring in self._rings.values():
            ring.anew()


def is_exclusive(toolkit: Toolkit, environ: Mapping[str, str]) -> bool:
    """Whether it is declared that nobody else uses the token, so that a new match can only be ours."""
    return bool(toolkit.exclusive_env) and environ.get(toolkit.exclusive_env or "", "").strip().lower() in YES


def _file(path: str) -> str:
    try:
        return Path(path).expanduser().read_text("utf-8").strip()
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise Unusable(f"cannot be read: {reason}") from None


def _is(state: str) -> str:
    return {"refused": "was refused", "not set": "is not set"}.get(state, state)


def _end(key: Key, facts: Facts) -> float | None:
    return key.expires if key.expires is not None else facts.expires
