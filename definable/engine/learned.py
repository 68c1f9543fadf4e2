"""What was learned of products' responses: each repair in the record, with everything that is said of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from definable.calls import Heal, Lesson
from definable.errors import UsageError
from definable.store import Store
from definable.verify.record import ends, stamp, verdicts


@dataclass(frozen=True)
class Learned:
    """One repair in the record, with everything that is said of it."""

    id: str
    tool: str
    toolkit: str
    heal: Heal
    since: str
    last: str
    seen: int
    status: str
    expires: str | None

    def to_json(self) -> dict[str, Any]:
        """Return it as programs get it."""
        return {
            "id": self.id,
            "tool": self.tool,
            "drift": self.heal.drift,
            "change": self.heal.detail,
            "rule": self.heal.rule,
            "evidence": self.heal.evidence,
            "diff": self.heal.diff,
            "seen": self.seen,
            "since": self.since,
            "last": self.last,
            "expires": self.expires,
            "status": self.status,
        }


def learned(store: Store) -> list[Learned]:
    """Return the repairs in the record, in the order in which they were first seen."""
    lessons = store.known()
    rows: dict[str, list[Lesson]] = {}
    for each in lessons:
        if each.kind == "patch":
            rows.setdefault(each.data["id"], []).append(each)
    return [_summed(name, found, lessons) for name, found in rows.items()]


def one_learned(store: Store, id: str) -> Learned:
    """Return a repair by its id or the start of it; UsageError when there is none, or are several."""
    found = [each for each in learned(store) if id and each.id.startswith(id)]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(each.id for each in found)
        raise UsageError(f"{id!r} is the start of several repairs: {ids}", hint="give more of the id")
    raise UsageError(f"there is no repair {id!r}", hint="`definable contracts list` shows all")


def judge(store: Store, id: str, verdict: Literal["accepted", "rejected"], by: str) -> Learned:
    """Keep what a person says of a repair, and return it as it stands then."""
    each = one_learned(store, id)
    said = Lesson(
        at=stamp(datetime.now(UTC)),
        toolkit=each.toolkit,
        tool=each.tool,
        kind=verdict,
        data={"id": each.id, "by": by},
    )
    store.learn([said])
    return one_learned(store, each.id)


def _summed(name: str, rows: Sequence[Lesson], lessons: Sequence[Lesson]) -> Learned:
    said, last = verdicts(lessons).get(name, ""), rows[-1]
    expires = None if said else ends(last)
    past = expires is not None and expires <= stamp(datetime.now(UTC))
    status = said or ("expired" if past else "learned")
    heal = Heal.model_validate(last.data["heal"])
    return Learned(name, last.tool, last.toolkit, heal, rows[0].at, last.at, len(rows), status, expires)
