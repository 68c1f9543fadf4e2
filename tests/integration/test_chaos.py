"""The chaos bench: that it repeats, and cannot be blind to what it counts.

Its claim over every cell is what the README shows, whose commands `test_docs_run.py` runs.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from definable.chaos import CELLS, Bench, Claim, Ending, Trial, figures, select
from definable.chaos.bench import run
from definable.chaos.cells import Trouble
from definable.chaos.jobs import TOOLS, Job
from definable.chaos.ours import Definable
from definable.chaos.stage import Stage
from definable.chaos.truth import Oracle
from definable.cli import main
from tests import warm


@pytest.fixture(scope="module", autouse=True)
def _forks() -> None:
    """The processes that are killed are forked by the same server as those of other tests."""
    warm.forks()


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    """Definable on the bench."""
    with Bench() as bench:
        yield bench


def test_the_matrix_is_as_large_as_it_says() -> None:
    """At least 60 cells with a name of their own, every kind of effect, and most can be recovered."""
    names = {cell.name for cell in CELLS}
    assert len(names) == len(CELLS) >= 60
    assert {cell.kind for cell in CELLS if not cell.workflow} == set(TOOLS)
    assert sum(cell.recoverable for cell in CELLS) > 0.8 * len(CELLS)


@pytest.mark.parametrize(
    "name", ["two failures/create", "5xx before/list", "401 expired/run", "killed, done/delete"]
)
def test_a_seed_repeats(bench: Bench, name: str) -> None:
    """The same cell and seed give the same trial, whatever ran before; another seed gives another.

    Of many calls at once, the order in which they arrive is the network's, and so which of them are struck.
    """
    cell = select(name)[0]
    first, second, other = (bench.trial(cell, seed) for seed in (7, 7, 8))
    assert first == second
    assert first.timeline != other.timeline


class Broken:
    """Does its jobs well, straight in the world, until something goes wrong; then it shows its defect."""

    name = "broken"

    async def work(self, stage: Stage, jobs: Sequence[Job], trouble: Trouble) -> list[Claim]:
        """Do the jobs: well without faults, else in the broken way."""
        oracle = Oracle(stage.world)
        if not trouble.faults:
            return [self.well(oracle, job) for job in jobs]
        return [self.badly(oracle, job) for job in jobs]

    def well(self, oracle: Oracle, job: Job) -> Claim:
        """Do a job as it was meant."""
        (intent,) = oracle.intents([job])
        return Claim(Ending.DONE, intent.shown)

    def badly(self, oracle: Oracle, job: Job) -> Claim:
        """Do it as a broken client does."""
        return self.well(oracle, job)


class Doubles(Broken):
    """Does it once more."""

    def badly(self, oracle: Oracle, job: Job) -> Claim:
        """Do it twice."""
        self.well(oracle, job)
        return self.well(oracle, job)


class Lies(Broken):
    """Does nothing and says that it did."""

    def badly(self, oracle: Oracle, job: Job) -> Claim:
        """Claim it."""
        return Claim(Ending.DONE, {"id": "made up"})


class Loses(Broken):
    """Does nothing and says nothing."""

    def badly(self, oracle: Oracle, job: Job) -> Claim:
        """Vanish."""
        return Claim(Ending.NOTHING)


class Garbles(Broken):
    """Does it with other contents, or shows a part of what is there."""

    def badly(self, oracle: Oracle, job: Job) -> Claim:
        """Do something like it."""
        if "name" in job.arguments:
            return self.well(oracle, Job(job.tool, {**job.arguments, "name": "another"}))
        shown = self.well(oracle, job).result
        return Claim(Ending.DONE, {**shown, "values": shown["values"][:-1]})


class Meddles(Broken):
    """Does it, and something else."""

    def badly(self, oracle: Oracle, job: Job) -> Claim:
        """Do a job and rename a user."""
        claim = self.well(oracle, job)
        next(iter(oracle.world.state["users"].values()))["name"] = "Nobody"
        return claim


class Shrugs(Broken):
    """Gives up without a word."""

    def badly(self, oracle: Oracle, job: Job) -> Claim:
        """Fail, for no reason."""
        return Claim(Ending.FAILED)


def tried(system: Any, cell: str, seed: int = 1) -> Trial:
    """Return a trial of a broken client."""
    with Bench(system) as bench:
        return bench.trial(select(cell)[0], seed)


@pytest.mark.parametrize(
    ("system", "cell", "counts"),
    [
        (Broken(), "429 seconds/create", (1, 0, 0, 0)),
        (Doubles(), "429 seconds/create", (0, 0, 1, 0)),
        (Doubles(), "5xx before/run", (0, 0, 1, 0)),
        (Lies(), "429 seconds/create", (0, 1, 0, 1)),
        (Lies(), "401 revoked/update", (0, 1, 0, 1)),
        (Lies(), "5xx before/read", (0, 1, 0, 0)),
        (Loses(), "429 seconds/create", (0, 0, 0, 1)),
        (Meddles(), "429 seconds/create", (0, 1, 0, 0)),
        (Shrugs(), "429 seconds/create", (0, 0, 0, 0)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Broken) else str(value),
)
def test_the_judge_sees_what_a_broken_client_does(system: Broken, cell: str, counts: tuple[int, ...]) -> None:
    """Each way of being wrong is counted under its name, whatever the client says; and a good one passes."""
    found = figures([tried(system, cell)])
    assert (found.recovered, found.false_successes, found.duplicates, found.lost) == counts
    assert found.holds == (counts == (1, 0, 0, 0))


@pytest.mark.parametrize(("cell", "tool"), [("429 date/create", "GROUP"), ("5xx before/list", "USERS")])
def test_the_judge_compares_contents(cell: str, tool: str) -> None:
    """A write with other contents and a list that lacks an entry are false successes."""
    with Bench(Garbles()) as bench:
        seed = next(n for n in range(1, 50) if tool in bench.jobs(select(cell)[0], n)[0].tool)
        assert bench.trial(select(cell)[0], seed).judgement.false_successes == 1


class Denies(Broken):
    """Does it, and says that it failed."""

    def badly(self, oracle: Oracle, job: Job) -> Claim:
        """Do a job and deny it."""
        self.well(oracle, job)
        return Claim(Ending.FAILED, words="timed out")


def test_a_write_that_is_denied_is_counted() -> None:
    """Who is told that it failed does it again: what was done must not be said to have failed."""
    trial = tried(Denies(), "429 seconds/create")
    assert trial.judgement.misreported == 1
    assert not figures([trial]).holds


def test_an_end_that_is_not_the_right_one_is_a_problem() -> None:
    """Where only a person can know, a failure is not the truth."""
    trial = tried(Shrugging(), "answer lost, token shared/run")
    assert trial.judgement.honest
    assert not trial.told
    assert "should have ended otherwise than failed" in trial.problems[0]


class Shrugging(Broken):
    """Gives up with a word."""

    def badly(self, oracle: Oracle, job: Job) -> Claim:
        """Fail."""
        return Claim(Ending.FAILED, words="no answer")


def test_a_cell_that_cannot_be_recovered_must_not_be_claimed() -> None:
    """Where a person is needed, a lie is found as well."""
    trial = tried(Lies(), "403/create")
    assert not trial.recoverable
    assert (trial.judgement.false_successes, trial.judgement.honest) == (1, False)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_same_figures_in_any_number_of_processes(workers: int) -> None:
    """Trials share nothing, so their order and their process do not matter."""
    cells = select("429*/create")
    trials = sorted(run(cells, (1, 2), workers), key=lambda t: (t.cell, t.seed))
    with Bench(Definable()) as bench:
        assert trials == sorted(
            (bench.trial(cell, seed) for seed in (1, 2) for cell in cells), key=lambda t: (t.cell, t.seed)
        )


def test_the_command_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A table for people, the same as JSON for programs, and exit code 0 when the claim holds."""
    report = tmp_path / "chaos.json"
    assert (
        main(
            ["chaos", "--cell", "429 [ds]*/create", "--seeds", "2", "--workers", "1", "--report", str(report)]
        )
        == 0
    )
    out = capsys.readouterr().out
    assert "the claim holds" in out
    found = json.loads(report.read_text())
    totals = {"cells": 2, "runs": 4, "recovered": 4, "recoverable": 4}
    zeros = dict.fromkeys(("false_successes", "duplicates", "lost"), 0)
    assert {k: found["totals"][k] for k in (*totals, *zeros)} == {**totals, **zeros}
    assert isinstance(found["totals"]["wasted_calls"], int)
    assert set(found["cells"]) == {"429 seconds/create", "429 date/create"}
    assert found["problems"] == []
    assert main(["chaos", "--cell", "429 [ds]*/create", "--seeds", "2", "--workers", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == found


def test_one_case_is_repeated_with_its_timeline(capsys: pytest.CaptureFixture[str]) -> None:
    """What was asked, what was planned, what was sent, and what the server saw."""
    assert main(["chaos", "--cell", "429 seconds/create", "--seed", "3", "--workers", "1", "-v"]) == 0
    out = capsys.readouterr().out
    for word in ("job ", "fault ", "rate_limited", "server HEX_", "verified HEX_"):
        assert word in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--cell", "nothing/like"], "no cell of the chaos bench matches 'nothing/like'"),
        (["--seeds", "2", "--seed", "1"], "--seeds and --seed exclude each other"),
        (["--report", "/no/such/folder/x.json"], "cannot be written: No such file or directory"),
    ],
)
def test_wrong_use_is_told(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is run."""
    assert main(["chaos", *arguments]) == 2
    assert words in capsys.readouterr().err


def started(cell: str) -> subprocess.Popen[str]:
    """Start the bench with two workers, and return it once they are at work."""
    command = [sys.executable, "-m", "definable", "chaos", "--seeds", "50", "--cell", cell, "--workers", "2"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stderr is not None
    assert "seeds:" in process.stderr.readline()
    until = time.monotonic() + 30
    while len(of_session(process.pid)) < 4 and time.monotonic() < until:
        time.sleep(0.05)  # the command, two workers, and what tracks their resources
    return process


def of_session(session: int) -> set[int]:
    """Return the processes of a session that are not dead, by their ids."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, _, its = stat.read_text().rpartition(")")[2].split()[:4]
            if int(its) == session and state != "Z":
                found.add(int(stat.parent.name))
    return found


def none_is_left(session: int) -> bool:
    """Wait until all processes of a session have ended."""
    until = time.monotonic() + 20
    while (left := of_session(session)) and time.monotonic() < until:
        time.sleep(0.05)
    for process in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    return not left


@pytest.mark.parametrize("cell", ["429*", "killed, done*"])
@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_when_it_is_told_to_stop_none_of_its_processes_is_left(told: signal.Signals, cell: str) -> None:
    """The command alone is told, as by `kill`: its workers end too, also when it cannot tell them."""
    with started(cell) as process:
        process.send_signal(told)
        assert none_is_left(process.pid)
        assert process.stderr is not None
        words = process.stderr.read()
    assert process.returncode == (-signal.SIGKILL if told == signal.SIGKILL else 130)
    assert "Traceback" not in words


def test_an_interrupt_ends_it_quietly() -> None:
    """Ctrl-C reaches all processes of a terminal at once: one word, exit code 130, and none is left."""
    with started("429*") as process:
        assert process.stderr is not None
        os.killpg(process.pid, signal.SIGINT)
        told = process.stderr.read()
        assert none_is_left(process.pid)
    assert process.returncode == 130
    assert told.splitlines()[-1] == "interrupted"
    assert "Traceback" not in told
