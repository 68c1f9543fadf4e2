"""What it costs to keep a call on disk: the run log of a read, the run log and the ledger of an effect.

Each row is what the graph writes for one call whose tool answers with about 10 KB at its first attempt. A
commit that waits for the disk is shown beside it, since it is most of what an effect costs.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg

from benchmarks.canned import projects
from benchmarks.timing import Samples, show
from definable.calls import Exchange, Outcome, Phase, Receipt, Send, ToolCall
from definable.quota.claim import claim
from definable.spec.model import Evidence
from definable.store import Place, RunRow, Store, open_store
from definable.workspace import find
from tests.postgres import PostgresServer, place_of

CALLS = 200
EFFECT = 1.5
"""Milliseconds that ledger and governor may take for an effect, at the median, with SQLite."""
READ = 0.1
"""The same for the governor and a read, whose run log is counted apart."""
RUN = "run"


class Keeper:
    """Writes to the store what the graph writes for one call after another."""

    def __init__(self, store: Store) -> None:
        """Make the run that the calls belong to."""
        store.create_run(RunRow(id=RUN, workflow="w", definition={}, inputs={}))
        self.store = store.begin(RUN)
        self.kit = find(Path(__file__).parent, {}).toolkits()["hex"]
        self.outcome = Outcome(phase=Phase.COMMITTED, status=200, body=projects(), media="json")

    def read(self, n: int) -> None:
        """Keep a read: proposed, its exchange, the verdict, the receipt."""
        self._keep(n, None)

    def effect(self, n: int) -> None:
        """Keep an effect: the same, with its intent, its sending and its verification in the ledger."""
        self._keep(n, self._call(n).effect_id)

    def ledger(self, n: int) -> None:
        """Write the ledger of an effect alone."""
        self._leave(n, f"alone-{n}")
        self.store.outcome(f"alone-{n}", Phase.COMMITTED)
        self.store.verified(f"alone-{n}", Evidence.STATE)

    def both(self, n: int) -> None:
        """Write the ledger of an effect, and take and answer its slots."""
        self.slot(n)
        self.ledger(n)

    def slot(self, n: int) -> None:
        """Take a slot in the three windows of a read, and start them with its answer, when there is room.

        The answer goes with the transaction that records it: here with the next one, that takes a slot.
        """
        tool = self.kit.tools["HEX_GET_PROJECT"]
        wanted = claim(self.kit, tool, 1.0, owner="o", ticket=f"t{n}", source=RUN, call=f"s.{n}")
        assert wanted is not None
        at = 1_000_000.0 + 10 * n
        assert self.store.take(wanted, at) is None
        self.store.answered(wanted, at + 0.1, later=True)

    def _keep(self, n: int, effect: str | None) -> None:
        call, store = self._call(n), self.store
        store.append(RUN, "call.proposed", call.model_dump(mode="json"), step="s", call=call.id)
        if effect:
            store.occupy("place", RUN, call.id, float(n), float(n + 1))
            self._leave(n, effect)
        order = Send(tool=call.tool, arguments=call.arguments, effect=effect)
        store.record(RUN, Exchange(call=call.id, n=0, order=order, reply=self.outcome))
        verdict = {"n": 0, "move": "verified", "next": "", "why": ""}
        receipt = Receipt(call=call.id, tool=call.tool, arguments=call.arguments, status="verified")
        with store.together(RUN, *([effect] if effect else []), durable=False):
            store.append(RUN, "verdict", verdict, step="s", call=call.id)
            if effect:
                store.verified(effect, Evidence.STATE)
            result = {"result": self.outcome.body, "effect": effect}
            store.settle(RUN, receipt.model_copy(update=result), 0)

    def _leave(self, n: int, effect: str) -> None:
        call = self._call(n)
        with self.store.together(RUN, effect, durable=True):
            self.store.intend(effect, RUN, call.id, call.tool, call.arguments, attempt=1)
            self.store.sent(effect, 1)

    def _call(self, n: int) -> ToolCall:
        return ToolCall(id=f"s.{n}", tool="HEX_CREATE_CELL", arguments={"label": f"n{n}"}, step="s", run=RUN)


def sample(work: Callable[[int], Any], first: int, count: int = CALLS) -> Samples:
    """Return the seconds of each of `count` calls of `work`."""
    taken = Samples()
    for n in range(first, first + count):
        start = time.perf_counter()
        work(n)
        taken.append(time.perf_counter() - start)
    return taken


def commits(path: Path) -> Samples:
    """Return the seconds of the smallest commit that waits for the disk."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("CREATE TABLE t (n INTEGER)")
        return sample(lambda n: db.execute("INSERT INTO t VALUES (?)", (n,)), 0)


def server_commits(url: str) -> Samples:
    """Return the seconds of the smallest commit on a server that waits for the disk."""
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("CREATE TABLE t (n INTEGER)")
        return sample(lambda n: db.execute("INSERT INTO t VALUES (%s)", (n,)), 0)


def measured(where: Place) -> list[tuple[str, Samples]]:
    """Return what each kind of call takes in a store at `where`."""
    with open_store(where) as store:
        keeper = Keeper(store)
        sample(keeper.read, 0, 20)
        return [
            ("an effect: run log and ledger", sample(keeper.effect, 1_000)),
            ("of this, the ledger alone", sample(keeper.ledger, 2_000)),
            ("a read: run log", sample(keeper.read, 3_000)),
            (f"ledger and governor per effect (bar: {EFFECT} ms)", sample(keeper.both, 4_000)),
            (f"governor per read (bar: {READ} ms)", sample(keeper.slot, 5_000)),
        ]


def main() -> None:
    """Print the tables: SQLite, then a PostgreSQL server on this machine, over the loopback."""
    heads = [f"ms ({CALLS} each)", "median", "least", "most"]
    bare = "one commit of one row that waits for the disk"
    with TemporaryDirectory() as folder:
        found = [*measured(Path(folder) / "definable.db"), (bare, commits(Path(folder) / "bare.db"))]
    show("Keeping a call on disk", heads, [[name, *taken.cells(digits=3)] for name, taken in found])
    with PostgresServer(fsync=True) as server:
        url = server.database()
        found = [*measured(place_of(url)), (bare, server_commits(url))]
    show("Keeping a call in PostgreSQL", heads, [[name, *taken.cells(digits=3)] for name, taken in found])


if __name__ == "__main__":
    main()
