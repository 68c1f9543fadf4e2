"""Asks each product about each key."""

from __future__ import annotations

from definable.calls import Outcome
from definable.engine.accounts import account
from definable.engine.runner import Runner
from definable.engine.standings import Standing, rings, standing
from definable.graph.distributor import ask_whose
from definable.redaction import Redactor
from definable.spec.toolkit import Toolkit
from definable.toolkits.adapter import Adapter
from definable.toolkits.credentials import KeyRing


async def check(runner: Runner) -> list[Standing]:
    """Ask each product about each key that is set, commands included, and return how they stand then.

    One request for each key, through the Distributor and within the quotas; the answers are kept for runs.
    """
    found = []
    for toolkit in runner.workspace.toolkits().values():
        for source, ring in rings(toolkit, runner.environ, runner.rings.book):
            key = await ring.ready()
            asked = await _asked(runner, toolkit, ring) if key and toolkit.who else None
            found.append(standing(toolkit, ring, source, key, asked))
    return found


async def _asked(runner: Runner, toolkit: Toolkit, ring: KeyRing) -> Outcome | None:
    door = Adapter(toolkit, ring.host, ring, Redactor(ring.secrets()))
    governor = runner.governor({toolkit.toolkit: account(toolkit, ring.host, ring, runner.store)})
    try:
        return await ask_whose(toolkit, door, governor, "keys", "check")
    finally:
        await door.aclose()
