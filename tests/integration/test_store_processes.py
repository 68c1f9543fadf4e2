"""Several processes on one store, and one that is killed while it writes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from definable.errors import LedgerError, UsageError
from definable.quota.claim import Allowance, Bucket, Claim
from definable.store import Place, Store, open_store
from tests.integration.store_contract import a_run, an_exchange
from tests.postgres import name_of

EFFECTS = 60

PLACES, WINDOW, SENDS = 6, 0.5, 12

WRITER = """
import sys
import time
from definable.store import open_store
from tests.integration.store_contract import a_run, an_exchange
from tests.postgres import place_of
store = open_store(place_of(sys.argv[1]))
store.create_run(a_run())
for n in range(100_000):
    store.record("r1", an_exchange(n, body="x" * 500))
    print(n, flush=True)
"""


HOLDER = """
import sys
import time
from definable.store import open_store
from tests.integration.store_contract import a_run
from tests.postgres import place_of
store = open_store(place_of(sys.argv[1]))
with store.alone("r1"), store._writing("r1", "e1"):
    store._log("r1", "half", "{}", None, None)
    print("in the middle", flush=True)
    time.sleep(60)
"""


def _race(where: Place, worker: str, won: multiprocessing.SimpleQueue[tuple[str, int]]) -> None:
    """Open the file that nobody has made yet, and try to send every effect."""
    with open_store(where) as store:
        for n in range(EFFECTS):
            try:
                store.intend(f"e{n}", "r1", f"s.{n}", "T", {}, attempt=1)
                store.sent(f"e{n}", 1)
            except LedgerError:
                store.append("r1", "lost", {"worker": worker})
                continue
            won.put((worker, n))
            store.append("r1", "won", {"worker": worker})


def _spend(where: Place, worker: str, sent: multiprocessing.SimpleQueue[tuple[str, float]]) -> None:
    """Send as fast as the quota allows, with answers that take their time."""
    buckets = (Bucket("user", (Allowance(PLACES, WINDOW),)),)
    with open_store(where) as store:
        for n in range(SENDS):
            claim = Claim("o", f"{worker}{n}", worker, buckets, lease=5.0)
            while wait := store.take(claim, store.time()):
                time.sleep(wait.seconds)
            sent.put((worker, store.time()))
            time.sleep(0.005 * (n % 3))
            store.answered(claim, store.time())


def _create(where: Place, worker: str) -> None:
    with open_store(where) as store:
        store.create_run(a_run(worker))


def _together(target: object, arguments: list[tuple[object, ...]]) -> list[int | None]:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=target, args=a) for a in arguments]  # type: ignore[arg-type]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    return [worker.exitcode for worker in workers]


def _start(program: str, where: Place) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, name_of(where)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={"PATH": os.environ.get("PATH", "")},
    )


def test_two_processes_may_make_the_same_file_at_once(where: Place) -> None:
    """One switches to the write-ahead log and makes the tables; the other goes on from there."""
    assert _together(_create, [(where, "a"), (where, "b")]) == [0, 0]
    with open_store(where) as store:
        assert {run.id for run in store.runs()} == {"a", "b"}


def test_two_processes_send_each_effect_once(where: Place) -> None:
    """Of two senders one gets through, and the log of both has no gap and nothing twice."""
    won = multiprocessing.get_context("spawn").SimpleQueue()
    with open_store(where) as store:
        store.create_run(a_run())
        assert _together(_race, [(where, "a", won), (where, "b", won)]) == [0, 0]
        winners = []
        while not won.empty():
            winners.append(won.get())
        assert sorted(n for _, n in winners) == list(range(EFFECTS))
        assert [e.seq for e in store.events("r1")] == list(range(1, 2 * EFFECTS + 1))


def test_what_was_acknowledged_survives_a_kill(where: Place) -> None:
    """A process killed while it writes leaves a file that opens and has all that it said it had."""
    writer = _start(WRITER, where)
    assert writer.stdout
    with writer, writer.stdout as lines:
        for line in lines:
            if int(line) >= 40:
                writer.send_signal(signal.SIGKILL)
                break
        acknowledged = max([int(line), *map(int, lines.read().split())])
    with open_store(where) as store:
        kept = store.exchanges("r1", "deliver.1")
        assert len(kept) in {acknowledged + 1, acknowledged + 2}
        assert kept == [an_exchange(n, body="x" * 500) for n in range(len(kept))]
        store.append("r1", "on we go", {})


def test_two_processes_share_one_quota(where: Place) -> None:
    """In no window do more leave than it has places, both get as much, and no window is lost."""
    open_store(where).close()
    sent = multiprocessing.get_context("spawn").SimpleQueue()
    assert _together(_spend, [(where, "a", sent), (where, "b", sent)]) == [0, 0]
    found = []
    while not sent.empty():
        found.append(sent.get())
    times = sorted(at for _, at in found)
    assert len(times) == 2 * SENDS
    assert all(late - early >= WINDOW for early, late in zip(times, times[PLACES:], strict=False))
    windows = -(-2 * SENDS // PLACES)
    assert times[-1] - times[0] < (windows + 1) * (WINDOW + 0.1)


def test_a_killed_process_holds_nothing(where: Place) -> None:
    """Killed in the middle of a transaction, it gives its run and all that it had locked to the next."""
    with open_store(where) as store:
        store.create_run(a_run())
        with _start(HOLDER, where) as holder:
            assert holder.stdout
            assert holder.stdout.readline() == "in the middle\n"
            with (
                pytest.raises(UsageError, match="r1 is being worked on by another process"),
                store.alone("r1"),
            ):
                pytest.fail("two at once")
            holder.kill()
        deadline = time.monotonic() + 5
        while not _works(store):
            assert time.monotonic() < deadline
        assert [(e.seq, e.type) for e in store.events("r1")] == [(1, "whole")]


def _works(store: Store) -> bool:
    try:
        with store.alone("r1"):
            return store.append("r1", "whole", {}) == 1
    except UsageError:  # a server needs a moment to notice
        time.sleep(0.01)
        return False
