"""Keys: where they come from, which one is in use, and which were refused. Only names are ever shown."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from definable.spec.toolkit import Source, Toolkit

YES = ("1", "true", "yes", "on")


@dataclass(frozen=True, slots=True)
class Key:
    """One key: the name of its source, and its value, which no text form shows."""

    name: str
    secret: SecretStr

    @property
    def mark(self) -> str:
        """Tells one value from another without keeping it."""
        return hashlib.sha256(self.secret.get_secret_value().encode()).hexdigest()


class Unusable(Exception):
    """A source is set, but what it holds cannot be a key. Internal to this module."""


class KeyRing:
    """The sources of keys in their order; the first whose value was not refused is in use.

    A value that was refused is not used again until it changes, and sources are read anew whenever the ring
    is walked, so that a changed variable or file counts as a new key. Nothing here awaits: on one event loop,
    many calls that were refused with the same key move the ring once.
    """

    def __init__(self, sources: Sequence[Source], environ: Mapping[str, str]) -> None:
        """Keep where to look; nothing is read yet."""
        self._sources = tuple(sources)
        self._environ = environ
        self._refused: set[str] = set()
        self._key: Key | None = None

    def __repr__(self) -> str:
        """Show the names of the sources."""
        return f"KeyRing({', '.join(s.name for s in self._sources)})"

    def current(self) -> Key | None:
        """Return the key in use, or None when no source holds one that was not refused."""
        if self._key is None:
            self._key = self._walk()
        return self._key

    def advance(self, refused: Key | str) -> Key | None:
        """Move on from a refused key (itself, or the name of its source); return the one in use.

        When another key is in use already, somebody else has moved the ring, and it stays.
        """
        if isinstance(refused, Key):
            self._refused.add(refused.mark)
        elif self._key is not None and self._key.name == refused:
            self._refused.add(self._key.mark)
        if self._key is not None and self._key.mark in self._refused:
            self._key = None
        return self.current()

    def set_now(self) -> list[Key]:
        """Return all keys that are set now, refused ones too."""
        return [key for source in self._sources if (key := self._try(source))]

    def secrets(self) -> list[str]:
        """Return all values that are set now, for the redactor."""
        return [key.secret.get_secret_value() for key in self.set_now()]

    @property
    def may_change(self) -> bool:
        """Whether another key may come up while this process runs: a file is configured."""
        return any(self._environ.get(source.file_env or "", "").strip() for source in self._sources)

    def states(self) -> dict[str, str]:
        """Return how each source stands: `in use`, `set`, `not set`, `refused`, or what is wrong."""
        return {source.name: self._state(source) for source in self._sources}

    def explain(self) -> str:
        """Return in one line why there is no key."""
        return "no key is left: " + ", ".join(f"{name} {_is(state)}" for name, state in self.states().items())

    def _walk(self) -> Key | None:
        keys = (key for source in self._sources if (key := self._try(source)))
        return next((key for key in keys if key.mark not in self._refused), None)

    def _try(self, source: Source) -> Key | None:
        try:
            return _read(source, self._environ)
        except Unusable:
            return None

    def _state(self, source: Source) -> str:
        try:
            key = _read(source, self._environ)
        except Unusable as error:
            return str(error)
        if key is None:
            return "not set"
        if key.mark in self._refused:
            return "refused"
        return "in use" if self._key is not None and key == self._key else "set"


def is_exclusive(toolkit: Toolkit, environ: Mapping[str, str]) -> bool:
    """Whether it is declared that nobody else uses the token, so that a new match can only be ours."""
    return bool(toolkit.exclusive_env) and environ.get(toolkit.exclusive_env or "", "").strip().lower() in YES


def _read(source: Source, environ: Mapping[str, str]) -> Key | None:
    value = environ.get(source.env or source.file_env or "", "").strip()
    if value and source.file_env:
        value = _file(value)
    if not value:
        return None
    if not value.isascii() or not value.isprintable() or " " in value:
        raise Unusable("holds spaces or characters that no key has")
    return Key(source.name, SecretStr(value))


def _file(path: str) -> str:
    try:
        return Path(path).expanduser().read_text("utf-8").strip()
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise Unusable(f"cannot be read: {reason}") from None


def _is(state: str) -> str:
    return {"refused": "was refused", "not set": "is not set"}.get(state, state)
