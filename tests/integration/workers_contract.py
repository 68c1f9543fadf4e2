"""What every store must do for submitted runs and their workers: a part of the contract."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from definable.errors import Fenced, RunBusy, StoreError, UsageError
from definable.store import RunStatus, Store, WorkerRow
from tests.integration.store_contract import FakeClock, StoreContract, a_question, a_run, a_yes


def submitted(store: Store, name: str = "s1", **facts: Any) -> str:
    """Submit a run and return its id."""
    return store.submit(a_run(name).model_copy(update={"priority": 10, **facts})).id


def a_worker(name: str = "w1") -> WorkerRow:
    """Return a worker that has just begun."""
    return WorkerRow(id=name, host="h", pid=7, version="1", slots=4)


def taken(store: Store, room: int = 9, worker: str = "w1") -> list[str]:
    """Take runs for a worker."""
    return store.take_runs(worker, room, 1)


class WorkersContract(StoreContract):
    """What every store must do for workers."""

    def test_a_key_is_used_once(self, store: Store) -> None:
        """The second submission is the first one's run; another run under its key is refused."""
        first = store.submit(a_run("s1").model_copy(update={"priority": 5, "key": "k"}))
        assert (first.status, first.reason) == (RunStatus.QUEUED, "submitted")
        assert store.submit(a_run("s2").model_copy(update={"priority": 5, "key": "k"})) == first
        other = a_run("s3").model_copy(update={"priority": 5, "key": "k", "inputs": {"days": 8}})
        with pytest.raises(UsageError, match="the key 'k' belongs to run s1 of weekly-brief") as caught:
            store.submit(other)
        assert caught.value.facts["run"] == "s1"

    def test_runs_are_taken_once_by_priority_and_age(self, store: Store, clock: FakeClock) -> None:
        """A run of the process that started it is nobody else's, nor is one of a newer history ours."""
        for name, priority in (("late", 20), ("soon", 1), ("next", 10)):
            clock.pass_(seconds=1)
            submitted(store, name, priority=priority)
        submitted(store, "newer", history=2)
        assert taken(store, 0) == []
        assert taken(store, 2) == ["soon", "next"]
        assert (store.run("soon").status, store.run("soon").reason) == (RunStatus.QUEUED, "")
        assert store.run("late").reason == "submitted"
        assert taken(store, 2, "w2") == ["late"]
        assert taken(store) == []
        assert store.takers() == {"w1", "w2"}
        assert store.taken_by("w1") == {"soon", "next"}
        assert store.take_runs("w3", 9, 2) == ["newer"]

    def test_workers_that_take_at_the_same_moment_share_what_is_there(self, store: Store) -> None:
        """Each run goes to one of them, and none stays."""
        names = {submitted(store, f"s{n}") for n in range(60)}

        def take(worker: str) -> list[str]:
            with self.make(FakeClock()) as other:
                got: list[str] = []
                while found := taken(other, 3, worker):
                    got += found
                return got

        with ThreadPoolExecutor(4) as pool:
            shares = [*pool.map(take, ["w1", "w2", "w3", "w4"])]
        assert sorted(run for share in shares for run in share) == sorted(names)

    def test_no_more_runs_of_a_workflow_are_taken_than_may_be(self, store: Store, clock: FakeClock) -> None:
        """What is at work counts, and what was taken; what waits does not, nor do other workflows."""
        two = {"name": "two", "concurrency": 2}
        for name in ("s1", "s2", "s3", "s4"):
            clock.pass_(seconds=1)
            submitted(store, name, workflow="two", definition=two)
        clock.pass_(seconds=1)
        submitted(store, "other", definition={"prompt": 'say "concurrency": 1'})
        assert taken(store, 3) == ["s1", "s2", "other"]
        assert taken(store) == []
        store.set_status("s1", RunStatus.RUNNING)
        assert taken(store) == []
        store.set_status("s1", RunStatus.WAITING, reason="approval")
        assert taken(store, 3, "w2") == ["s3"]
        store.set_status("s2", RunStatus.CANCELLED)
        store.set_status("s3", RunStatus.DONE)
        assert taken(store) == ["s4"]
        assert store.takers() == {"w1"}

    def test_a_run_is_put_back_once(self, store: Store) -> None:
        """Two answers at the same moment name the same line of the log; a run that works is left alone."""
        run = submitted(store)
        store.set_status(run, RunStatus.WAITING, reason="approval")
        line = store.requeue(run, RunStatus.WAITING, why="answered")
        assert line == store.requeue(run, RunStatus.WAITING, why="answered") == 1
        assert [e.data for e in store.events(run)] == [{"why": "answered"}]
        assert taken(store) == [run]
        store.set_status(run, RunStatus.RUNNING)
        assert store.requeue(run, RunStatus.WAITING, why="answered") is None
        assert store.requeue("r1", RunStatus.QUEUED, why="not ours") is None

    def test_a_run_that_never_began_is_put_back_by_who_has_taken_it(self, store: Store) -> None:
        """Its worker was told to stop: nobody else would look for it."""
        run = submitted(store)
        assert taken(store) == [run]
        assert store.requeue(run, RunStatus.RUNNING, why="died") == 0, "queued is queued"
        assert taken(store) == []
        assert store.requeue(run, RunStatus.RUNNING, RunStatus.QUEUED, why="let go") == 1
        assert store.requeue(run, RunStatus.RUNNING, RunStatus.QUEUED, why="let go") == 1
        assert taken(store) == [run]

    def test_what_a_worker_lets_go_is_taken_by_others(self, store: Store) -> None:
        """Whether it had begun or not; what it does not have any more stays where it is."""
        for name in ("begun", "new", "others", "done"):
            submitted(store, name)
            assert taken(store, 1, "w2" if name == "others" else "w1") == [name]
        store.set_status("begun", RunStatus.RUNNING)
        store.set_status("done", RunStatus.DONE)
        store.let_go("w1", "begun", "new", "others", "done")
        assert store.takers() == {"w2"}
        assert store.run("begun").status is RunStatus.RUNNING
        assert store.stray() == [], "it is in line"
        assert sorted(taken(store, 9, "w3")) == ["begun", "new"]
        assert store.taken_by("w3") == {"begun", "new"}

    def test_what_was_interrupted_or_holds_a_place_goes_first(self, store: Store, clock: FakeClock) -> None:
        """It had its turn, and others may wait for its place; an answer to a question gives no such right."""
        for name in ("new", "answered", "holds", "interrupted"):
            clock.pass_(seconds=1)
            submitted(store, name, priority=5 if name == "new" else 10)
        store.occupy("here", "holds", "c.1", clock.now.timestamp(), clock.now.timestamp() + 60)
        store.set_status("answered", RunStatus.WAITING, reason="approval")
        store.requeue("answered", RunStatus.WAITING, why="answered")
        store.set_status("interrupted", RunStatus.RUNNING)
        store.requeue("interrupted", RunStatus.RUNNING, why="drained")
        assert [taken(store, 1)[0] for _ in range(4)] == ["holds", "interrupted", "new", "answered"]
        store.requeue("interrupted", RunStatus.QUEUED, why="drained")
        for name in ("holds", "new"):
            store.set_status(name, RunStatus.WAITING, reason="approval")
            store.requeue(name, RunStatus.WAITING, why="answered")
        clock.pass_(seconds=61)
        assert taken(store) == ["interrupted", "new", "holds"]

    def test_a_run_is_adrift_while_it_was_begun_and_no_worker_has_it(self, store: Store) -> None:
        """Its worker is dead, or it was put back; a new one, one that waits and one at work are not."""
        run = submitted(store)
        assert not store.adrift(run)
        joined = store.join(a_worker())
        store.begin(run, "w1")
        store.set_status(run, RunStatus.RUNNING)
        assert not store.adrift(run)
        store.beat("w1", joined.session, "stopped")
        assert store.adrift(run)
        store.requeue(run, RunStatus.RUNNING, why="its process ended")
        assert store.adrift(run)
        store.set_status(run, RunStatus.WAITING, reason="approval")
        assert not store.adrift(run)

    def test_what_waits_is_due_when_its_time_or_its_answer_has_come(
        self, store: Store, clock: FakeClock
    ) -> None:
        """A time that has passed, a question that is answered, one that nobody answered in time."""
        for name in ("timed", "asked", "expiring", "keyless"):
            submitted(store, name)
        until = "2026-11-23T09:05:00.000+00:00"
        store.set_status("timed", RunStatus.WAITING, reason="quota", until=until)
        ask = store.ask("asked", "d.1", 0, a_question())
        store.ask("expiring", "d.1", 0, a_question(), clock.now.replace(minute=4))
        for name in ("asked", "expiring"):
            store.set_status(name, RunStatus.WAITING, reason="approval")
        store.set_status("keyless", RunStatus.WAITING, reason="auth")
        assert store.due() == []
        clock.pass_(minutes=3)
        store.answer(ask, a_yes())
        assert [row.id for row in store.due()] == ["asked"]
        clock.pass_(minutes=2)
        assert {row.id for row in store.due()} == {"timed", "asked", "expiring"}
        assert [row.id for row in store.waiting("auth")] == ["keyless"]
        assert store.moving() == 1, "only what goes on by itself"

    def test_a_worker_lives_while_it_says_so(self, store: Store, clock: FakeClock) -> None:
        """One that is read as silent and says something meanwhile is not buried."""
        store.join(a_worker())
        silent = store.workers()[0]
        clock.pass_(seconds=5)
        assert store.beat("w1", 0) == "working"
        assert store.bury(silent) == []
        assert store.workers()[0].beat == clock.now.timestamp()
        assert store.beat("w1", 0, "draining") == "draining"
        assert store.beat("nobody", 0) == "dead"

    def test_a_dead_worker_is_buried_once_and_its_runs_are_free(self, store: Store) -> None:
        """One caller gets its runs; what it held is free, and what it writes later is refused."""
        run = submitted(store)
        with self.make(FakeClock()) as other:
            joined = other.join(a_worker())
            with other.alone(run):
                bound = other.begin(run, "w1")
                other.set_status(run, RunStatus.RUNNING)
                assert store.workers()[0].runs == 1
                assert store.run(run).worker == "w1"
                assert store.bury(joined) == [run]
                assert store.bury(joined) == []
                with store.alone(run):
                    store.begin(run, "w2")
                if not other.session:
                    assert other.beat("w1", other.session) == "dead"
                    with pytest.raises(Fenced):
                        bound.append(run, "noted", {})

    def test_what_a_dead_worker_was_about_to_begin_is_free(self, store: Store) -> None:
        """It was stopped when it had the run's name, and had not yet written that it begins."""
        run = submitted(store)
        with self.make(FakeClock()) as other:
            joined = other.join(a_worker())
            assert taken(other) == [run]
            with suppress(StoreError), other.alone(run):
                with pytest.raises(RunBusy), store.alone(run):
                    pass
                assert store.bury(joined) == [run]
                with store.alone(run):
                    store.let_go("w1", run)
                    assert taken(store, 1, "w2") == [run]

    def test_a_run_that_a_command_went_on_with_is_found_again(self, store: Store) -> None:
        """It is `running`, and no worker has it: whoever looks whether its lock is free puts it back."""
        run = submitted(store)
        store.join(a_worker())
        store.begin(run, "w1")
        store.set_status(run, RunStatus.RUNNING)
        assert store.stray() == []
        store.begin(run)
        assert store.stray() == [run]

    def test_a_run_that_a_worker_left_behind_is_found_again(self, store: Store) -> None:
        """It is `running`, and its worker is buried or has stopped."""
        run = submitted(store)
        joined = store.join(a_worker())
        store.begin(run, "w1")
        store.set_status(run, RunStatus.RUNNING)
        assert store.stray() == []
        store.beat("w1", joined.session, "stopped")
        assert store.stray() == [run]

    def test_it_is_counted_how_often_a_run_was_begun_and_got_nowhere(self, store: Store) -> None:
        """What says that it was begun gets it nowhere; any other line of its log does."""
        run = submitted(store)
        for tries in (1, 2, 3):
            assert store.begin(run, "w1").tries == tries
            store.append(run, "run.resumed", {})
        store.append(run, "call.proposed", {})
        assert store.begin(run, "w1").tries == 1
        assert store.begin(run, "w2").tries == 2
        store.set_status(run, RunStatus.RUNNING)
        store.requeue(run, RunStatus.RUNNING, why="drained")
        assert store.begin(run, "w1").tries == 1

    def test_who_listens_hears_of_what_is_submitted_and_put_back(self, store: Store) -> None:
        """At once, and of nothing else; what came before is not missed."""
        with self.make(FakeClock()) as other:
            run = submitted(store)
            assert other.heard(5), "it may have missed something"
            assert not other.heard(0.05)
            submitted(store, "s2")
            assert other.heard(5)
            store.set_status(run, RunStatus.WAITING, reason="approval")
            store.requeue(run, RunStatus.WAITING, why="answered")
            assert other.heard(5)
            assert not other.heard(0.05)

    def test_a_presence_is_held_by_one(self, store: Store) -> None:
        """Whoever gets it knows that the other is gone."""
        with self.make(FakeClock()) as other:
            with store.present("w1") as mine, other.present("w1") as theirs:
                assert (mine, theirs) == (True, False)
            with other.present("w1") as theirs:
                assert theirs

    def test_who_looks_whether_others_live_waits_for_nobody(self, store: Store) -> None:
        """A worker looks once a second after each of the others, and does nothing else meanwhile."""
        with self.make(FakeClock()) as other, other.present("w1"):
            began = time.monotonic()
            assert [store.gone("w1") for _ in range(5)] == [False] * 5
            assert time.monotonic() - began < 0.5
        assert store.gone("w1")
