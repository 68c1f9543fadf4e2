"""The contract of a store as a runnable suite: subclass `StoreContract` and give it a factory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from definable.calls import Ask, Decision, Exchange, Lesson, Outcome, Phase, Receipt, Send
from definable.errors import Fenced, LedgerError, ReplayError, StoreError, UsageError
from definable.quota.claim import Allowance, Bucket, Claim, places
from definable.quota.forecast import Taken
from definable.quota.hints import Hints
from definable.spec.model import Evidence
from definable.store import (
    BatchRow,
    MessageRow,
    Reservation,
    RunRow,
    RunStatus,
    State,
    Store,
    Tallied,
    TallyRow,
    ThreadRow,
    TurnRow,
)

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


class FakeClock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        """Start at nine in the morning."""
        self.now = START

    def __call__(self) -> datetime:
        """Return the time."""
        return self.now

    def pass_(self, **time: float) -> None:
        """Move on."""
        self.now += timedelta(**time)


def a_run(name: str = "r1") -> RunRow:
    """Return a run of an empty workflow."""
    return RunRow(id=name, workflow="weekly-brief", definition={"name": "weekly-brief"}, inputs={"days": 7})


def an_exchange(n: int = 0, *, call: str = "deliver.1", body: Any = None, **order: Any) -> Exchange:
    """Return a Send that was answered with 200."""
    send = Send(tool="HEX_CREATE_CELL", arguments={"label": "x"}, **order)
    reply = Outcome(phase=Phase.COMMITTED, status=200, body=body, media="json", at="2026-11-23T09:00:00Z")
    return Exchange(call=call, n=n, order=send, reply=reply)


def a_question(arguments_hash: str = "h1") -> Ask:
    """Return a question about a deletion."""
    return Ask(
        reason="approval",
        question="Delete it?",
        tool="HEX_DELETE_CELL",
        arguments={"cellId": "c1"},
        arguments_hash=arguments_hash,
    )


def a_yes(arguments_hash: str = "h1") -> Decision:
    """Return an approval."""
    return Decision(approve=True, by="ana", arguments_hash=arguments_hash)


def a_claim(
    ticket: str, *, owner: str = "o", limit: int = 1, call: str = "s.1", hold: Bucket | None = None
) -> Claim:
    """Return what an attempt asks for: one of `limit` places a minute."""
    user = Bucket("user", (Allowance(limit, 60.0),))
    return Claim(owner, ticket, "r1", (user,), holder=f"r1/{call}", holds=(hold,) if hold else ())


def a_lesson(kind: str) -> Lesson:
    """Return one row of the record of contracts."""
    return Lesson.model_validate(
        {
            "at": "2026-01-01T00:00:00.000Z",
            "toolkit": "hex",
            "tool": "T",
            "kind": kind,
            "data": {"id": "é\ud800"},
        }
    )


class StoreContract:
    """What every store must do. `make(clock)` opens the same empty database each time within one test."""

    make: Callable[[Callable[[], datetime]], Store]

    @pytest.fixture
    def clock(self) -> FakeClock:
        """Return the clock that the store under test goes by."""
        return FakeClock()

    @pytest.fixture
    def store(self, clock: FakeClock) -> Any:
        """Return a store that has one run."""
        with self.make(clock) as store:
            store.create_run(a_run())
            yield store

    # Runs

    def test_a_run_comes_back_as_it_was_kept(self, store: Store) -> None:
        """The definition, the inputs and the time it was made are all there."""
        assert store.run("r1") == a_run().model_copy(update={"created_at": "2026-11-23T09:00:00.000Z"})

    def test_an_id_is_used_once(self, store: Store) -> None:
        """A second run cannot take the place of the first."""
        with pytest.raises(UsageError, match="there is a run 'r1' already\n  give the new run another id"):
            store.create_run(a_run())

    def test_the_start_of_an_id_is_enough_when_it_is_the_only_one(self, store: Store) -> None:
        """People type a few letters; an exact id wins over longer ones."""
        store.create_run(a_run("r1-longer"))
        assert store.run("r1-l").id == "r1-longer"
        assert store.run("r1").id == "r1"
        with pytest.raises(
            UsageError, match="'r' is the start of several runs: r1, r1-longer\n  give more of"
        ):
            store.run("r")

    def test_one_at_a_time_works_on_a_run(self, store: Store, clock: FakeClock) -> None:
        """Neither another process nor the same one may begin a second time; another run is free."""
        busy = "run r1 is being worked on by another process"
        with self.make(clock) as other:
            with store.alone("r1"), other.alone("r2"):
                for each in (store, other):
                    with pytest.raises(UsageError, match=busy), each.alone("r1"):
                        pytest.fail("two at once")
                assert store.append("r1", "noted", {}) == 1
            with other.alone("r1"), store.alone("r2"):
                assert other.append("r1", "noted", {}) == 2

    def test_all_who_share_a_store_go_by_one_clock(self, store: Store, clock: FakeClock) -> None:
        """What one writes down is what the other counts with."""
        with self.make(clock) as other:
            clock.pass_(minutes=5)
            assert store.time() == other.time() == clock.now.timestamp()

    def test_an_unknown_run_is_refused_with_the_nearest_ids(self, store: Store) -> None:
        """A typo costs one look at the message."""
        store.create_run(a_run("brief-20261123"))
        with pytest.raises(UsageError) as caught:
            store.run("breif-20261123")
        assert str(caught.value) == (
            "there is no run 'breif-20261123'\n  did you mean brief-20261123? `definable runs list` shows all"
        )

    @pytest.mark.parametrize("name", ["", "%", "_", "zzz"])
    def test_what_is_no_id_finds_no_run(self, store: Store, name: str) -> None:
        """Nothing in an id is a wildcard, and no id is not any id."""
        with pytest.raises(UsageError, match=f"there is no run {name!r}\n  `definable runs list` shows all"):
            store.run(name)

    def test_runs_are_listed_newest_first(self, store: Store, clock: FakeClock) -> None:
        """With a limit, and by status."""
        for name in ("r2", "r3"):
            clock.pass_(seconds=1)
            store.create_run(a_run(name))
        store.set_status("r2", RunStatus.WAITING, reason="approval")
        assert [r.id for r in store.runs()] == ["r3", "r2", "r1"]
        assert [r.id for r in store.runs(limit=2)] == ["r3", "r2"]
        assert [r.id for r in store.runs(status=RunStatus.WAITING)] == ["r2"]

    def test_a_status_brings_its_facts(self, store: Store, clock: FakeClock) -> None:
        """Reason, error, outputs and the end belong to it; resuming takes back all but the outputs."""
        clock.pass_(minutes=1)
        failed = store.set_status("r1", RunStatus.FAILED, outputs={"cell": "c1"}, error={"message": "no"})
        assert failed == store.run("r1")
        assert (failed.ended_at, failed.error) == ("2026-11-23T09:01:00.000Z", {"message": "no"})
        later = store.set_status("r1", RunStatus.WAITING, "quota", until="2026-11-23T12:03:10.000Z")
        assert later.until == store.run("r1").until == "2026-11-23T12:03:10.000Z"
        again = store.set_status("r1", RunStatus.RUNNING)
        assert again.until is None
        assert (again.ended_at, again.error, again.outputs) == (None, None, {"cell": "c1"})

    @pytest.mark.parametrize("end", [RunStatus.DONE, RunStatus.CANCELLED])
    def test_nothing_follows_the_end(self, store: Store, clock: FakeClock, end: RunStatus) -> None:
        """A worker that was slow cannot bring a finished or cancelled run back."""
        ended = store.set_status("r1", end)
        clock.pass_(minutes=1)
        assert store.set_status("r1", end) == ended
        with pytest.raises(UsageError, match=f"run 'r1' is {end.value}; nothing follows that\n  start a new"):
            store.set_status("r1", RunStatus.RUNNING)

    # Log

    def test_events_are_numbered_without_gaps_in_each_run(self, store: Store, clock: FakeClock) -> None:
        """A reader asks for what came after the last number it saw."""
        store.create_run(a_run("r2"))
        numbers = [
            store.append("r1", "a", {}),
            store.append("r2", "a", {}),
            store.append("r1", "b", {"x": 1}),
        ]
        assert numbers == [1, 1, 2]
        (last,) = store.events("r1", after=1)
        assert (last.seq, last.type, last.data, last.at) == (2, "b", {"x": 1}, "2026-11-23T09:00:00.000Z")

    def test_an_event_keeps_whatever_json_there_is(self, store: Store) -> None:
        """Lone surrogates, null characters and large numbers come from broken servers and are recorded."""
        data = {"a\ud800\x00é": ["\udfff", 2**70, 1.5, None, {"": []}]}
        store.append("r1", "odd", data, step="s", call="s.1")
        (event,) = store.events("r1")
        assert (event.data, event.step, event.call) == (data, "s", "s.1")

    def test_an_event_of_no_run_is_refused(self, store: Store) -> None:
        """The log hangs together."""
        with pytest.raises(StoreError):
            store.append("nobody", "a", {})

    def test_an_exchange_is_recorded_once(self, store: Store) -> None:
        """A second one with the same number changes nothing and gets the first back."""
        first = store.record("r1", an_exchange(body={"id": "c1"}))
        assert store.record("r1", an_exchange(body={"id": "c2"})) == first
        assert store.exchanges("r1", "deliver.1") == [first]
        assert [e.type for e in store.events("r1")] == ["exchange"]

    def test_exchanges_come_back_in_their_order(self, store: Store) -> None:
        """Questions and answers too, each call for itself, equal to what was put in."""
        asked = Exchange(call="deliver.1", n=1, order=a_question(), reply=a_yes())
        for exchange in (asked, an_exchange(0, body=["\ud800"]), an_exchange(0, call="other.1")):
            store.record("r1", exchange)
        assert store.exchanges("r1", "deliver.1") == [an_exchange(0, body=["\ud800"]), asked]
        assert store.exchange("r1", "deliver.1", 1) == asked
        assert store.exchange("r1", "deliver.1", 2) is None
        assert store.exchanges("r1", "nothing.1") == []

    def test_a_receipt_is_settled_once(self, store: Store) -> None:
        """The first stands, and the log has it once, without the result."""
        first = Receipt(call="a.1", tool="T", arguments={}, status="verified", attempts=1, result={"id": 1})
        assert store.settle("r1", first) == first
        assert store.settle("r1", first.model_copy(update={"status": "failed"})) == first
        assert store.receipt("r1", "a.1") == first
        assert [(e.type, e.call, "result" in e.data) for e in store.events("r1")] == [
            ("receipt", "a.1", False)
        ]

    def test_receipts_come_in_the_order_of_settling(self, store: Store) -> None:
        """And there is none for a call that has not ended."""
        for call in ("b.1", "a.1"):
            store.settle("r1", Receipt(call=call, tool="T", arguments={}, status="denied"))
        assert [r.call for r in store.receipts("r1")] == ["b.1", "a.1"]
        assert store.receipt("r1", "c.1") is None

    # Ledger

    def intend(self, store: Store, attempt: int | None = None, **arguments: Any) -> State:
        """Intend the one effect of these tests."""
        return store.intend("e1", "r1", "deliver.1", "HEX_CREATE_CELL", arguments, attempt).state

    def test_the_way_of_an_effect_that_works(self, store: Store) -> None:
        """Intended, sent, committed, verified; the row says what it is and what proves it."""
        self.intend(store, label="x")
        assert store.sent("e1", 1).attempt == 1
        assert store.outcome("e1", Phase.COMMITTED).state is State.COMMITTED
        row = store.verified("e1", Evidence.STATE, "read back")
        assert row == store.effect("e1") == store.effects("r1")[0]
        assert (row.state, row.evidence, row.note, row.attempt) == (
            State.VERIFIED,
            Evidence.STATE,
            "read back",
            1,
        )

    def test_an_effect_is_sent_by_one_caller(self, store: Store) -> None:
        """The second sender is told that an answer is owed."""
        self.intend(store)
        store.sent("e1", 1)
        with pytest.raises(LedgerError) as caught:
            store.sent("e1", 2)
        assert str(caught.value) == (
            "effect 'e1' is 'sent': 'send' may not follow (what may: not_sent, commit, reject, lose)\n"
            "  an attempt is out and its answer is not known yet: record its outcome first"
        )

    def test_a_sent_effect_is_not_intended_again(self, store: Store) -> None:
        """After a crash its outcome is unknown first; only then may a second attempt follow."""
        self.intend(store)
        store.sent("e1", 1)
        with pytest.raises(LedgerError, match="'intend' may not follow"):
            self.intend(store)
        store.outcome("e1", Phase.UNKNOWN)
        assert self.intend(store) is State.INTENDED
        assert store.sent("e1", 2).attempt == 2

    def test_an_attempt_leaves_once(self, store: Store) -> None:
        """A replay that comes by the same attempt again finds it gone, whatever came of it."""
        self.intend(store, attempt=1)
        store.sent("e1", 1)
        store.outcome("e1", Phase.COMMITTED)
        with pytest.raises(
            LedgerError, match=r"attempt 1 of effect 'e1' has been sent before \(the last one was 1\)"
        ):
            self.intend(store, attempt=1)
        assert (row := store.effect("e1"))
        assert row.state is State.COMMITTED
        self.intend(store)
        with pytest.raises(LedgerError, match="its exchange is in the run log"):
            store.sent("e1", 1)

    def test_healing_changes_what_is_sent_and_not_what_was_proposed(self, store: Store) -> None:
        """The id was made of the first arguments; a person reviewing wants to see the last ones."""
        self.intend(store, label="x")
        store.sent("e1", 1)
        store.outcome("e1", Phase.REJECTED)
        self.intend(store, label="x", adapted=True)
        assert (row := store.effect("e1"))
        assert (row.arguments, row.sending) == ({"label": "x"}, {"label": "x", "adapted": True})

    def test_a_lost_effect_is_found_or_left_to_a_person(self, store: Store) -> None:
        """What was adopted and why a person is needed are kept."""
        self.intend(store)
        store.sent("e1", 1)
        store.outcome("e1", Phase.UNKNOWN)
        assert store.needs_review("e1", "two candidates").note == "two candidates"
        assert store.reconciled("e1", {"id": "c1"}).adopted == {"id": "c1"}
        assert store.verified("e1", Evidence.EXISTENCE).state is State.VERIFIED

    def test_what_never_left_may_go_again(self, store: Store) -> None:
        """A refused connection leaves the effect intended; its next attempt has the next number."""
        self.intend(store)
        store.sent("e1", 1)
        assert store.outcome("e1", Phase.NOT_SENT).state is State.INTENDED
        assert store.sent("e1", 2).state is State.SENT

    def test_nothing_is_said_of_an_effect_that_was_never_intended(self, store: Store) -> None:
        """Intent comes before the first byte."""
        with pytest.raises(
            LedgerError, match="effect 'e9' was never intended\n  its intent must be on disk before"
        ):
            store.sent("e9", 1)
        assert store.effect("e9") is None

    def test_an_exchange_and_the_outcome_of_its_effect_are_one_write(self, store: Store) -> None:
        """There is no moment in which a crash could leave one without the other."""
        self.intend(store)
        store.sent("e1", 1)
        store.record("r1", an_exchange(0, effect="e1"))
        assert (row := store.effect("e1"))
        assert row.state is State.COMMITTED
        assert store.outcome("e1", Phase.COMMITTED) == row

    def test_an_exchange_of_another_attempt_leaves_the_ledger_alone(self, store: Store) -> None:
        """Only the attempt that is out is answered."""
        self.intend(store)
        store.sent("e1", 2)
        store.record("r1", an_exchange(0, effect="e1", attempt=1))
        assert (row := store.effect("e1"))
        assert row.state is State.SENT

    # What belongs together

    def test_what_is_written_together_is_there_together(self, store: Store) -> None:
        """A block that raises has written nothing; one that ends has written all of it."""

        def half() -> None:
            with store.together("r1", "e1", durable=False):
                store.append("r1", "note", {})
                store.intend("e1", "r1", "deliver.1", "HEX_CREATE_CELL", {}, attempt=1)
                raise RuntimeError

        with pytest.raises(RuntimeError):
            half()
        assert (store.events("r1"), store.effects("r1")) == ([], [])
        with store.together("r1", "e1", durable=True):
            store.intend("e1", "r1", "deliver.1", "HEX_CREATE_CELL", {}, attempt=1)
            assert store.sent("e1", 1).state is State.SENT
        store.append("r1", "note", {})
        assert [e.state for e in store.effects("r1")] == [State.SENT]
        assert len(store.events("r1")) == 1

    def test_what_is_written_in_a_batch_is_there_when_the_block_raises(self, store: Store) -> None:
        """It can be read at once, and stays; what must wait for the disk takes it along."""
        bound = store.begin("r1")

        def visit() -> None:
            with bound.batch("r1", "e1"):
                assert bound.append("r1", "first", {}) == 1
                assert [e.type for e in bound.events("r1")] == ["first"]
                with bound.together("r1", "e1", durable=True):
                    bound.intend("e1", "r1", "deliver.1", "HEX_CREATE_CELL", {}, attempt=1)
                bound.append("r1", "second", {})
                raise RuntimeError

        with pytest.raises(RuntimeError):
            visit()
        assert [e.type for e in store.events("r1")] == ["first", "second"]
        assert [e.state for e in store.effects("r1")] == [State.INTENDED]

    def test_a_batch_of_a_run_that_was_taken_over_writes_nothing(self, store: Store) -> None:
        """Its first write says so; the store can be used afterwards."""
        old = store.begin("r1")
        new = store.begin("r1")
        with old.batch("r1"), pytest.raises(Fenced):
            old.append("r1", "late", {})
        new.append("r1", "note", {})
        assert [e.type for e in store.events("r1")] == ["note"]

    def test_a_result_that_an_exchange_has_is_read_from_there(self, store: Store) -> None:
        """The receipt is whole, with the body as it came, broken text and numbers that are none included."""
        body = {"text": "\ud800", "n": float("inf"), "deep": [{"a": None}]}
        store.record("r1", an_exchange(call="s.1", body={"other": 1}))
        store.record("r1", an_exchange(1, call="s.1", body=body))
        receipt = Receipt(call="s.1", tool="T", arguments={}, status="verified", result=body)
        assert store.settle("r1", receipt, 1) == receipt
        assert store.receipt("r1", "s.1") == receipt
        assert store.receipts("r1") == [receipt]
        assert store.settle("r1", receipt.model_copy(update={"message": "again"})) == receipt

    def test_where_a_run_stands_can_be_asked_alone(self, store: Store) -> None:
        """It is asked before each attempt."""
        assert store.status("r1") is RunStatus.QUEUED
        store.set_status("r1", RunStatus.CANCELLED)
        assert store.status("r1") is RunStatus.CANCELLED
        with pytest.raises(UsageError, match="there is no run 'r9'"):
            store.status("r9")

    # Who works on a run, and where

    def test_who_began_before_writes_nothing_more(self, store: Store) -> None:
        """However slow a process was: once another has begun, it changes neither log, ledger nor run."""
        first = store.begin("r1")
        first.append("r1", "note", {})
        first.intend("e1", "r1", "deliver.1", "HEX_CREATE_CELL", {}, attempt=1)
        second = store.begin("r1")
        writes: list[Callable[[], object]] = [
            lambda: first.append("r1", "note", {}),
            lambda: first.sent("e1", 1),
            lambda: first.record("r1", an_exchange()),
            lambda: first.settle("r1", Receipt(call="c", tool="T", arguments={}, status="failed")),
            lambda: first.set_status("r1", RunStatus.FAILED),
            lambda: first.ask("r1", "c", 0, a_question()),
            first.check,
        ]
        for write in writes:
            with pytest.raises(Fenced, match="run r1 was taken over by another process"):
                write()
        assert len(store.events("r1")) == 1
        second.check()
        assert second.sent("e1", 1).attempt == 1

    def test_only_one_run_is_fenced(self, store: Store) -> None:
        """Who works on another run, and who works on none, goes on."""
        store.create_run(a_run("r2"))
        first = store.begin("r1")
        store.begin("r2")
        first.append("r1", "note", {})
        store.append("r1", "note", {})
        first.set_status("r1", RunStatus.RUNNING)
        store.check()

    def test_a_place_is_taken_by_one_call_at_a_time(self, store: Store) -> None:
        """Who comes second is told who is there, until that call is settled."""
        assert store.occupy("p", "r1", "a.1", 0.0, 60.0) == Reservation()
        assert store.occupy("p", "r1", "a.1", 1.0, 60.0) == Reservation()
        assert store.occupy("p", "r2", "a.1", 1.0, 60.0) == Reservation(held_by="r1")
        assert store.occupy("q", "r2", "a.1", 1.0, 60.0) == Reservation()
        store.settle("r1", Receipt(call="a.1", tool="T", arguments={}, status="verified"))
        assert store.occupy("p", "r2", "a.1", 1.0, 60.0) == Reservation()

    def test_a_place_is_lost_when_its_time_is_over(self, store: Store) -> None:
        """A dead holder blocks nobody for long; when it comes back it is told, until it looks anew."""
        store.occupy("p", "r1", "a.1", 0.0, 60.0)
        assert store.occupy("p", "r2", "a.1", 59.0, 100.0) == Reservation(held_by="r1")
        assert store.occupy("p", "r2", "a.1", 60.0, 100.0) == Reservation()
        assert store.occupy("p", "r1", "a.1", 99.0, 160.0) == Reservation(held_by="r2")
        assert store.occupy("p", "r1", "a.1", 100.0, 160.0) == Reservation(shared=True)
        assert store.occupy("p", "r1", "a.1", 101.0, 160.0) == Reservation(shared=True)
        assert store.occupy("p", "r1", "a.1", 102.0, 160.0, anew=True) == Reservation()

    def test_a_place_that_was_left_is_shared_when_somebody_came(self, store: Store) -> None:
        """A call that knows its effect by an id lets others in, and is told if it has to look after all."""
        store.occupy("p", "r1", "a.1", 0.0, 60.0)
        store.vacate("r1", "a.1")
        assert store.occupy("p", "r1", "a.1", 1.0, 60.0) == Reservation()
        store.vacate("r1", "a.1")
        assert store.occupy("p", "r2", "a.1", 2.0, 3.0) == Reservation()
        assert store.occupy("p", "r1", "a.1", 4.0, 60.0) == Reservation(shared=True)

    # Approvals

    def test_a_question_is_kept_once(self, store: Store) -> None:
        """A replay asks again and gets the same id; the log has the question once."""
        name = store.ask("r1", "drop.1", 0, a_question(), START + timedelta(hours=4))
        assert store.ask("r1", "drop.1", 0, a_question(), START + timedelta(hours=9)) == name
        (row,) = store.open_asks("r1")
        assert (row.id, row.ask, row.expires_at) == (name, a_question(), "2026-11-23T13:00:00.000Z")
        assert [(e.type, e.data["id"]) for e in store.events("r1")] == [("ask", name)]

    def test_another_question_in_the_same_place_is_a_broken_replay(self, store: Store) -> None:
        """An approval must never slip to a call that nobody saw."""
        store.ask("r1", "drop.1", 0, a_question())
        with pytest.raises(ReplayError) as caught:
            store.ask("r1", "drop.1", 0, a_question("h2"))
        assert str(caught.value) == (
            "call 'drop.1' asks 'Delete it?' about HEX_DELETE_CELL with h2, "
            "where it had asked 'Delete it?' about HEX_DELETE_CELL with h1\n"
            "  the definition or the code has changed: cancel the run and start it again"
        )

    def test_an_answer_is_used_once(self, store: Store) -> None:
        """The second click learns who was first."""
        name = store.ask("r1", "drop.1", 0, a_question())
        given = store.answer(name, a_yes())
        assert given.at == "2026-11-23T09:00:00.000Z"
        assert store.asked(name).decision == given
        assert store.open_asks("r1") == []
        with pytest.raises(UsageError) as caught:
            store.answer(name, a_yes())
        assert str(caught.value) == (
            "HEX_DELETE_CELL of drop.1 was answered by 'ana' at 2026-11-23T09:00:00.000Z\n"
            "  an answer is used once; `definable runs show ID` shows what came of it"
        )
        assert [e.type for e in store.events("r1")] == ["ask", "decision"]

    def test_an_approval_fits_the_exact_arguments(self, store: Store) -> None:
        """One given for other arguments is refused, and so is one that does not say what it is for."""
        name = store.ask("r1", "drop.1", 0, a_question())
        for other in ("h2", ""):
            with pytest.raises(
                UsageError, match="the approval is for other arguments than the ones HEX_DELETE_CELL"
            ):
                store.answer(name, a_yes(other))
        assert len(store.open_asks("r1")) == 1

    def test_an_approval_must_come_in_time_and_a_refusal_need_not(
        self, store: Store, clock: FakeClock
    ) -> None:
        """No answer in time is a no, which somebody may still write down."""
        name = store.ask("r1", "drop.1", 0, a_question(), START + timedelta(hours=4))
        clock.pass_(hours=4)
        with pytest.raises(
            UsageError, match=r"the question about HEX_DELETE_CELL of drop\.1 expired at 2026-11-23T13"
        ):
            store.answer(name, a_yes())
        assert store.answer(name, Decision(approve=False, by="timeout")).approve is False

    def test_an_unknown_question_is_refused(self, store: Store) -> None:
        """The message says where the questions are listed."""
        with pytest.raises(
            UsageError, match="there is no question 'q9'\n  `definable runs show ID` lists what waits"
        ):
            store.answer("q9", a_yes())

    # Quotas

    def test_a_slot_is_free_one_window_after_the_answer(self, store: Store) -> None:
        """Not after it was sent: while it is on its way it counts, however long that takes."""
        assert store.take(a_claim("a"), 100.0) is None
        wait = store.take(a_claim("b"), 130.0)
        assert wait
        assert wait.bucket == "user"
        assert wait.expected == pytest.approx(60.0, abs=0.1)
        store.answered(a_claim("a"), 140.0)
        assert store.take(a_claim("b"), 199.9)
        assert store.take(a_claim("b"), 200.1) is None

    def test_an_answer_that_is_recorded_next_goes_along_with_it(self, store: Store) -> None:
        """Until then its slot counts as under way; whatever is written next starts its window."""
        assert store.take(a_claim("a"), 100.0) is None
        store.answered(a_claim("a"), 140.0, later=True)
        assert [*store.taken("o", 140.0).slots["user"]] == [165.0]
        store.release("nobody")
        assert [*store.taken("o", 140.0).slots["user"]] == [140.0]

    def test_what_has_had_its_time_is_swept_once_in_a_while(self, store: Store) -> None:
        """At once when the clock was set back: what lies far ahead counts as answered now."""
        for ticket, now in [("a", 10_000.0), ("b", 10_070.0), ("c", 10_140.0)]:
            assert store.take(replace(a_claim(ticket), lease=0.0), now) is None
        assert [*store.taken("o", 10_140.0).slots["user"]] == [10_140.0]
        assert store.take(a_claim("d", limit=9), 100.0) is None
        assert [*store.taken("o", 100.0).slots["user"]] == [100.0, 165.0]

    def test_what_is_taken_can_be_read_and_nothing_moves(self, store: Store) -> None:
        """Slots oldest first, the queue first first, and what a 429 taught; of this owner alone."""
        assert store.taken("o", 100.0) == Taken(100.0)
        assert store.take(a_claim("a"), 100.0) is None
        store.answered(a_claim("a"), 100.0)
        assert store.take(a_claim("b"), 101.0)
        store.throttled(a_claim("a"), 101.0, 9.0)
        taken = store.taken("o", 102.0)
        assert taken.slots == {"user": (100.0,)}
        assert [each.ticket for each in taken.waiting] == ["b"]
        assert taken.standings["user"].paused == 110.0
        assert store.taken("o", 102.0) == taken
        assert store.taken("o2", 102.0) == Taken(102.0)

    def test_a_request_that_never_left_gives_its_slot_back(self, store: Store) -> None:
        """The server has not seen it."""
        assert store.take(a_claim("a"), 100.0) is None
        store.unsent(a_claim("a"))
        assert store.take(a_claim("b"), 100.0) is None

    def test_the_slot_of_a_crashed_process_ends_with_its_lease(self, store: Store) -> None:
        """It counts as answered at the last moment at which it could have been."""
        assert store.take(a_claim("a"), 100.0) is None
        assert store.take(a_claim("b"), 164.0 + 60)
        store.withdraw("b")
        assert store.take(a_claim("c"), 165.1 + 60) is None

    def test_the_queue_is_kept_and_may_be_left(self, store: Store) -> None:
        """Who came first goes first, unless it has gone."""
        assert store.take(a_claim("a"), 100.0) is None
        store.answered(a_claim("a"), 100.0)
        assert store.take(a_claim("b"), 156.0)
        assert store.take(a_claim("c"), 157.0)
        assert store.take(a_claim("c"), 160.1)
        store.withdraw("b")
        assert store.take(a_claim("c"), 160.1) is None

    def test_owners_do_not_share(self, store: Store) -> None:
        """Until it is known that two keys are one user's; then what was counted stays counted."""
        assert store.take(a_claim("a"), 100.0) is None
        assert store.take(a_claim("b", owner="key2"), 100.0) is None
        assert store.quota_owner("o") is None
        store.set_quota_owner("o", "ann")
        assert store.quota_owner("o") == "ann"
        assert store.take(a_claim("c", owner="ann"), 100.0)

    def test_a_place_is_held_until_the_call_is_settled(self, store: Store) -> None:
        """Over all attempts of the call, and longer than any window."""
        kernels = Bucket("kernels", (Allowance(1, 0.0),))
        first = a_claim("a", call="s.1", hold=kernels, limit=9)
        assert store.take(first, 100.0) is None
        assert store.take(a_claim("b", call="s.1", hold=kernels, limit=9), 101.0) is None
        wait = store.take(a_claim("c", call="s.2", hold=kernels, limit=9), 102.0)
        assert wait
        assert wait.bucket == "kernels"
        store.settle("r1", Receipt(call="s.1", tool="T", arguments={}, status="verified"))
        assert store.take(a_claim("c", call="s.2", hold=kernels, limit=9), 103.0) is None
        store.release("r1/s.2")
        assert store.take(a_claim("d", call="s.3", hold=kernels, limit=9), 104.0) is None

    def test_a_place_is_kept_by_whatever_its_holder_sends(self, store: Store) -> None:
        """A poll of the same call renews it; without a sign of life it is free after a quarter of an hour."""
        kernels = Bucket("kernels", (Allowance(1, 0.0),))
        assert store.take(a_claim("a", call="s.1", hold=kernels, limit=9), 100.0) is None
        assert store.take(a_claim("poll", call="s.1", limit=9), 900.0) is None
        assert store.take(a_claim("b", call="s.2", hold=kernels, limit=9), 1700.0)
        assert store.take(a_claim("b", call="s.2", hold=kernels, limit=9), 1801.0) is None

    def test_a_call_may_hold_several_places(self, store: Store) -> None:
        """Another that needs one of them waits, and all are given back together."""
        kernels, project = places("kernels", 2), places("project/p1", 1)
        first = replace(a_claim("a", call="s.1", limit=9), holds=(kernels, project))
        second = replace(a_claim("b", call="s.2", limit=9), holds=(kernels, project))
        assert store.take(first, 100.0) is None
        assert store.take(replace(first, ticket="a2"), 100.0) is None
        wait = store.take(second, 101.0)
        assert wait
        assert wait.bucket == "project/p1"
        assert store.take(replace(a_claim("c", call="s.3", limit=9), holds=(kernels,)), 101.0) is None
        store.release("r1/s.1")
        assert store.take(second, 102.0) is None

    def test_when_the_server_has_no_place_everybody_pauses_and_then_one_tries(self, store: Store) -> None:
        """One that gets a place, or gives one back, ends the pause; then still one goes at a time."""
        kernels = places("kernels", 9)
        a, b, c = (a_claim(n, call=f"s.{n}", hold=kernels, limit=9) for n in "abc")
        assert store.take(a, 1000.0) is None
        store.full(a, 1000.0, None)
        wait = store.take(b, 1000.2)
        assert wait
        assert wait.bucket == "kernels"
        assert wait.seconds == pytest.approx(0.8)
        assert store.take(b, 1001.0) is None
        wait = store.take(c, 1001.1)
        assert wait
        assert wait.seconds < 1, "somebody tries"
        store.full(b, 1001.5, None)
        assert store.take(c, 1003.0)
        assert store.take(c, 1003.6) is None
        store.tried(c, accepted=True)
        assert store.take(a, 1003.7) is None
        store.full(a, 1004.0, 30.0)
        assert store.take(b, 1005.0)
        store.settle("r1", Receipt(call="s.c", tool="T", arguments={}, status="verified"))
        assert store.take(b, 1006.0) is None
        assert store.take(a, 1006.1)
        store.tried(b, accepted=False)
        assert store.take(a, 1006.2) is None

    def test_a_place_in_the_queue_outlives_the_process_that_took_it(self, store: Store) -> None:
        """It is kept until it is due, and whoever comes then under its name goes first."""
        assert store.take(a_claim("a"), 100.0) is None
        store.answered(a_claim("a"), 100.0)
        parked = replace(a_claim("b"), place="r1/s.1/0")
        wait = store.take(parked, 101.0)
        assert wait
        store.keep("r1/s.1/0", 101.0 + wait.expected)
        assert store.take(a_claim("c"), 158.0)
        assert store.take(a_claim("c"), 160.1)
        assert not store.ready("r1", 159.0)
        assert store.ready("r1", 160.1)
        assert store.take(replace(parked, ticket="b2"), 160.1) is None

    def test_a_run_that_has_ended_waits_for_nothing(self, store: Store) -> None:
        """Nobody waits behind it."""
        assert store.take(a_claim("a"), 100.0) is None
        store.answered(a_claim("a"), 100.0)
        assert store.take(a_claim("b"), 101.0)
        store.keep("b", 5000.0)
        assert store.ready("r1", 200.0)
        store.set_status("r1", RunStatus.LIMITED)
        assert not store.ready("r1", 200.0)

    def test_a_429_pauses_everybody_and_lowers_the_limit(self, store: Store) -> None:
        """What we had of the window when the server said no again is what there is for us."""
        for n in range(5):
            assert store.take(a_claim(f"a{n}", limit=9), 100.0) is None
            store.answered(a_claim(f"a{n}", limit=9), 100.0, refused=n == 4)
        store.throttled(a_claim("a4", limit=9), 98.0, 1.0)
        store.throttled(a_claim("a4", limit=9), 100.0, 7.0)
        paused = store.take(a_claim("b", limit=9), 101.0)
        assert paused
        assert paused.seconds == pytest.approx(5.0)
        later = store.take(a_claim("b", limit=9), 108.0)
        assert later
        assert later.expected == pytest.approx(52.0, abs=0.1)

    def test_figures_of_the_server_are_believed_when_they_are_lower(self, store: Store) -> None:
        """A window that is empty for others' sake is waited out."""
        assert store.take(a_claim("a", limit=9), 100.0) is None
        store.answered(a_claim("a", limit=9), 100.0)
        store.hinted(a_claim("a", limit=9), 100.0, Hints(remaining=0, reset=3.0))
        wait = store.take(a_claim("b", limit=9), 100.0)
        assert wait
        assert wait.seconds == 3.0
        assert store.take(a_claim("b", limit=9), 103.0) is None

    # The record of contracts

    def test_what_was_learned_is_numbered_in_order_and_never_changes(self, store: Store) -> None:
        """Rows come back as they were given, after any number; nothing is there at first."""
        assert store.known() == []
        store.learn([a_lesson("sample"), a_lesson("patch")])
        store.learn([])
        store.learn([a_lesson("rejected")])
        assert [(each.seq, each.kind) for each in store.known()] == [
            (1, "sample"),
            (2, "patch"),
            (3, "rejected"),
        ]
        assert store.known(after=2) == [a_lesson("rejected").model_copy(update={"seq": 3})]

    def test_samples_that_no_run_can_need_are_forgotten(self, store: Store, clock: FakeClock) -> None:
        """The last ones stay, so do those that are younger than a run that may go on, and all else."""
        early, late = "2025-12-01T00:00:00.000Z", "2100-01-01T00:00:00.000Z"
        store.learn(a_lesson(kind) for kind in ("sample", "patch", "sample", "sample"))
        since = store.run("r1").created_at
        store.learn([a_lesson("sample").model_copy(update={"at": since})] * 2)
        assert store.thin("hex", "OTHER", 0, late, early) == 0
        assert store.thin("hex", "T", 1, a_lesson("patch").at, early) == 0
        assert store.thin("hex", "T", 2, late, early) == 1
        store.set_status("r1", RunStatus.FAILED)
        assert store.thin("hex", "T", 2, late, early) == 0
        assert [each.seq for each in store.known()] == [2, 3, 4, 5, 6]
        assert store.thin("hex", "T", 1, late, late) == 3
        assert [each.seq for each in store.known()] == [2, 6]

    def test_what_another_process_learned_is_seen_behind_ours(self, clock: FakeClock) -> None:
        """Numbers of two openings of one database never meet, and grow in the order of the commits."""
        with self.make(clock) as one, self.make(clock) as other:
            one.learn([a_lesson("sample")])
            other.learn([a_lesson("patch")])
            one.learn([a_lesson("accepted")])
            assert [each.kind for each in other.known()] == ["sample", "patch", "accepted"]
            assert [each.seq for each in one.known(after=1)] == [2, 3]

    # All of it

    def test_what_was_kept_is_there_after_opening_again(self, clock: FakeClock) -> None:
        """A store that is closed and opened has everything it had; closing twice is allowed."""
        with self.make(clock) as store:
            store.create_run(a_run())
            store.record("r1", an_exchange())
            store.ask("r1", "drop.1", 0, a_question())
            before = (store.runs(), store.events("r1"), store.open_asks("r1"))
        store.close()
        with self.make(clock) as store:
            assert (store.runs(), store.events("r1"), store.open_asks("r1")) == before

    # Batches

    def test_a_batch_comes_back_as_it_was_kept(self, store: Store) -> None:
        """It may get another file and folder; its workflow and its place stay."""
        row = BatchRow(id="b", workflow="w", items="/i.jsonl", place="sandbox", folder="/out")
        kept = store.open_batch(row)
        assert kept == row.model_copy(update={"created_at": "2026-11-23T09:00:00.000Z"})
        moved = store.open_batch(row.model_copy(update={"items": "/j.jsonl", "folder": "/o"}))
        assert moved == kept.model_copy(update={"items": "/j.jsonl", "folder": "/o"})
        assert store.known_batch("b") == moved
        assert store.batches() == [moved]
        with pytest.raises(UsageError, match="of the workflow 'w', not 'v'"):
            store.open_batch(row.model_copy(update={"workflow": "v"}))
        with pytest.raises(UsageError, match=r"works in sandbox, not in https://x"):
            store.open_batch(row.model_copy(update={"place": "https://x"}))
        with pytest.raises(UsageError, match="there is no batch 'c'"):
            store.known_batch("c")

    def test_an_item_has_the_run_that_came_last(self, store: Store) -> None:
        """The others of its name are past; items of other batches are others."""
        for name, batch, item in (("x1", "b", "i"), ("x2", "b", "i"), ("x3", "b", "j"), ("x4", "c", "i")):
            store.submit(a_run(name).model_copy(update={"batch": batch, "item": item, "priority": 20}))
        store.set_status("x1", RunStatus.FAILED)
        store.set_status("x3", RunStatus.WAITING, reason="approval")
        assert {item: row.id for item, row in store.items("b", ["i", "j", "k"]).items()} == {
            "i": "x2",
            "j": "x3",
        }
        assert store.items("b", []) == {}
        standing = {each.id: (each.status, each.reason) for each in store.standing(["x1", "x3", "none"])}
        assert standing == {"x1": (RunStatus.FAILED, ""), "x3": (RunStatus.WAITING, "approval")}
        assert store.standing([]) == []
        assert store.stands("b") == {
            (RunStatus.QUEUED, "submitted"): 1,
            (RunStatus.WAITING, "approval"): 1,
        }
        assert [row.id for row in store.runs(batch="b", status=RunStatus.WAITING)] == ["x3"]
        assert {row.id for row in store.runs(batch="b")} == {"x1", "x2", "x3"}

    def test_tallies_are_counted_together(self, store: Store) -> None:
        """Each run counts once, as it was counted last; a price that is not known is none."""
        assert store.tallied("b") == Tallied()
        store.create_run(a_run("r2"))
        first = TallyRow(run="r1", batch="b", usd=0.5, tokens=10, calls=1, seconds=1.5, healed=1)
        assert store.tally(first) is None
        again = first.model_copy(update={"usd": 0.75, "tokens": 20})
        assert store.tally(again) == first
        store.tally(TallyRow(run="r2", batch="b", unpriced=True, tokens=5))
        assert store.tallied("b") == Tallied(
            tokens=25, usd=0.75, dearest=0.75, unpriced=1, calls=1, seconds=1.5, healed=1
        )

    # Conversations

    def test_a_conversation_is_found_again_by_its_mark(self, store: Store) -> None:
        """One for each mark; an owner sees their own that can be come back to, the newest first."""
        first = store.open_thread(ThreadRow(id="t1", owner="ana"))
        named = store.open_thread(ThreadRow(id="t2", owner="ana", mark="chat:1"))
        assert store.open_thread(ThreadRow(id="t3", owner="ana", mark="chat:1")) == named
        store.open_thread(ThreadRow(id="t4", owner="ana", mark="once:t4"))
        store.open_thread(ThreadRow(id="t5", owner="ben"))
        assert store.thread("t1") == first
        assert [row.id for row in store.threads("ana", 10)] == ["t2", "t1"]
        assert [row.id for row in store.threads("ana", 1)] == ["t2"]
        store.say(MessageRow(thread="t1", role="user", text="hi"))
        store.drop_thread("t1")
        assert (store.messages("t1"), store.threads("ana", 10)) == ([], [named])
        with pytest.raises(UsageError, match="there is no conversation 't1'"):
            store.say(MessageRow(thread="t1", role="user", text="hi"))

    def test_a_message_is_said_once(self, store: Store) -> None:
        """By its key, and an answer by what it answers; it comes back as it was said."""
        store.open_thread(ThreadRow(id="t"))
        said = MessageRow(thread="t", role="user", text="Run\nit, please", key="k")
        user = store.say(said)
        assert (user.n, store.say(said)) == (1, user)
        answer = MessageRow(
            thread="t",
            role="assistant",
            text="Which?",
            workflow="w",
            inputs={"days": 3},
            missing=("project",),
            offline=True,
            tokens_in=5,
            usd=0.25,
            answers=1,
        )
        kept = store.say(answer)
        assert store.say(answer.model_copy(update={"text": "What?"})) == kept
        store.showed("t", kept.n, ["a1", "a2"])
        assert store.messages("t") == [user, kept.model_copy(update={"asks": ("a1", "a2")})]
        assert store.thread("t").title == "Run it, please"
        assert store.say(MessageRow(thread="t", role="user", text="Run\nit, please")).n == 3
        with pytest.raises(UsageError, match="'k' belongs to another message"):
            store.say(said.model_copy(update={"text": "Stop it"}))

    def test_a_turn_is_taken_once_and_the_last_one_is_known(self, store: Store) -> None:
        """Who comes again under the same names gets the turn that there is; threads do not mix."""
        assert store.turn("t", "1") is None
        assert store.last_turn("t") is None
        first = TurnRow(thread="t", name="1", run="r1")
        assert store.take_turn(first) == first
        assert store.take_turn(first.model_copy(update={"run": "r9", "since": 7})) == first
        second = store.take_turn(TurnRow(thread="t", name="0", run="r1", since=12))
        store.take_turn(TurnRow(thread="u", name="1", run="r2"))
        assert store.turn("t", "1") == first
        assert store.last_turn("t") == second
