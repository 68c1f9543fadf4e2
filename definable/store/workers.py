"""Submitted runs and the processes that carry them on, in SQL (see contract.py)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager

from definable.errors import UsageError
from definable.store.lockfile import WORKER
from definable.store.part import Part
from definable.store.records import as_columns, columns, insert, known, run_row
from definable.store.retention import PRUNING
from definable.store.rows import RunRow, RunStatus, WorkerRow

SUBMITTED = "submitted"
"""The reason of a queued run that no worker has taken yet."""

PUT_BACK = "put back"
"""The same, of one that was at work: it keeps its turn."""

RUNS = "SELECT runs.*, fences.worker FROM runs LEFT JOIN fences ON fences.run = runs.id"

LINE = """
SELECT id, workflow, CASE WHEN definition LIKE ? THEN definition END AS limited
FROM runs WHERE taken IS NULL AND ended_at IS NULL AND priority IS NOT NULL AND history <= ?
"""

LIMITED = '%"concurrency":%'
"""What only a definition with a `concurrency` is like: a text that has this has backslashes in it."""

FIRST = f"""
(reason = '{PUT_BACK}' OR status = 'queued') AND id IN (
    SELECT id FROM runs WHERE reason = '{PUT_BACK}' AND taken IS NULL AND ended_at IS NULL
    UNION ALL SELECT run FROM places WHERE until > ?)
"""  # noqa: S608 - our words
"""What goes before all else: it had its turn, or it holds a place that others may wait for."""

TAKE = f"""
UPDATE runs SET taken = :worker, reason = '' WHERE id = :run AND taken IS NULL
AND (status = 'queued' OR (status = 'running' AND reason = '{PUT_BACK}')) RETURNING id
"""  # noqa: S608 - our words

STILL = "taken = CASE WHEN :status IN ('queued', 'running') THEN taken END"
"""A run that ends or waits is nobody's."""

AT_WORK = """
SELECT count(*) AS n FROM (
    SELECT id FROM runs WHERE taken IS NOT NULL AND workflow = :workflow AND id != :run
    UNION SELECT id FROM runs WHERE status = 'running' AND priority IS NOT NULL
    AND workflow = :workflow AND id != :run) AS known
"""

KEPT = f"priority IS NOT NULL AND pruned_at IS NULL AND reason != '{PRUNING}'"
"""A submitted run that may go on, as far as its log goes."""

LAST = "(SELECT coalesce(max(seq), 0) FROM log WHERE log.run = runs.id)"

BEGIN = """
INSERT INTO fences (run, token, worker, line, tries)
VALUES (:run, 1, :worker, (SELECT coalesce(max(seq), 0) FROM log WHERE log.run = :run), 1)
ON CONFLICT (run) DO UPDATE SET
    token = fences.token + 1, worker = excluded.worker, line = excluded.line,
    tries = CASE WHEN EXISTS (
        SELECT 1 FROM log WHERE log.run = fences.run AND log.seq > fences.line
        AND log.type NOT IN ('run.started', 'run.resumed', 'run.ahead')
    ) THEN 1 ELSE fences.tries + 1 END
RETURNING token, tries
"""
"""Who begins has a token one higher, and counts how often that was done since the log got anywhere."""

DUE = """
SELECT * FROM runs WHERE status = 'waiting' AND priority IS NOT NULL AND (
    (until IS NOT NULL AND until <= :now) OR (deadline IS NOT NULL AND deadline <= :now)
    OR (until IS NULL AND reason IN ('approval', 'review') AND EXISTS (
        SELECT 1 FROM asks WHERE asks.run = runs.id AND asks.decision IS NULL
        AND asks.expires_at IS NOT NULL AND asks.expires_at <= :now))
    OR (until IS NULL AND reason IN ('approval', 'review') AND NOT EXISTS (
        SELECT 1 FROM asks WHERE asks.run = runs.id AND asks.decision IS NULL))
) ORDER BY priority, created_at
"""

STRAY = f"""
SELECT runs.id FROM runs JOIN fences ON fences.run = runs.id
LEFT JOIN workers ON workers.id = coalesce(runs.taken, fences.worker)
    AND workers.state IN ('working', 'draining')
WHERE runs.status = 'running' AND runs.priority IS NOT NULL AND workers.id IS NULL
AND NOT (runs.taken IS NULL AND runs.reason = '{PUT_BACK}')
"""  # noqa: S608 - our words

ADRIFT = """
SELECT 1 FROM runs JOIN fences ON fences.run = runs.id
LEFT JOIN workers ON workers.id = fences.worker AND workers.state IN ('working', 'draining')
WHERE runs.id = ? AND runs.priority IS NOT NULL AND (
    runs.status = 'queued' OR (runs.status = 'running' AND workers.id IS NULL))
"""

WORKERS = """
SELECT workers.*, (SELECT count(*) FROM fences JOIN runs ON runs.id = fences.run
    WHERE fences.worker = workers.id AND runs.status = 'running') AS runs
FROM workers ORDER BY started_at DESC, id
"""


class SqlWorkers(Part):
    """The part of a `Store` that carries submitted runs on."""

    def runs(
        self, limit: int | None = None, status: RunStatus | None = None, batch: str | None = None
    ) -> list[RunRow]:
        """Return runs, newest first."""
        wanted = {"status = ?": status, "batch = ?": batch}
        where = " AND ".join(name for name, value in wanted.items() if value is not None)
        rows = self._read(
            f"{RUNS} {where and f'WHERE {where}'} "
            f"ORDER BY created_at DESC, runs.rowid DESC {'' if limit is None else 'LIMIT ?'}",
            *[value for value in (*wanted.values(), limit) if value is not None],
        )
        return [run_row(row) for row in rows]

    def submit(self, run: RunRow) -> RunRow:
        """Keep a new run, or return the one of its key."""
        row = run.model_copy(update={"reason": SUBMITTED, "created_at": run.created_at or self._now()})
        with self._writing(run.key or run.id) as db:
            found = db.execute("SELECT * FROM runs WHERE key = ?", (run.key,)).fetchone() if run.key else None
            if found:
                return _same(run_row(found), run)
            values = columns(row)
            db.execute(insert("runs", values), values)
            db.tell()
        return row

    def requeue(self, run: str, *statuses: RunStatus, why: str) -> int | None:
        """Make a run queued again."""
        with self._writing(run) as db:
            row = db.execute(
                f"SELECT status, taken, {LAST} AS last FROM runs WHERE id = ? AND {KEPT}",  # noqa: S608
                (run,),
            ).fetchone()
            if row is None or row["status"] not in (*statuses, RunStatus.QUEUED):
                return None
            if row["status"] == RunStatus.QUEUED and (
                row["taken"] is None or RunStatus.QUEUED not in statuses
            ):
                return int(row["last"])
            reason = PUT_BACK if row["status"] in (RunStatus.RUNNING, RunStatus.QUEUED) else SUBMITTED
            changes = {"status": "queued", "reason": reason, "until": None, "ended_at": None, "taken": None}
            values = as_columns(changes)
            names = ", ".join(f"{name} = :{name}" for name in values)
            db.execute(f"UPDATE runs SET {names} WHERE id = :id", {**values, "id": run})  # noqa: S608
            db.tell()
            return self._log(run, "run.queued", f'{{"why":"{why}"}}', None, None)

    def enlist(self, run: str, priority: int) -> RunRow:
        """Hand a run to the workers."""
        with self.alone(run), self._writing(run) as db:
            db.execute(
                "UPDATE runs SET priority = ?, reason = CASE WHEN status = 'queued' THEN ? ELSE reason END "
                "WHERE id = ? AND priority IS NULL",
                (priority, SUBMITTED, run),
            )
            db.tell()
        return self.run(run)

    def keyed(self, key: str) -> RunRow | None:
        """Return the run of a key."""
        found = self._read(f"{RUNS} WHERE runs.key = ?", key)
        return run_row(found[0]) if found else None

    def take_runs(self, worker: str, room: int, history: int) -> list[str]:
        """Take runs for a worker."""
        taken: list[str] = []
        full: set[str] = set()
        while (wanted := room - len(taken)) > 0:
            found = self._line(wanted, history, sorted(full))
            taken += self._take(worker, *(run for run, _, most in found if not most))
            for run, workflow, most in found:
                if most and workflow not in full:
                    if self._admitted(worker, run, workflow, most):
                        taken.append(run)
                    else:
                        full.add(workflow)
            if len(found) < wanted:
                break
        return taken

    def _line(self, limit: int, history: int, full: Sequence[str]) -> list[tuple[str, str, int | None]]:
        """Return the runs, workflows and their concurrency of those who wait, the first first."""
        others = f"{LINE} AND workflow NOT IN ({', '.join('?' * len(full))})" if full else LINE
        known = (LIMITED, history, *full)
        first = f"{others} AND ({FIRST}) ORDER BY priority, created_at LIMIT ?"
        found = {row["id"]: row for row in self._read(first, *known, self.time(), limit)}
        if len(found) < limit:
            rest = f"{others} AND status = 'queued' ORDER BY priority, created_at LIMIT ?"
            found |= {row["id"]: row for row in self._read(rest, *known, limit)}
        return [(row["id"], row["workflow"], _most(row["limited"])) for row in [*found.values()][:limit]]

    def _take(self, worker: str, *runs: str) -> list[str]:
        """Take those of these runs that nobody else has taken meanwhile."""
        if not runs:
            return []
        with self._writing(*runs, durable=False) as db:
            return [run for run in runs if db.execute(TAKE, {"worker": worker, "run": run}).fetchone()]

    def _admitted(self, worker: str, run: str, workflow: str, most: int) -> bool:
        """Take a run if fewer than `most` of its workflow are at work, and nobody has taken it meanwhile."""
        with self._writing(f"workflow {workflow}", run, durable=False) as db:
            if db.execute(AT_WORK, {"workflow": workflow, "run": run}).fetchone()["n"] >= most:
                return False
            return db.execute(TAKE, {"worker": worker, "run": run}).fetchone() is not None

    def takers(self) -> set[str]:
        """Return who has taken runs."""
        rows = self._read("SELECT DISTINCT taken FROM runs WHERE taken IS NOT NULL")
        return {row["taken"] for row in rows}

    def taken_by(self, worker: str) -> set[str]:
        """Return what a worker has taken."""
        rows = self._read("SELECT id FROM runs WHERE taken = ?", worker)
        return {row["id"] for row in rows}

    def let_go(self, worker: str, *runs: str) -> None:
        """Put back what a worker has taken."""
        if not runs:
            return
        with self._writing(*runs, durable=False) as db:
            marks = ", ".join("?" * len(runs))
            db.execute(
                f"UPDATE runs SET taken = NULL, reason = '{PUT_BACK}' WHERE taken = ? AND id IN ({marks})",  # noqa: S608
                (worker, *runs),
            )
            db.tell()

    def due(self) -> list[RunRow]:
        """Return runs that may go on."""
        return [run_row(row) for row in self._db.read(DUE, {"now": self._now()})]

    def waiting(self, reason: str) -> list[RunRow]:
        """Return runs that wait for a reason."""
        rows = self._read(
            "SELECT * FROM runs WHERE status = 'waiting' AND reason = ? AND priority IS NOT NULL "
            "ORDER BY created_at",
            reason,
        )
        return [run_row(row) for row in rows]

    @property
    def session(self) -> int:
        """The number of the connection."""
        return self._db.session

    def moving(self) -> int:
        """Return how many runs have not come to rest."""
        (row,) = self._read(
            "SELECT count(*) AS n FROM runs WHERE priority IS NOT NULL "
            "AND (status IN ('queued', 'running') OR (status = 'waiting' AND until IS NOT NULL))"
        )
        return int(row["n"])

    def stray(self) -> list[str]:
        """Return runs that no worker works on."""
        return [row["id"] for row in self._db.read(STRAY)]

    def adrift(self, run: str) -> bool:
        """Return whether a run was at work, and waits for a worker."""
        return bool(self._read(ADRIFT, run))

    def heard(self, seconds: float) -> bool:
        """Wait for what others say."""
        return self._db.heard(seconds)

    def tell(self) -> None:
        """Say something."""
        with self._writing(durable=False) as db:
            db.tell()

    def present(self, worker: str) -> AbstractContextManager[bool]:
        """Hold a worker's name."""
        return self._db.held(f"{WORKER}{worker}")

    def gone(self, worker: str) -> bool:
        """Return whether nobody holds a worker's name."""
        with self._db.held(f"{WORKER}{worker}", at_once=True) as free:
            return free

    def join(self, worker: WorkerRow) -> WorkerRow:
        """Say that a worker is there."""
        facts = {"beat": self.time(), "session": self._db.session, "started_at": self._now()}
        row = worker.model_copy(update=facts)
        values = row.model_dump(mode="json", exclude={"runs"})
        with self._writing(worker.id) as db:
            db.execute(insert("workers", values), values)
        return row

    def beat(self, worker: str, session: int, state: str = "") -> str:
        """Give a sign of life."""
        with self._writing(worker, durable=False) as db:
            found = db.execute(
                "UPDATE workers SET beat = ?, session = ?, state = CASE WHEN ? = '' THEN state ELSE ? END "
                "WHERE id = ? AND state != 'dead' RETURNING state",
                (self.time(), session, state, state, worker),
            ).fetchone()
        return str(found["state"]) if found else "dead"

    def workers(self) -> list[WorkerRow]:
        """Return all workers."""
        return [known(WorkerRow, row) for row in self._db.read(WORKERS)]

    def bury(self, worker: WorkerRow) -> list[str]:
        """Say that a worker is dead."""
        with self._writing(worker.id) as db:
            found = db.execute(
                "UPDATE workers SET state = 'dead' WHERE id = ? AND beat = ? AND state IN "
                "('working', 'draining') RETURNING id",
                (worker.id, worker.beat),
            ).fetchone()
            if not found:
                return []
            rows = db.execute(
                "SELECT fences.run FROM fences JOIN runs ON runs.id = fences.run "
                "WHERE fences.worker = :worker AND runs.status = 'running' "
                "UNION SELECT id FROM runs WHERE taken = :worker",
                {"worker": worker.id},
            ).fetchall()
        runs = [row["run"] for row in rows]
        self._db.break_in(worker.session, runs)
        return runs


def _most(definition: str | None) -> int | None:
    """Return how many runs of a workflow may be at work at once."""
    most: int | None = json.loads(definition).get("concurrency") if definition else None
    return most


def _same(kept: RunRow, run: RunRow) -> RunRow:
    if (kept.workflow, kept.inputs) != (run.workflow, run.inputs):
        raise UsageError(
            f"the key {run.key!r} belongs to run {kept.id} of {kept.workflow}, which has other inputs",
            hint="give this run a key of its own, or the inputs of that one",
            run=kept.id,
        )
    return kept
