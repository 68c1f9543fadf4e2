"""The benchmarks measure what they say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.chaos import SYSTEMS, compare, compared
from benchmarks.drift import edits, summed
from benchmarks.drift import run as tried
from benchmarks.grounding import measure as held
from benchmarks.heldout import HELD_OUT
from benchmarks.keys import storm
from benchmarks.overhead import measure
from benchmarks.peers.__main__ import PEERS, started
from benchmarks.peers.kills import fate
from benchmarks.peers.process import notes
from benchmarks.quota import contest
from benchmarks.records import RUN, Keeper
from benchmarks.virtual import KINDS, Kind, Server
from definable.store import State, open_store

ROOT = Path(__file__).parents[2]


@pytest.mark.anyio
async def test_a_run_is_measured_beside_a_bare_graph_of_the_same_shape(tmp_path: Path) -> None:
    """All make as many visits, and the receipts are verified, or nothing is measured."""
    took, notes = await measure(tmp_path, runs=1)
    assert [len(each) for each in took.values()] == [1] * 5
    assert "no checkpoint in ours, 19 checkpoints with 'sync'" in notes


def test_a_call_is_kept_as_the_graph_keeps_it(tmp_path: Path) -> None:
    """A read leaves four events; an effect leaves the same and a verified line in the ledger."""
    with open_store(tmp_path / "state.db") as store:
        keeper = Keeper(store)
        keeper.read(1)
        keeper.effect(2)
        kinds = [event.type for event in store.events(RUN)]
        assert kinds == ["call.proposed", "exchange", "verdict", "receipt"] * 2
        assert [effect.state for effect in store.effects(RUN)] == [State.VERIFIED]


@pytest.mark.parametrize("kind", KINDS)
def test_the_governor_meets_its_figures_at_every_kind_of_server(kind: Kind) -> None:
    """Two workers: no 429, a hundredth above the ideal at most, and both get the same."""
    found = contest("governor", Server(kind), [50, 50])
    assert found.server.refused == 0
    assert found.ratio <= 1.01
    assert found.jain >= 0.95


def test_a_server_of_the_benchmark_refuses_what_is_too_much() -> None:
    """Without a governor the same server says no, or its noughts are worth nothing."""
    assert contest("sdk", Server("sliding"), [50, 50]).refused > 0.5


@pytest.mark.timeout(300)
def test_a_storm_of_refusals_is_one_refresh_per_generation(tmp_path: Path) -> None:
    """Four processes, two revocations under way: three keys, two checks, no call lost."""
    found = storm(tmp_path, each=150, revocations=2)
    assert (found.runs, found.issued, found.checks, found.lost) == (3, 3, 2, 0)
    assert found.refused > 0


@pytest.mark.timeout(300)
def test_processes_that_are_killed_leave_nothing_twice_and_lose_nothing() -> None:
    """A few kills of the ten thousand, in a process of their own: forking wants one that has no threads."""
    command = [sys.executable, "-m", "benchmarks.kills", "--points", "24", "--bare", "8"]
    command += ["--server", "8", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    ours, *bare, server = json.loads(done.stdout)
    assert (ours["kills"], ours["doubled"], ours["lost"], ours["for a person"]) == (24, 0, 0, 0)
    assert ours["in recovery"] > 0
    assert ours["runs"] >= 9
    assert [row["kills"] for row in bare] == [8, 8]
    assert (server["kills"], server["doubled"], server["lost"], server["for a person"]) == (8, 0, 0, 0)


@pytest.mark.parametrize("seed", [90_210, 77_003])
def test_drift_is_noticed_healed_and_never_healed_wrongly(seed: int) -> None:
    """With seeds that nobody looked at: all noticed, nearly all healed that can be, none wrongly."""
    tallies, additions, problems = tried(seed, 4)
    whole = summed(tallies.values())
    assert whole.tried > 500
    assert whole.wrong == 0, problems
    assert additions.wrong == 0, problems
    assert whole.noticed == whole.tried, [each for each in problems if each.startswith("not noticed")]
    assert whole.healed >= 0.95 * whole.carrying, problems


def test_changes_that_the_rules_were_not_made_for_are_never_healed_wrongly() -> None:
    """Most are noticed, too: all but what one thing may have by an edit."""
    tallies, _, problems = tried(4_711, 3, HELD_OUT)
    whole = summed(tallies.values())
    assert whole.tried > 300
    assert whole.wrong == 0, problems
    assert whole.noticed >= 0.9 * whole.tried, [each for each in problems if each.startswith("not noticed")]
    assert whole.healed >= 0.9 * whole.carrying, problems


def test_what_people_do_with_their_data_stops_no_run() -> None:
    """Things are renamed, edited, copied and handed over; there may be a word of it in a receipt."""
    edited = edits(5_150, 6)
    assert sum(each.tried for each in edited.values()) > 300
    assert not [problem for each in edited.values() for problem in each.problems]


def test_what_is_planted_is_caught_and_what_is_true_is_not() -> None:
    """On data of two seeds: no alarm on what the workflows hand in or on what is true."""
    tallies, wrong = held(2)
    assert sum(tally.alarms for tally in tallies.values()) == 0, wrong
    assert len(tallies) == 22
    false, caught = sum(t.false for t in tallies.values()), sum(t.caught for t in tallies.values())
    assert false > 500
    assert caught >= 0.99 * false, wrong
    assert all(tally.caught >= 0.9 * tally.false for tally in tallies.values()), wrong


def test_the_others_do_what_they_are_known_for() -> None:
    """Each recovers what is made for it, and does twice what it cannot see; Definable does neither wrong."""
    names = {"429 seconds/run", "reset before/read", "answer lost/create", "false success/create"}
    found = compare(2, 1, [cell for cell in compared() if cell.name in names])
    assert list(found) == [kind.name for kind in SYSTEMS]
    ours, sdk, tenacity, langgraph = found.values()
    assert ours.holds
    assert (sdk.recovered, tenacity.recovered, langgraph.recovered) == (4, 4, 2)
    assert all(each.duplicates == 2 and each.false_successes == 2 for each in (sdk, tenacity, langgraph))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", ["definable", "definable-queue", "dbos"])
def test_peers_do_their_runs(name: str) -> None:
    """Ours and DBOS, which are installed: a few runs, by the clock and by the cores of their processes."""
    (peer,) = [each for each in PEERS if each.name == name]
    with notes() as url, started(peer, None, url) as process:
        sample = process.run([f"run-{n}" for n in range(4)])
        assert process.stands().lower().split() == ["success" if name == "dbos" else "done"] * 4
    assert sample.rate > 0
    assert sample.cores > 0


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ("name", "writes", "stands"),
    [
        ("dbos", 2, "SUCCESS"),
        ("definable-queue", 1, "waiting review"),
        ("definable-looks-queue", 1, "done"),
    ],
)
def test_a_write_whose_answer_was_lost_with_its_process(
    name: str, writes: int, stands: str, tmp_path: Path
) -> None:
    """Killed between the two, DBOS writes again; we look, or ask a person; no answer is paid for twice."""
    (peer,) = [each for each in PEERS if each.name == name]
    with notes() as url:
        found = fate(peer.command, tmp_path, url, {}, patience=8)
    assert (found.writes, found.answers, found.stands) == (writes, 2, stands)
