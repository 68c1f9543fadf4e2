"""The governor's slots, queue and lessons in SQL. What they mean is in definable/quota/."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from definable.quota.admission import (
    GRACE,
    Newest,
    Room,
    Wait,
    Waiter,
    admit,
    ahead_of,
    in_order,
    slack,
    turn,
)
from definable.quota.claim import HOLD, Bucket, Claim, dumped, loaded
from definable.quota.forecast import Taken
from definable.quota.hints import Hints
from definable.quota.learning import Standing, crowd, crowded, hinted, meant, strike, tried, used_up
from definable.store.database import Database, Row
from definable.store.part import Part

FAR = 3600.0
"""Seconds ahead beyond which no slot can be: the clock was set back."""

NTH = (
    "SELECT answered FROM quota_slots WHERE owner = ? AND bucket = ? ORDER BY answered DESC LIMIT 1 OFFSET ?"
)

ANSWERED = "UPDATE quota_slots SET answered = ?, refused = ? WHERE ticket = ?"

SWEEP = 30.0
"""Seconds between two looks of a process for what has had its time. Until then it is in nobody's way: each
question about slots asks from a moment on."""


class SqlQuotas(Part):
    """The part of a `Store` that the quota governor works with (see contract.py)."""

    _later: list[tuple[str, tuple[object, ...]]]
    """Statements that the next transaction takes along."""

    _swept: dict[tuple[str, str], float]
    """Owner and bucket → when this process has last swept."""

    def take(self, claim: Claim, now: float) -> Wait | None:
        """Take a slot in each bucket, or a place in the queue."""
        with self._writing(claim.owner, durable=False) as db:
            wanted = claim.wanted(_held(db, claim, now))
            queue = _queue(db, claim.owner, now)
            mine = _turn(db, claim, wanted, queue)
            room = Room(now, _newest(db, claim.owner, wanted), standings(db, claim.owner))
            if wait := admit(wanted, ahead_of(claim.queued_as, mine, queue), room):
                _enqueue(db, claim, wanted, mine, now + wait.seconds)
                _used_up(db, claim.owner, wanted, room)
                return wait
            if queue:
                db.execute("DELETE FROM quota_queue WHERE ticket = ?", (claim.queued_as,))
            for bucket in wanted:
                if not 0 <= now - self._swept.get((claim.owner, bucket.name), -SWEEP) < SWEEP:
                    _sweep(db, claim.owner, bucket, now)
                    self._swept[claim.owner, bucket.name] = now
            _occupy(db, claim, wanted, now)
            _try(db, claim, wanted, room)
            _serve(db, claim, mine, now)
        return None

    def withdraw(self, place: str) -> None:
        """Leave the queue."""
        with self._writing(durable=False) as db:
            db.execute("DELETE FROM quota_queue WHERE ticket = ?", (place,))

    def keep(self, place: str, until: float) -> None:
        """Keep a place in the queue for somebody who comes back."""
        with self._writing(durable=False) as db:
            db.execute("UPDATE quota_queue SET wakes = ? WHERE ticket = ?", (until, place))

    def ready(self, source: str, now: float) -> bool:
        """Return whether one of a run's places could go now."""
        found = self._read("SELECT DISTINCT owner FROM quota_queue WHERE source = ?", source)
        return any(self._may_go(row["owner"], source, now) for row in found)

    def _may_go(self, owner: str, source: str, now: float) -> bool:
        with self._writing(owner, durable=False) as db:
            queue = _queue(db, owner, now)
            newest, known = _newest(db, owner), standings(db, owner)
            for each in queue:
                before = ahead_of(each.ticket, each.turn, queue)
                if each.source == source and not admit(each.buckets, before, Room(now, newest, known)):
                    return True
        return False

    def answered(self, claim: Claim, now: float, *, refused: bool = False, later: bool = False) -> None:
        """Start the windows of an attempt's slots."""
        self._later.append((ANSWERED, (now, int(refused), claim.ticket)))
        if not later:
            with self._writing(claim.owner, durable=False):
                pass

    def unsent(self, claim: Claim) -> None:
        """Give back the slots of an attempt that never left."""
        with self._writing(claim.owner, durable=False) as db:
            db.execute("DELETE FROM quota_slots WHERE ticket = ?", (claim.ticket,))

    def release(self, holder: str) -> None:
        """Give back the place that a call holds."""
        with self._writing(durable=False) as db:
            give_back(db, holder)

    def full(self, claim: Claim, now: float, asked: float | None) -> None:
        """Learn that no place is free, and give back those of the claim's holder."""
        with self._writing(claim.owner, durable=False) as db:
            known = standings(db, claim.owner)
            give_back(db, claim.holder)
            for bucket in claim.holds:
                after = crowd(known.get(bucket.name, Standing()), now, asked)
                _learn(db, claim.owner, bucket.name, after)

    def tried(self, claim: Claim, *, accepted: bool) -> None:
        """Learn that whoever tried whether a place is free has its answer."""
        found = self._read("SELECT bucket, standing FROM quota_lessons WHERE owner = ?", claim.owner)
        held = {bucket.name for bucket in claim.holds}
        if not any(row["bucket"] in held and _standing(row["standing"]).trying for row in found):
            return
        with self._writing(claim.owner, durable=False) as db:
            known = standings(db, claim.owner)
            for bucket in claim.holds:
                if standing := known.get(bucket.name):
                    _learn(db, claim.owner, bucket.name, tried(standing, accepted))

    def throttled(self, claim: Claim, now: float, asked: float | None) -> None:
        """Learn from a 429."""
        with self._writing(claim.owner, durable=False) as db:
            if found := _fullest(db, claim, now):
                bucket, used = found
                known = standings(db, claim.owner).get(bucket.name, Standing())
                _learn(db, claim.owner, bucket.name, strike(bucket, known, used, now, asked))

    def hinted(self, claim: Claim, now: float, hints: Hints) -> None:
        """Learn from a server's own figures."""
        with self._writing(claim.owner, durable=False) as db:
            fullest = _fullest(db, claim, now)
            about = meant(hints, claim.buckets, fullest[0] if fullest else None)
            if about is None:
                return
            bucket, index = about
            before = standings(db, claim.owner).get(bucket.name, Standing())
            sent = _sent(db, claim, bucket.name, now - bucket.allowances[index].seconds)
            after = hinted(bucket, index, before, hints, now, sent)
            if after != before:
                _learn(db, claim.owner, bucket.name, after)

    def taken(self, owner: str, now: float) -> Taken:
        """Return what of an owner's quotas is used and asked for."""
        rows = self._read("SELECT bucket, answered FROM quota_slots WHERE owner = ? ORDER BY answered", owner)
        slots: dict[str, list[float]] = {}
        for row in rows:
            slots.setdefault(row["bucket"], []).append(row["answered"])
        known = self._read("SELECT bucket, standing FROM quota_lessons WHERE owner = ?", owner)
        queue = self._read("SELECT * FROM quota_queue WHERE owner = ?", owner)
        return Taken(
            now,
            {bucket: tuple(times) for bucket, times in slots.items()},
            {row["bucket"]: _standing(row["standing"]) for row in known},
            tuple(in_order(map(_waiter, queue), now)),
        )

    def breaker(self, name: str) -> str:
        """Return the state of an open breaker."""
        found = self._read("SELECT state FROM breakers WHERE name = ?", name)
        return str(found[0]["state"]) if found else ""

    def set_breaker(self, name: str, known: str, state: str) -> bool:
        """Replace what was known of a breaker."""
        with self._writing(name, durable=False) as db:
            if self.breaker(name) != known:
                return False
            db.execute("DELETE FROM breakers WHERE name = ?", (name,))
            if state:
                db.execute("INSERT INTO breakers VALUES (?, ?)", (name, state))
        return True

    def quota_owner(self, mark: str) -> str | None:
        """Return whose quota a key uses, once it is known."""
        found = self._read("SELECT owner FROM quota_owners WHERE mark = ?", mark)
        return str(found[0]["owner"]) if found else None

    def set_quota_owner(self, mark: str, owner: str) -> None:
        """Note whose quota a key uses; what was counted for the key counts for its owner."""
        with self._writing(mark, owner, durable=False) as db:
            db.execute(
                "INSERT INTO quota_owners (mark, owner) VALUES (?, ?) "
                "ON CONFLICT (mark) DO UPDATE SET owner = excluded.owner",
                (mark, owner),
            )
            db.execute(
                "UPDATE quota_slots SET owner = ? WHERE owner = ? AND NOT EXISTS ("
                "SELECT 1 FROM quota_slots AS taken WHERE taken.owner = ? "
                "AND taken.bucket = quota_slots.bucket AND taken.answered = quota_slots.answered "
                "AND taken.ticket = quota_slots.ticket)",
                (owner, mark, owner),
            )
            db.execute("UPDATE quota_queue SET owner = ? WHERE owner = ?", (owner, mark))


def leave_queue(db: Database, source: str) -> None:
    """Give up the places of a run that has ended, inside a transaction."""
    db.execute("DELETE FROM quota_queue WHERE source = ?", (source,))


def give_back(db: Database, holder: str) -> None:
    """Give back the place that a call holds, inside a transaction: nobody need wait until one is free."""
    gone = db.execute("DELETE FROM quota_slots WHERE ticket = ? RETURNING owner, bucket", (holder,))
    for row in gone.fetchall():
        standing = standings(db, row["owner"]).get(row["bucket"])
        if standing and standing.paused:
            _learn(db, row["owner"], row["bucket"], replace(standing, paused=0.0))


def standings(db: Database, owner: str) -> Mapping[str, Standing]:
    """Return what was learned of an owner's buckets."""
    found = db.execute("SELECT bucket, standing FROM quota_lessons WHERE owner = ?", (owner,)).fetchall()
    return {row["bucket"]: _standing(row["standing"]) for row in found}


def _standing(text: str) -> Standing:
    known: dict[str, Any] = json.loads(text)
    rows = {name: tuple(row) for name, row in known.items() if isinstance(row, list)}
    return Standing(**{**known, **rows})


def _learn(db: Database, owner: str, bucket: str, standing: Standing) -> None:
    db.execute(
        "INSERT INTO quota_lessons (owner, bucket, standing) VALUES (?, ?, ?) "
        "ON CONFLICT (owner, bucket) DO UPDATE SET standing = excluded.standing",
        (owner, bucket, json.dumps(asdict(standing))),
    )


def _used_up(db: Database, owner: str, wanted: tuple[Bucket, ...], room: Room) -> None:
    """Note which buckets are used up, once per window."""
    for bucket in wanted:
        before = room.standings.get(bucket.name, Standing())
        if (after := used_up(bucket, before, room.room(bucket), room.now)) != before:
            _learn(db, owner, bucket.name, after)


def _held(db: Database, claim: Claim, now: float) -> set[str]:
    """The buckets in which its holder has a place; those leases begin anew."""
    there = "ticket = ? AND answered > ?"
    rows = db.execute(f"SELECT bucket FROM quota_slots WHERE {there}", (claim.holder, now)).fetchall()  # noqa: S608
    if rows:
        db.execute(f"UPDATE quota_slots SET answered = ? WHERE {there}", (now + HOLD, claim.holder, now))  # noqa: S608
    return {row["bucket"] for row in rows}


def _newest(db: Database, owner: str, wanted: Sequence[Bucket] = ()) -> Newest:
    """Answer for one transaction; where nobody waits and nothing was learned, all that is asked is known."""
    limits = {(bucket.name, each.limit): None for bucket in wanted for each in bucket.allowances}
    known: dict[tuple[str, int], float | None] = dict(zip(limits, _nth(db, owner, *limits), strict=True))

    def newest(bucket: str, n: int) -> float | None:
        if (bucket, n) not in known:
            (known[bucket, n],) = _nth(db, owner, (bucket, n))
        return known[bucket, n]

    return newest


def _nth(db: Database, owner: str, *places: tuple[str, int]) -> list[float | None]:
    if not places:
        return []
    names = [f"n{index}" for index in range(len(places))]
    query = "SELECT " + ", ".join(f"({NTH}) AS {name}" for name in names)
    row = db.execute(query, [v for bucket, n in places for v in (owner, bucket, n - 1)]).fetchone()
    return [row[name] for name in names]


def _queue(db: Database, owner: str, now: float) -> list[Waiter]:
    rows = db.execute("SELECT * FROM quota_queue WHERE owner = ?", (owner,)).fetchall()
    if any(row["wakes"] + GRACE < now for row in rows):
        db.execute("DELETE FROM quota_queue WHERE owner = ? AND wakes < ?", (owner, now - GRACE))
    return in_order(map(_waiter, rows), now)


def _waiter(row: Row) -> Waiter:
    return Waiter(
        row["ticket"], row["source"], row["turn"], row["number"], row["wakes"], loaded(row["buckets"])
    )


def _turn(db: Database, claim: Claim, wanted: tuple[Bucket, ...], queue: Sequence[Waiter]) -> int:
    for waiter in queue:
        if waiter.ticket == claim.queued_as:
            return waiter.turn
    rows = db.execute("SELECT source, turn FROM quota_turns WHERE owner = ?", (claim.owner,)).fetchall()
    burst = min((each.limit for bucket in wanted for each in bucket.allowances), default=1)
    return turn(claim.source, queue, {row["source"]: row["turn"] for row in rows}, burst)


def _serve(db: Database, claim: Claim, turn: int, now: float) -> None:
    db.execute(
        "INSERT INTO quota_turns (owner, source, turn, at) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (owner, source) DO UPDATE SET at = excluded.at, "
        "turn = CASE WHEN quota_turns.turn > excluded.turn THEN quota_turns.turn ELSE excluded.turn END",
        (claim.owner, claim.source, turn, now),
    )


def _enqueue(db: Database, claim: Claim, wanted: tuple[Bucket, ...], turn: int, wakes: float) -> None:
    db.execute(
        "INSERT INTO quota_queue (ticket, owner, source, turn, wakes, buckets) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (ticket) DO UPDATE SET wakes = excluded.wakes",
        (claim.queued_as, claim.owner, claim.source, turn, wakes, dumped(wanted)),
    )


def _sweep(db: Database, owner: str, bucket: Bucket, now: float) -> None:
    """Delete what has had its time; what lies too far ahead counts as answered now."""
    gone = now - bucket.longest - slack(bucket.longest)
    db.execute(
        "DELETE FROM quota_slots WHERE owner = ? AND bucket = ? AND answered < ?", (owner, bucket.name, gone)
    )
    db.execute(
        "UPDATE quota_slots SET answered = ? WHERE owner = ? AND bucket = ? AND answered > ?",
        (now, owner, bucket.name, now + FAR),
    )
    db.execute("DELETE FROM quota_turns WHERE owner = ? AND at < ?", (owner, now - FAR))


def _occupy(db: Database, claim: Claim, wanted: tuple[Bucket, ...], now: float) -> None:
    values: list[object] = []
    for bucket in wanted:
        held = bucket in claim.holds
        until, ticket = (now + HOLD, claim.holder) if held else (now + claim.lease, claim.ticket)
        values += (claim.owner, bucket.name, until, ticket)
    rows = ", ".join(["(?, ?, ?, ?, 0)"] * len(wanted))
    if wanted:
        db.execute(
            f"INSERT INTO quota_slots (owner, bucket, answered, ticket, refused) VALUES {rows} "  # noqa: S608
            "ON CONFLICT (owner, bucket, answered, ticket) DO UPDATE SET refused = 0",
            values,
        )


def _try(db: Database, claim: Claim, wanted: tuple[Bucket, ...], room: Room) -> None:
    """Where places were all taken a moment ago: let the others wait for what comes of this one."""
    for bucket in wanted:
        standing = room.standings.get(bucket.name)
        if bucket in claim.holds and standing and crowded(standing, room.now):
            _learn(db, claim.owner, bucket.name, replace(standing, trying=room.now + claim.lease))


def _fullest(db: Database, claim: Claim, now: float) -> tuple[Bucket, list[int]] | None:
    """The bucket that is nearest to its limit, and what the server accepted in each of its windows."""
    counted = []
    for bucket in claim.buckets:
        used = [_used(db, claim, bucket.name, now - each.seconds) for each in bucket.allowances]
        share = max((n / each.limit for n, each in zip(used, bucket.allowances, strict=True)), default=0.0)
        counted.append((share, bucket, used))
    if not counted:
        return None
    _, bucket, used = max(counted, key=lambda each: each[0])
    return bucket, used


def _used(db: Database, claim: Claim, bucket: str, since: float) -> int:
    found = db.execute(
        "SELECT count(*) AS n FROM quota_slots "
        "WHERE owner = ? AND bucket = ? AND answered > ? AND refused = 0 AND ticket != ?",
        (claim.owner, bucket, since, claim.ticket),
    )
    return int(found.fetchone()["n"])


def _sent(db: Database, claim: Claim, bucket: str, since: float) -> int:
    """How many left in a window, answered or not, accepted or not."""
    found = db.execute(
        "SELECT count(*) AS n FROM quota_slots WHERE owner = ? AND bucket = ? AND answered > ?",
        (claim.owner, bucket, since),
    )
    return int(found.fetchone()["n"])
