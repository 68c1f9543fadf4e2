"""The places in which a write is alone while it looks for what is new, in SQL."""

from __future__ import annotations

from definable.store.database import Database
from definable.store.part import Part
from definable.store.quotas import FAR
from definable.store.rows import Data, Reservation

OTHERS = "place = :place AND NOT (run = :run AND call = :call)"
THERE = f"SELECT run FROM places WHERE {OTHERS} AND until > :now AND until < :far"  # noqa: S608 - our words
MARK = f"UPDATE places SET shared = 1 WHERE {OTHERS}"  # noqa: S608 - our words
TAKE = """INSERT INTO places (place, run, call, until, shared) VALUES (:place, :run, :call, :until, 0)
    ON CONFLICT (place, run, call) DO UPDATE SET until = excluded.until, shared = places.shared * :keeps
    RETURNING shared"""


class SqlReservations(Part):
    """The part of a `Store` in which calls have places to themselves (see contract.py)."""

    def occupy(
        self, place: str, run: str, call: str, now: float, until: float, *, anew: bool = False
    ) -> Reservation:
        """Take a place for a call alone."""
        row: Data = {"place": place, "run": run, "call": call}
        times = {"now": now, "far": now + FAR}
        with self._writing(place, durable=False) as db:
            if found := db.execute(THERE, {**row, **times}).fetchone():
                return Reservation(held_by=found["run"])
            db.execute(MARK, row)
            mine = db.execute(TAKE, {**row, "until": until, "keeps": int(not anew)})
            return Reservation(shared=bool(mine.fetchone()["shared"]))

    def vacate(self, run: str, call: str) -> None:
        """Let others take a call's place."""
        with self._writing(run, durable=False) as db:
            db.execute("UPDATE places SET until = 0 WHERE run = ? AND call = ?", (run, call))


def give_up(db: Database, run: str, call: str) -> None:
    """Give a call's place up for good, inside a transaction."""
    db.execute("DELETE FROM places WHERE run = ? AND call = ?", (run, call))
