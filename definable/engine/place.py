"""Where a run's tools work: the real product, another host, or the simulator that comes with this package."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from definable.errors import RunBusy, StoreError, UsageError
from definable.sandbox import PORT, Faults, World, serve
from definable.spec.toolkit import Toolkit
from definable.store.lockfile import locked

BUSY = (
    "the built-in sandbox is in use by another process; "
    "end that one, or work against it: set HEX_BASE_URL and HEX_API_TOKEN as `definable sandbox` prints them"
)


SIMULATED = frozenset({"hex"})
"""Toolkits that have a simulator here."""


def refuse_real(kits: Iterable[Toolkit]) -> None:
    """Raise UsageError when one of these products has no simulator, so that it would be reached for real."""
    real = [kit.title for kit in kits if kit.toolkit not in SIMULATED]
    if real:
        raise UsageError(
            f"there is no simulator of {', '.join(real)}, and with --sandbox nothing real is touched",
            hint="leave --sandbox out, or use only tools that can be simulated: those of Hex",
        )


@contextmanager
def alone(path: Path, busy: str) -> Iterator[None]:
    """Hold a lock file until the block or the process ends. RunBusy `busy` when another holds it."""
    with locked(path) as got:
        if not got:
            raise RunBusy(busy)
        yield


@contextmanager
def sandboxed(home: Path, environ: Mapping[str, str], faults: Path | None) -> Iterator[dict[str, str]]:
    """Serve the simulator on loopback and yield the environment that leads to it.

    Its state is kept in `home`, so that a second run finds what the first one wrote. Every start has a new
    token; none of the user's own ever reaches it.
    """
    state = home / "sandbox.json"
    with alone(home / "sandbox.lock", BUSY):
        world = _restored(state)
        planned = Faults.load(faults) if faults else None
        with serve(world, planned, port=_port()) as server:
            try:
                yield {
                    **{k: v for k, v in environ.items() if not k.startswith("HEX_")},
                    "HEX_BASE_URL": server.base_url,
                    "HEX_API_TOKEN": world.issue_token(),
                    "HEX_API_TOKEN_NEXT": world.issue_token(),
                }
            finally:
                _keep(state, world.snapshot())


def _port() -> int:
    """The port of `definable sandbox`, so that links lead somewhere later; any other when it is taken."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", PORT))
        except OSError:
            return 0
    return PORT


def _restored(state: Path) -> World:
    if not state.exists():
        return World()
    try:
        return World.restore(json.loads(state.read_text()))
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"the sandbox's state in {state} cannot be read: {error}", hint="delete that file to start anew"
        ) from error


def _keep(state: Path, snapshot: dict[str, Any]) -> None:
    new = state.with_suffix(".new")
    new.write_text(json.dumps(snapshot))
    new.replace(state)
