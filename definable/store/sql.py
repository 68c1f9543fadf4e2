"""The store in SQL: the tables of schema.py, in whichever database is behind the port of database.py."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

from definable.calls import Exchange, Json, Receipt
from definable.errors import RunBusy, UsageError
from definable.quota.claim import holder
from definable.store import ledger
from definable.store.asks import SqlAsks
from definable.store.batch import Batch
from definable.store.clients import SqlClients
from definable.store.contracts import SqlContracts
from definable.store.database import Database, Row
from definable.store.effects import SqlEffects
from definable.store.place import Place
from definable.store.quotas import SqlQuotas, give_back, leave_queue
from definable.store.records import (
    RECEIPTS,
    RECENT,
    as_columns,
    columns,
    dump,
    event,
    insert,
    nearby,
    receipt,
    run_row,
    stamp,
    whole,
)
from definable.store.reservations import SqlReservations, give_up
from definable.store.retention import SqlRetention
from definable.store.rows import EffectRow, Event, RunRow, RunStatus
from definable.store.triggers import SqlTriggers
from definable.store.workers import BEGIN, RUNS, STILL, SqlWorkers

Clock = Callable[[], datetime]

LINE = (
    "INSERT INTO log (run, seq, at, type, step, call, data) SELECT :run, "
    "(SELECT coalesce(max(seq), 0) + 1 FROM log WHERE run = :run), :at, :type, :step, :call, :data"
)

NEXT = f"{LINE} RETURNING seq"
"""The next event of a run."""

EXCHANGE = (
    f"{LINE} WHERE NOT EXISTS (SELECT 1 FROM exchanges WHERE run = :run AND call = :call AND n = :n) "  # noqa: S608 - our words
    "RETURNING seq"
)
"""The next event of a run, unless it has this exchange already."""

NEWEST = "SELECT token FROM fences WHERE run = ?"
"""The token of whoever has begun a run last."""


class SqlStore(
    SqlEffects,
    SqlQuotas,
    SqlReservations,
    SqlAsks,
    SqlContracts,
    SqlWorkers,
    SqlTriggers,
    SqlRetention,
    SqlClients,
):
    """A `Store` (see contract.py) in a database that has the tables."""

    def __init__(self, db: Database, clock: Clock | None = None) -> None:
        """Keep the database, which is closed with the store; `clock` is the database's unless given."""
        self._db = db
        self._clock = clock or db.now
        self._fence: tuple[str, int] | None = None
        self.tries = 0
        self._joined = False
        self._seen: dict[str, EffectRow] = {}
        """Effects as the transaction of `together` has left them."""
        self._batch: Batch | None = None
        self._later: list[tuple[str, tuple[object, ...]]] = []
        self._swept: dict[tuple[str, str], float] = {}

    @property
    def place(self) -> Place:
        """Where it is."""
        return self._db.place

    def close(self) -> None:
        """Let go of the database."""
        self._db.close()

    def __enter__(self) -> SqlStore:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # Runs

    def create_run(self, run: RunRow) -> RunRow:
        """Keep a new run."""
        row = run if run.created_at else run.model_copy(update={"created_at": self._now()})
        values = columns(row)
        with self._writing(run.id) as db:
            if db.execute("SELECT 1 FROM runs WHERE id = ?", (run.id,)).fetchone():
                raise UsageError(f"there is a run {run.id!r} already", hint="give the new run another id")
            db.execute(insert("runs", values), values)
        return row

    def run(self, run: str) -> RunRow:
        """Return a run by its id or the start of it."""
        found = self._read(f"{RUNS} WHERE runs.id = ?", run)
        found = found or self._read(f"{RUNS} WHERE substr(runs.id, 1, ?) = ? LIMIT 5", len(run), run)
        if len(found) == 1 and run:
            return run_row(found[0])
        if found and run:
            ids = ", ".join(row["id"] for row in found)
            raise UsageError(f"{run!r} is the start of several runs: {ids}", hint="give more of the id")
        raise UsageError(f"there is no run {run!r}", hint=nearby(run, self._read(RECENT)))

    def status(self, run: str) -> RunStatus:
        """Return where a run stands."""
        found = self._read("SELECT status FROM runs WHERE id = ?", run)
        return RunStatus(found[0]["status"]) if found else self.run(run).status

    def set_status(
        self,
        run: str,
        status: RunStatus,
        reason: str = "",
        outputs: dict[str, Json] | None = None,
        error: dict[str, Json] | None = None,
        until: str | None = None,
    ) -> RunRow:
        """Change where a run stands."""
        mine = self._fence is not None and self._fence[0] == run
        with self._writing(run if mine else self.run(run).id) as db:
            row = self.run(run)
            if row.status.final and row.status is not status:
                raise UsageError(
                    f"run {row.id!r} is {row.status.value}; nothing follows that", hint="start a new run"
                )
            changes: dict[str, object] = {
                "status": status,
                "reason": reason,
                "until": until,
                "outputs": row.outputs if outputs is None else outputs,
                "error": error,
                "ended_at": (row.ended_at or self._now()) if status.ended else None,
            }
            before, row = row, row.model_copy(update=changes)
            names = ", ".join(f"{name} = :{name}" for name in changes)
            changes["id"] = row.id
            db.execute(f"UPDATE runs SET {names}, {STILL} WHERE id = :id", as_columns(changes))  # noqa: S608
            if status.ended:
                leave_queue(db, row.id)
            self._stands(db, before, row)
        return row

    @contextmanager
    def alone(self, run: str) -> Iterator[None]:
        """Be the only one who works on a run."""
        with self._db.held(run) as free:
            if not free:
                raise RunBusy(f"run {run} is being worked on by another process")
            yield

    def time(self) -> float:
        """Return the time that all go by."""
        return self._clock().timestamp()

    def begin(self, run: str, worker: str | None = None, history: int = 1) -> SqlStore:
        """Bind the store to a run, with a token newer than all before."""
        # What leaves later waits for the disk and takes this along; who had an older token has lost its lock.
        with self._writing(run, durable=False) as db:
            db.execute("UPDATE runs SET history = ? WHERE id = ? AND history < ?", (history, run, history))
            row = db.execute(BEGIN, {"run": run, "worker": worker}).fetchone()
        bound = copy.copy(self)
        bound._fence = (run, row["token"])
        bound.tries = row["tries"]
        return bound

    def check(self) -> None:
        """Raise Fenced once somebody else has begun."""
        if self._fence is not None:
            self._hold(self._read(NEWEST, self._fence[0]))

    def _hold(self, newest: Sequence[Row]) -> None:
        if self._fence is not None:
            ledger.hold(*self._fence, newest[0]["token"])

    # Log

    @contextmanager
    def together(self, run: str, *effects: str, durable: bool) -> Iterator[None]:
        """Make what the block writes one transaction."""
        with self._writing(run, *effects, durable=durable):
            self._joined = True
            self._seen = {}
            try:
                yield
            finally:
                self._joined = False
                self._seen = {}

    @contextmanager
    def batch(self, run: str, *effects: str) -> Iterator[None]:
        """Make what the block writes few transactions."""
        if self._fence is None or self._fence[0] != run or self._batch is not None:
            yield
            return
        self._batch = batch = Batch((run, *effects), self._transaction)
        try:
            yield
        finally:
            self._batch = None
            batch.commit()

    def append(
        self, run: str, type: str, data: dict[str, Json], step: str | None = None, call: str | None = None
    ) -> int:
        """Add an event and return its number."""
        text = dump(data)  # before others have to wait
        with self._writing(run, durable=False):
            return self._log(run, type, text, step, call)

    def events(self, run: str, after: int = 0) -> list[Event]:
        """Return the events after a number."""
        rows = self._read("SELECT * FROM log WHERE run = ? AND seq > ? ORDER BY seq", run, after)
        return [event(row) for row in rows]

    def record(self, run: str, exchange: Exchange) -> Exchange:
        """Add an exchange, and with it the outcome to the ledger."""
        text = whole(exchange)
        with self._writing(run, *ledger.effect_of(exchange), durable=ledger.lasting(exchange)) as db:
            row = {"run": run, "call": exchange.call, "n": exchange.n}
            line = {**row, "at": self._now(), "type": "exchange", "step": None, "data": text}
            added = db.execute(EXCHANGE, line).fetchone()
            if added is None:
                return self._exchanges(run, exchange.call, exchange.n)[0]
            row["seq"] = added["seq"]
            db.execute(insert("exchanges", row), row)
            self._conclude(exchange)
        return exchange

    def exchanges(self, run: str, call: str) -> list[Exchange]:
        """Return the exchanges of a call."""
        return self._exchanges(run, call, None)

    def exchange(self, run: str, call: str, n: int) -> Exchange | None:
        """Return one exchange of a call."""
        return next(iter(self._exchanges(run, call, n)), None)

    def settle(self, run: str, receipt: Receipt, n: int | None = None) -> Receipt:
        """Keep a receipt."""
        brief = whole(receipt, without="result")
        kept_whole = brief if n is not None or receipt.result is None else whole(receipt)
        with self._writing(run, durable=False) as db:
            row = {"run": run, "call": receipt.call, "receipt": kept_whole, "n": n}
            added = db.execute(f"{insert('receipts', row)} ON CONFLICT DO NOTHING RETURNING call", row)
            if added.fetchone() is None:
                return self._receipts(run, receipt.call)[0]
            self._log(run, "receipt", brief, None, receipt.call)
            give_back(db, holder(run, receipt.call))
            give_up(db, run, receipt.call)
        return receipt

    def receipt(self, run: str, call: str) -> Receipt | None:
        """Return the receipt of a call."""
        return next(iter(self._receipts(run, call)), None)

    def receipts(self, run: str) -> list[Receipt]:
        """Return the receipts of a run."""
        return [receipt(row) for row in self._read(f"{RECEIPTS} ORDER BY receipts.rowid", run)]

    # Inside a transaction

    @contextmanager
    def _writing(self, *locks: str, durable: bool = True) -> Iterator[Database]:
        """One transaction that decides on `locks`. A durable one waits for the disk: see contract.py."""
        if self._joined:
            yield self._db
            return
        if self._batch is not None:
            if not durable and self._batch.covers(locks):
                with self._batch.part():
                    yield self._db
                return
            self._batch.commit()
        mine = self._fence[:1] if self._fence else ()
        with self._transaction(*mine, *(lock for lock in locks if lock not in mine), durable=durable):
            yield self._db

    @contextmanager
    def _transaction(self, *locks: str, durable: bool) -> Iterator[None]:
        """Begin a transaction: see that it may write, and take along what was left for it."""
        first, values = (NEWEST, self._fence[:1]) if self._fence else ("", ())
        with self._db.transaction(*locks, durable=durable, first=first, values=values) as newest:
            self._hold(newest)
            while self._later:
                self._db.execute(*self._later.pop())
            yield

    def _read(self, query: str, *values: object) -> Sequence[Row]:
        return self._db.read(query, values)

    def _log(self, run: str, type: str, data: str, step: str | None, call: str | None) -> int:
        row = {"run": run, "at": self._now(), "type": type, "step": step, "call": call, "data": data}
        seq: int = self._db.execute(NEXT, row).fetchone()["seq"]
        return seq

    def _exchanges(self, run: str, call: str, n: int | None) -> list[Exchange]:
        rows = self._read(
            "SELECT log.* FROM exchanges JOIN log USING (run, seq) "  # noqa: S608 - our words
            f"WHERE exchanges.run = ? AND exchanges.call = ? {'' if n is None else 'AND n = ?'} ORDER BY n",
            *[value for value in (run, call, n) if value is not None],
        )
        return [Exchange.model_validate(event(row).data) for row in rows]

    def _receipts(self, run: str, call: str) -> list[Receipt]:
        return [receipt(row) for row in self._read(f"{RECEIPTS} AND receipts.call = ?", run, call)]

    def _now(self) -> str:
        return stamp(self._clock())
