"""A command that prints a key, as kubectl's exec plugins do: run once per key, whoever needs it.

Processes of one user that use the same command for the same host share its key, in `memory`.
Neither the command line nor anything it prints is ever shown: both may hold secrets.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shlex
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError

from definable.store.lockfile import grasped
from definable.toolkits import memory
from definable.toolkits.key import Key, Unusable, checked, moment, second

TIMEOUT = 30.0
"""Seconds that a command may take."""

FIRST, LONGEST = 5.0, 60.0
"""Seconds before a command that brought nothing of use is run again: at first, and at most."""

MOST = 65_536
"""Bytes that a command may print."""

LOCK_TICK = 0.05


class _Shared(BaseModel):
    """What processes share of one command: its last key, and how often in a row it brought nothing of use."""

    token: str = ""
    issued: float = 0.0
    expires: float | None = None
    barren: int = 0
    again: float = 0.0
    trouble: str = ""


class Command:
    """The key of one command. `held` is the last one, `trouble` says why there is none."""

    def __init__(
        self,
        name: str,
        variable: str,
        environ: Mapping[str, str],
        host: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Keep what to run; nothing is run yet. `clock` gives seconds since 1970."""
        self.name = name
        self.held: Key | None = None
        self.trouble = ""
        self._variable = variable
        self._environ = environ
        self._host = host
        self._clock = clock
        self._at_once = False
        self._own = _Shared()

    @property
    def line(self) -> str:
        """The command line as the environment has it now; empty when it is not set."""
        return self._environ.get(self._variable, "").strip()

    def hurry(self) -> None:
        """Let the next `obtain` run the command at once, though it brought nothing of use a moment ago."""
        self._at_once = True

    def recall(self) -> None:
        """Take what another process obtained, if it is shared; run nothing."""
        if self.line and (folder := memory.folder(self._environ)) is not None:
            self.held = self._key(self._read(folder / f"{self._shared_name}.json"))

    async def obtain(self, usable: Callable[[Key], bool], proven: Callable[[Key], bool]) -> None:
        """Bring a key that is `usable`: the one that another process obtained, else by running the command.

        A command that fails, or whose keys are refused before they were ever accepted (`proven`), is not run
        again before a pause that grows. Afterwards `held` is the last key, and `trouble` says what is wrong.
        """
        hurry, self._at_once = self._at_once, False
        try:
            async with self._turn() as place:
                shared = self._read(place)
                last = self._key(shared)
                if last is not None and usable(last):
                    self.held, self.trouble = last, ""
                    return
                if last is not None and not shared.trouble:
                    unproven = "brought a key that was refused at once"
                    shared = _Shared() if proven(last) else self._rested(shared, unproven)
                if self._clock() < shared.again and not hurry:
                    self.held = last
                    raise Unusable(f"{shared.trouble}; it is run again after {second(shared.again)}")
                shared = await self._renewed(shared, usable)
                self._write(place, shared)
                self.held, self.trouble = self._key(shared), shared.trouble
        except Unusable as error:
            self.trouble = str(error)

    @property
    def _shared_name(self) -> str:
        return hashlib.sha256(f"{self._host}\0{self.line}".encode()).hexdigest()[:16]

    async def _renewed(self, shared: _Shared, usable: Callable[[Key], bool]) -> _Shared:
        try:
            token, expires = parse((await self._run()).decode("utf-8", "replace"))
        except Unusable as error:
            return self._rested(shared, str(error))
        fresh = _Shared(token=token, issued=self._clock(), expires=expires, barren=shared.barren)
        key = self._key(fresh)
        if key is not None and not usable(key):
            return self._rested(fresh, "printed a key that was refused or is about to end")
        return fresh

    def _rested(self, shared: _Shared, trouble: str) -> _Shared:
        """Count one more that was of no use, and say when the next is worth a try."""
        since = shared.issued if shared.token and not shared.trouble else self._clock()
        again = since + min(LONGEST, FIRST * 2.0 ** min(shared.barren, 10))
        return shared.model_copy(update={"barren": shared.barren + 1, "again": again, "trouble": trouble})

    def _key(self, shared: _Shared) -> Key | None:
        if not shared.token:
            return None
        return Key(self.name, SecretStr(shared.token), shared.expires, shared.issued)

    def _read(self, place: Path | None) -> _Shared:
        if place is not None:
            with suppress(ValidationError):
                return _Shared.model_validate_json(memory.read(place) or b"{}")
            return _Shared()
        return self._own

    def _write(self, place: Path | None, shared: _Shared) -> None:
        self._own = shared
        if place is not None:
            memory.write(place, shared.model_dump_json().encode())

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[Path | None]:
        """Wait until no other process obtains this key; give the file in which they share it, if they can."""
        folder = memory.folder(self._environ)
        name = self._shared_name
        try:
            file = os.open(folder / f"{name}.lock", os.O_CREAT | os.O_RDWR, 0o600) if folder else None
        except OSError:
            file = None
        if folder is None or file is None:
            yield None
            return
        try:
            await _locked(file)
            yield folder / f"{name}.json"
        finally:
            os.close(file)

    async def _run(self) -> bytes:
        try:
            words = shlex.split(self.line)
        except ValueError as error:
            raise Unusable(f"is no command line: {error}") from None
        try:
            # Not a shell: what the variable says is a program and its arguments.
            process = await asyncio.create_subprocess_exec(
                *words,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=dict(self._environ),
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise Unusable(f"cannot be run: {getattr(error, 'strerror', None) or 'bad name'}") from None
        try:
            async with asyncio.timeout(TIMEOUT):
                printed = await _all(process)
        except TimeoutError:
            raise Unusable(f"took longer than {TIMEOUT:g} s and was stopped") from None
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        if process.returncode:
            raise Unusable(f"failed (exit {process.returncode}); run it by hand to see why")
        return printed


def parse(text: str) -> tuple[str, float | None]:
    """Return the key that a command printed, and when it ends, in seconds since 1970 or None.

    The key alone, `{"token": …, "expiresAt": RFC 3339}`, or the same as a kubectl ExecCredential has it:
    `{"status": {"token": …, "expirationTimestamp": …}}`. Raises Unusable; nothing of `text` is in its words.
    """
    text = text.strip()
    expires: float | None = None
    if text.startswith("{"):
        told = _object(text)
        inner = told["status"] if isinstance(told.get("status"), dict) else told
        given = inner.get("expirationTimestamp" if inner is not told else "expiresAt")
        expires = moment(given)
        if given is not None and expires is None:
            raise Unusable("printed a time of expiry that is none: RFC 3339 is wanted")
        text = inner["token"].strip() if isinstance(inner.get("token"), str) else ""
        if not text:
            raise Unusable("printed JSON without a text under token")
    if not text:
        raise Unusable("printed nothing")
    return checked(text), expires


def _object(text: str) -> dict[str, Any]:
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        raise Unusable("printed what begins like JSON and is none") from None
    assert isinstance(told, dict)  # noqa: S101 - JSON that begins with a brace
    return told


async def _all(process: asyncio.subprocess.Process) -> bytes:
    """Return what a process prints, to its end; Unusable when it is more than any key."""
    out, parts = process.stdout, bytearray()
    assert out is not None  # noqa: S101 - it was asked for
    while part := await out.read(MOST):
        parts += part
        if len(parts) > MOST:
            raise Unusable(f"printed more than {MOST:,} bytes")
    await process.wait()
    return bytes(parts)


async def _locked(file: int) -> None:
    deadline = time.monotonic() + 2 * TIMEOUT
    while not grasped(file):
        if time.monotonic() >= deadline:
            raise Unusable("is being run by another process that does not end")
        await asyncio.sleep(LOCK_TICK)
