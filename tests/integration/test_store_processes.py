"""Several processes on one store, and one that is killed while it writes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from definable.errors import LedgerError
from definable.quota.claim import Allowance, Bucket, Claim
from definable.store import open_store
from tests.integration.store_contract import a_run, an_exchange

EFFECTS = 60

PLACES, WINDOW, SENDS = 6, 0.5, 12

WRITER = """
import sys
import time
from pathlib import Path
from definable.store import open_store
from tests.integration.store_contract import a_run, an_exchange
store = open_store(Path(sys.argv[1]))
store.create_run(a_run())
for n in range(100_000):
    store.record("r1", an_exchange(n, body="x" * 500))
    print(n, flush=True)
"""


def _race(path: Path, worker: str, won: multiprocessing.SimpleQueue[tuple[str, int]]) -> None:
    """Open the file that nobody has made yet, and try to send every effect."""
    with open_store(path) as store:
        for n in range(EFFECTS):
            try:
                store.intend(f"e{n}", "r1", f"s.{n}", "T", {}, attempt=1)
                store.sent(f"e{n}", 1)
            except LedgerError:
                store.append("r1", "lost", {"worker": worker})
                continue
            won.put((worker, n))
            store.append("r1", "won", {"worker": worker})


def _spend(path: Path, worker: str, sent: multiprocessing.SimpleQueue[tuple[str, float]]) -> None:
    """Send as fast as the quota allows, with answers that take their time."""
    buckets = (Bucket("user", (Allowance(PLACES, WINDOW),)),)
    with open_store(path) as store:
        for n in range(SENDS):
            claim = Claim("o", f"{worker}{n}", worker, buckets, lease=5.0)
            while wait := store.take(claim, time.time()):
                time.sleep(wait.seconds)
            sent.put((worker, time.time()))
            time.sleep(0.005 * (n % 3))
            store.answered(claim, time.time())


def _create(path: Path, worker: str) -> None:
    with open_store(path) as store:
        store.create_run(a_run(worker))


def _together(target: object, arguments: list[tuple[object, ...]]) -> list[int | None]:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=target, args=a) for a in arguments]  # type: ignore[arg-type]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    return [worker.exitcode for worker in workers]


def test_two_processes_may_make_the_same_file_at_once(tmp_path: Path) -> None:
    """One switches to the write-ahead log and makes the tables; the other goes on from there."""
    path = tmp_path / "state.db"
    assert _together(_create, [(path, "a"), (path, "b")]) == [0, 0]
    with open_store(path) as store:
        assert {run.id for run in store.runs()} == {"a", "b"}


def test_two_processes_send_each_effect_once(tmp_path: Path) -> None:
    """Of two senders one gets through, and the log of both has no gap and nothing twice."""
    path = tmp_path / "state.db"
    won = multiprocessing.get_context("spawn").SimpleQueue()
    with open_store(path) as store:
        store.create_run(a_run())
        assert _together(_race, [(path, "a", won), (path, "b", won)]) == [0, 0]
        winners = []
        while not won.empty():
            winners.append(won.get())
        assert sorted(n for _, n in winners) == list(range(EFFECTS))
        assert [e.seq for e in store.events("r1")] == list(range(1, 2 * EFFECTS + 1))


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    """A process killed while it writes leaves a file that opens and has all that it said it had."""
    path = tmp_path / "state.db"
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={"PATH": os.environ.get("PATH", "")},
    )
    assert writer.stdout
    with writer, writer.stdout as lines:
        for line in lines:
            if int(line) >= 40:
                writer.send_signal(signal.SIGKILL)
                break
        acknowledged = max([int(line), *map(int, lines.read().split())])
    with open_store(path) as store:
        kept = store.exchanges("r1", "deliver.1")
        assert len(kept) in {acknowledged + 1, acknowledged + 2}
        assert kept == [an_exchange(n, body="x" * 500) for n in range(len(kept))]
        store.append("r1", "on we go", {})


def test_two_processes_share_one_quota(tmp_path: Path) -> None:
    """In no window do more leave than it has places, both get as much, and no window is lost."""
    path = tmp_path / "state.db"
    open_store(path).close()
    sent = multiprocessing.get_context("spawn").SimpleQueue()
    assert _together(_spend, [(path, "a", sent), (path, "b", sent)]) == [0, 0]
    found = []
    while not sent.empty():
        found.append(sent.get())
    times = sorted(at for _, at in found)
    assert len(times) == 2 * SENDS
    assert all(late - early >= WINDOW for early, late in zip(times, times[PLACES:], strict=False))
    windows = -(-2 * SENDS // PLACES)
    assert times[-1] - times[0] < (windows + 1) * (WINDOW + 0.1)
