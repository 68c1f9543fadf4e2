"""Repair of a drifted response, by rules that prove themselves or not at all.

A body is walked along its contract, all entries of a list side by side. Whatever does not fit is tried with
every rule that could explain it, and is accepted only when exactly one result comes out; then the whole is
validated again. Nothing is ever invented: no default, no null for what is missing, no empty list. The rules:

    coerce   "12" → 12, [x] → x, RUNNING for running     `coerce.py`
    case     created_at → createdAt                       `shifts.py`
    rename   projectTitle → title                         `shifts.py`
    move     after → pagination.after                     `shifts.py`
    unwrap   {"data": body} → body
    wrap     [entry, …] → {"values": [entry, …]}

Refused on purpose, because another body could have led there: null for a value, a list cut down to its one
entry, values of two properties exchanged, a new word in an enum, a text or date under a name that means
something else, an entry that lost what its neighbours have.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass

from definable.calls import Failure, Heal
from definable.spec.paths import MISSING, lookup, parse
from definable.verify.contracts import Contract, Violation
from definable.verify.healing import Healing, Note, Refused
from definable.verify.names import words
from definable.verify.shape import Json

_GOES_ON = frozenset({"continuation", "cursor", "link", "links", "more", "next", "offset", "page", "token"})

RULES = {
    "coerce": "a value had another type and was turned back without a loss",
    "case": "a name had another casing",
    "rename": "a property had another name",
    "move": "a property stood in another place",
    "unwrap": "the value was wrapped in an envelope",
    "wrap": "the envelope was gone",
    "evidence": "known things have in another place what they had here",
    "patch": "a repair that had proven itself before was used again",
    "success_code": "the status was another 2xx than promised",
}
"""Every rule by the name that receipts use, and what it says for people."""


@dataclass(frozen=True, slots=True)
class Repair:
    """A body that fits its contract. `heals` is empty when nothing had to be done; `diff` is for people."""

    body: Json
    heals: tuple[Heal, ...] = ()
    diff: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    """What may have been renamed although it may be left out; nothing was done about it."""


@dataclass(frozen=True, slots=True)
class Unrepairable:
    """A body that stays as it is: what is wrong with it, and why each way of repairing it was refused."""

    violations: tuple[Violation, ...]
    tried: tuple[str, ...]
    added: tuple[str, ...] = ()
    """Where undeclared properties stand; the place to look for what is missing."""

    @property
    def message(self) -> str:
        """What is wrong, in one line."""
        found = [each.message for each in self.violations[:5]] or list(self.tried[:1])
        more = len(self.violations) - len(found)
        return "; ".join(found) + (f"; and {more} more" if more > 0 else "")

    @property
    def diff(self) -> tuple[str, ...]:
        """Every line that a person needs to decide."""
        wrong = [f"wrong: {each.message}" for each in self.violations]
        return (
            *wrong,
            *(f"new: {each}" for each in self.added),
            *(f"refused: {each}" for each in self.tried),
        )


def repair(
    contract: Contract, body: Json, *, status: int | None = None, success: Collection[int] = ()
) -> Repair | Unrepairable:
    """Return `body` as its contract wants it, with a record of every rule used; or why that cannot be.

    A body in which there is nothing to repair comes back as it is. With `status` and `success`, a status that
    was not promised is recorded as well.
    """
    notes: tuple[Note, ...] = ()
    tried: tuple[str, ...] = ()
    mended = body
    if not contract.settled(body):
        try:
            healed = Healing(contract).heal(contract.schema, [body], ())
        except Refused as refusal:
            return _unrepairable(contract, body, refusal.reasons)
        mended, notes, tried = healed.values[0], healed.notes, healed.reasons
    if not contract.valid(mended):
        return _unrepairable(contract, body, tried)
    if lost := _lost(contract, mended):
        return _unrepairable(contract, body, (*lost, *tried))
    heals = [
        Heal(failure=Failure.DRIFT, rule=note.rule, detail=note.detail, diff=note.diff, change=note.change)
        for note in notes
    ]
    if status is not None and success and status not in success:
        promised = " or ".join(map(str, success))
        heals.append(
            Heal(failure=Failure.DRIFT, rule="success_code", detail=f"{status} instead of {promised}")
        )
    diff = tuple(dict.fromkeys(note.diff for note in notes))
    return Repair(mended, _once(heals), diff, tuple(dict.fromkeys(tried)))


def _lost(contract: Contract, body: Json) -> list[str]:
    """Say which paths that are read are gone while something new, by its name, may be what they led to.

    Taking a cursor that moved for one that is left out would take the first page for the whole.
    """
    gone = [path for path in contract.reads if lookup(body, path) is MISSING]
    new = additions(contract, body) if gone else []
    return [
        f"{path} is gone, and {each} is new and may be it"
        for path in gone
        for each in new
        if "*" not in parse(each) and not _GOES_ON.union(words(path)).isdisjoint(words(parse(each)[-1]))
    ]


def _unrepairable(contract: Contract, body: Json, reasons: Collection[str]) -> Unrepairable:
    violations = tuple(contract.violations(body))
    return Unrepairable(violations, tuple(dict.fromkeys(reasons)), tuple(additions(contract, body)))


def _once(heals: list[Heal]) -> tuple[Heal, ...]:
    return tuple({json.dumps([each.rule, each.detail]): each for each in heals}.values())


def additions(contract: Contract, body: Json) -> list[str]:
    """Return the paths of undeclared properties, such as `values[*].color`, in the order of the body."""
    return Healing(contract).additions(contract.schema, [body], ())
