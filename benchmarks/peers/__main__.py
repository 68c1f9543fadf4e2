"""One run of four nodes at 16 in flight: Definable beside DBOS, Celery, Prefect and Restate.

    python -m benchmarks.peers [--runs 320] [--samples 3] [--only dbos …] [--kills]

A run is: the Researcher asks a model, the Writer asks a model, the Verifier checks, the Distributor makes one
HTTP write to a server on loopback. Models and the server answer at once. Each engine does it as its own
documentation shows it, with the durability that this gives, in processes of its own and in turns; all its
processes count (servers, workers, and what asks for the runs). Celery has a process for each of two cores, as
its default is; so has Definable where its row says two processes: one works and submits, as `definable batch`
does, the other is a `definable worker` beside it.
`--kills` shows by experiment what each guarantees: everything is killed (-9) when the write was made and its
answer is under way, and started again.

The other engines are installed into `build/peers` from locked requirements, DBOS with what the tests need.
`redis-server` is the system's.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.peers.install import PYTHON, install, missing
from benchmarks.peers.kills import Fate, fate
from benchmarks.peers.process import Process, Sample, notes
from benchmarks.timing import show
from tests.postgres import PostgresServer

WARM, SLOW = 32, 20
"""Runs before a sample, and the share of the runs that the slowest is asked for: one in so many."""


@dataclass(frozen=True)
class Peer:
    """One engine in one way of using it."""

    name: str
    title: str
    module: str
    arguments: tuple[str, ...] = ()
    postgres: bool = False
    python: str = sys.executable
    needs: tuple[str, ...] = ()
    slow: int = 1
    taken: list[Sample] = field(default_factory=list, compare=False)

    @property
    def command(self) -> list[str]:
        """How it is started."""
        return [self.python, "-m", f"benchmarks.peers.{self.module}", *self.arguments]


def _ours(name: str, words: str, *arguments: str, postgres: bool = False) -> Peer:
    where = "PostgreSQL" if postgres else "SQLite"
    return Peer(name, f"Definable, {where}: {words}", "with_definable", arguments, postgres)


PEERS = (
    _ours("definable", "nobody looks", "send", "runner"),
    _ours("definable-looks", "a look before, one after", "create", "runner"),
    _ours("definable-queue", "nobody looks, by the queue", "send", "queue"),
    _ours("definable-looks-queue", "a look before, one after, by the queue", "create", "queue"),
    _ours("definable-postgres", "nobody looks", "send", "runner", postgres=True),
    _ours("definable-postgres-queue", "nobody looks, by the queue", "send", "queue", postgres=True),
    _ours("definable-workers", "nobody looks, two processes", "send", "workers"),
    _ours("definable-looks-workers", "a look before, one after, two processes", "create", "workers"),
    _ours("definable-postgres-workers", "nobody looks, two processes", "send", "workers", postgres=True),
    _ours(
        "definable-postgres-looks-queue",
        "a look before, one after, by the queue",
        "create",
        "queue",
        postgres=True,
    ),
    _ours(
        "definable-postgres-looks-workers",
        "a look before, one after, two processes",
        "create",
        "workers",
        postgres=True,
    ),
    Peer("dbos", "DBOS, SQLite: four steps", "with_dbos"),
    Peer("dbos-postgres", "DBOS, PostgreSQL: four steps", "with_dbos", postgres=True),
    Peer(
        "celery", "Celery, Redis: chain of four", "with_celery", python=str(PYTHON), needs=("redis-server",)
    ),
    Peer("restate", "Restate: four ctx.run", "with_restate", python=str(PYTHON), needs=("npm",)),
    Peer("dbos-careful", "DBOS, SQLite: six steps", "with_dbos", ("careful",)),
    Peer("dbos-postgres-careful", "DBOS, PostgreSQL: six steps", "with_dbos", ("careful",), postgres=True),
    Peer(
        "celery-careful",
        "Celery, Redis that waits for the disk: chain of six",
        "with_celery",
        ("careful",),
        python=str(PYTHON),
        needs=("redis-server",),
    ),
    Peer(
        "restate-careful",
        "Restate: six ctx.run",
        "with_restate",
        ("careful",),
        python=str(PYTHON),
        needs=("npm",),
    ),
    Peer("prefect", "Prefect: flow of four tasks", "with_prefect", python=str(PYTHON), slow=SLOW),
)


@contextmanager
def started(peer: Peer, server: PostgresServer | None, url: str) -> Iterator[Process]:
    """Start a peer with a new state."""
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        environ = {"PEERS_URL": url, "PEERS_FOLDER": folder}
        others = []
        if peer.postgres:
            assert server
            assert server.process
            environ["PEERS_DATABASE"] = server.database()
            others = [server.process.pid]
        with Process(peer.command, environ, *others) as process:
            yield process


def measure(peers: Sequence[Peer], runs: int, samples: int) -> None:
    """Take so many samples of each, in turns."""
    with notes() as url, _postgres(peers) as server:
        for turn in range(samples):
            for peer in peers:
                with started(peer, server, url) as process:
                    wanted = max(16, runs // peer.slow)
                    process.run([f"warm-{peer.name}-{turn}-{n}" for n in range(max(2, WARM // peer.slow))])
                    peer.taken.append(process.run([f"run-{peer.name}-{turn}-{n}" for n in range(wanted)]))


@contextmanager
def _postgres(peers: Sequence[Peer]) -> Iterator[PostgresServer | None]:
    if not any(peer.postgres for peer in peers):
        yield None
        return
    with PostgresServer(fsync=True) as server:
        yield server


def _row(peer: Peer) -> list[str]:
    rates = [sample.rate for sample in peer.taken]
    cores = [1e3 * sample.cores / sample.runs for sample in peer.taken]
    digits = 1 if median(rates) < 10 else 0
    return [
        peer.title,
        *(f"{value:,.{digits}f}" for value in (median(rates), min(rates), max(rates))),
        f"{median(cores):,.1f}",
        f"{median(sample.runs for sample in peer.taken):.0f}",
    ]


def _there(peer: Peer) -> bool:
    absent = [program for program in peer.needs if missing(program)]
    for program in absent:
        print(f"*** {program} IS NOT ON THIS MACHINE: {peer.title} IS LEFT OUT ***", file=sys.stderr)
    return not absent


def _killed(peers: Sequence[Peer]) -> list[list[str]]:
    rows = []
    for peer in peers:
        with (
            notes() as url,
            _postgres([peer]) as server,
            TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        ):
            database = {"PEERS_DATABASE": server.database()} if peer.postgres and server else {}
            found: Fate = fate(peer.command, Path(folder), url, database)
        rows.append([peer.title, *found.cells()])
    return rows


def main() -> None:
    """Measure what is named, or all."""
    parser = argparse.ArgumentParser(description="Definable beside other engines, 16 runs in flight")
    parser.add_argument("--runs", type=int, default=320, help="runs in a sample (Prefect: a twentieth)")
    parser.add_argument("--samples", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=[peer.name for peer in PEERS])
    parser.add_argument("--kills", action="store_true", help="kill each once, and count, instead")
    given = parser.parse_args()
    peers = [peer for peer in PEERS if given.only is None or peer.name in given.only]
    if any(peer.python == str(PYTHON) for peer in peers):
        install()
    peers = [peer for peer in peers if _there(peer)]
    if given.kills:
        columns = ["killed -9 after the write", "writes", "answers paid for", "it says, 20 s later"]
        show("What is done twice", columns, _killed(peers))
        return
    measure(peers, given.runs, given.samples)
    heads = ["runs/s", "least", "most", "ms of cores per run", "runs"]
    columns = [f"16 in flight, {given.samples} samples each, in turns", *heads]
    show("One run of four nodes", columns, [_row(peer) for peer in peers])


if __name__ == "__main__":
    main()
