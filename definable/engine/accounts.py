"""Whose quota a run's requests count against: the user behind the keys, once that is known, else the keys."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from definable.calls import Outcome, Phase
from definable.graph.governor import Account
from definable.quota.claim import owner_of
from definable.spec.paths import lookup
from definable.spec.toolkit import Toolkit
from definable.store import Store
from definable.toolkits.credentials import KeyRing, Rings
from definable.toolkits.where import base_url


def accounts_of(
    kits: Mapping[str, Toolkit], environ: Mapping[str, str], rings: Rings, store: Store, *, sandbox: bool
) -> dict[str, Account]:
    """Return each toolkit's account, by name: the simulator's, or that of the keys in `environ`."""
    if sandbox:
        return {name: simulated(kit) for name, kit in kits.items()}
    places = {name: base_url(kit, environ) for name, kit in kits.items()}
    return {
        name: account(kit, places[name], rings.of(kit, places[name], environ), store)
        for name, kit in kits.items()
    }


def simulated(kit: Toolkit) -> Account:
    """Return the account at the built-in simulator: one user's, though each start issues other tokens."""
    owner = owner_of(kit.toolkit, "sandbox", "")
    return Account(lambda: owner)


def account(kit: Toolkit, base_url: str, ring: KeyRing, store: Store) -> Account:
    """Return the account of a toolkit's keys; only hashes of keys and ids are ever kept.

    The keys of one ring are taken to be one user's, so that moving on to the next brings no new quota. Who
    that is, is learned when the toolkit's `who` tool is asked about a key (`graph.keys`), once for each.
    A token of a workspace has no user behind it: `who` names none, and the quota stays that token's.
    """
    mark = owner_of(kit.toolkit, base_url, hashlib.sha256(ring.name.encode()).hexdigest())
    known: dict[str, str] = {}

    def name() -> str:
        if mark not in known and (owner := store.quota_owner(mark)):
            known[mark] = owner
        return known.get(mark, mark)

    def met(tool: str, outcome: Outcome) -> None:
        if tool != kit.who or outcome.phase is not Phase.COMMITTED:
            return
        who = next((lookup(outcome.body, path) for path in kit.tools[tool].identity), None)
        if isinstance(who, str) and who:
            owner = owner_of(kit.toolkit, base_url, who)
            if store.quota_owner(mark) != owner:
                store.set_quota_owner(mark, owner)
            known[mark] = owner

    return Account(name, met)
