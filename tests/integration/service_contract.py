"""What every store must do for the service: keys, finding, batches, webhooks. A part of the contract."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from definable.errors import RunBusy, UsageError
from definable.store import BatchRow, ClientRow, HookRow, OrderRow, RunStatus, Store
from tests.integration.store_contract import FakeClock, a_question, a_run, a_yes
from tests.integration.workers_contract import WorkersContract, submitted


def a_client(name: str = "ana", ident: str = "c1", **facts: Any) -> ClientRow:
    """Return a key."""
    return ClientRow.model_validate({"id": ident, "name": name, "scope": "viewer", "hash": "h", **facts})


def an_order(batch: str = "b1", **facts: Any) -> tuple[OrderRow, BatchRow]:
    """Return an order, and its batch."""
    row = BatchRow(id=batch, workflow="w", items="/x.jsonl", place="sandbox", folder="/x")
    return OrderRow(batch=batch, mark="m", terms={"concurrency": 8}, **facts), row


def a_hook(*events: str, ident: str = "h1") -> HookRow:
    """Return a webhook."""
    return HookRow(id=ident, url="https://example.com/in", events=list(events), secret="whsec_c2VjcmV0")


class ServiceContract(WorkersContract):
    """What every store must do for the service."""

    def test_a_key_is_kept_until_it_is_revoked(self, store: Store, clock: FakeClock) -> None:
        """Its name is used once at a time; it is taken back by its name or its id, once."""
        assert store.clients() == []
        first = store.grant(a_client(scope="admin"))
        assert first.created_at == "2026-11-23T09:00:00.000Z"
        clock.pass_(seconds=1)
        second = store.grant(a_client("bob", "c2"))
        assert store.clients() == [first, second]
        with pytest.raises(UsageError, match="there is a key named 'ana' already"):
            store.grant(a_client("ana", "c3"))
        assert store.revoke("ana").revoked_at == "2026-11-23T09:00:01.000Z"
        with pytest.raises(UsageError, match="there is no key 'ana'") as caught:
            store.revoke("ana")
        assert caught.value.hint == "there are: bob"
        assert store.grant(a_client("ana", "c3")) in store.clients()
        assert {store.revoke("c2").name, store.revoke("c3").name} == {"ana", "bob"}
        assert store.clients() == []

    def test_one_name_is_granted_once_by_many(self, store: Store) -> None:
        """However many ask for it at the same moment."""

        def ask(n: int) -> bool:
            try:
                return bool(store.grant(a_client("ana", f"c{n}")))
            except UsageError:
                return False

        with ThreadPoolExecutor(4) as pool:
            assert sum(pool.map(ask, range(8))) == 1
        assert len(store.clients()) == 1

    def test_runs_are_found_by_words_and_facts(self, store: Store, clock: FakeClock) -> None:
        """Newest first, page by page; words stand in id, workflow or inputs, and are no patterns."""
        for n, text in enumerate(("Ünder 100%", "under_score", "back\\slash")):
            clock.pass_(seconds=1)
            submitted(store, f"s{n}", inputs={"text": text}, batch="b1" if n else None)

        def names(**wanted: Any) -> list[str]:
            return [row.id for row in store.found(wanted.pop("limit", 10), **wanted)]

        assert names() == ["s2", "s1", "s0", "r1"]
        assert names(limit=2) == ["s2", "s1"]
        assert names(limit=2, before="s1") == ["s0", "r1"]
        assert names(batch="b1") == ["s2", "s1"]
        assert names(text="WEEKLY under") == ["s1"]
        assert names(text="100%") == ["s0"]
        assert names(text="%") == ["s0"]
        assert names(text="r_s") == ["s1"] == names(text="under_score")
        store.set_status("s1", RunStatus.FAILED)
        assert names(status=RunStatus.FAILED) == ["s1"]
        assert names(workflow="nothing") == []
        assert store.counts() == {
            ("weekly-brief", RunStatus.QUEUED): 3,
            ("weekly-brief", RunStatus.FAILED): 1,
        }

    def test_the_inbox_has_what_waits_for_an_answer(self, store: Store, clock: FakeClock) -> None:
        """Questions of runs that wait, the oldest first; not those that were answered, or of ended runs."""
        for n in range(3):
            clock.pass_(seconds=1)
            run = submitted(store, f"s{n}")
            store.ask(run, "delete.1", 1, a_question())
            store.set_status(run, RunStatus.WAITING, reason="approval")
        assert [each.run for each in store.inbox()] == ["s0", "s1", "s2"]
        store.answer(store.open_asks("s0")[0].id, a_yes())
        store.set_status("s2", RunStatus.CANCELLED)
        assert [each.run for each in store.inbox()] == ["s1"]

    def test_a_run_is_known_by_its_key(self, store: Store) -> None:
        """A key that nobody used is nobody's."""
        run = submitted(store, key="http:c1:k")
        found = store.keyed("http:c1:k")
        assert found is not None
        assert found.id == run
        assert store.keyed("http:c2:k") is None

    def test_a_run_is_handed_to_the_workers(self, store: Store) -> None:
        """They take it from then on; not while the process that started it works on it."""
        with store.alone("r1"), pytest.raises(RunBusy):
            store.enlist("r1", 5)
        assert store.take_runs("w1", 10, 1) == []
        assert store.enlist("r1", 5).priority == 5
        assert store.take_runs("w1", 10, 1) == ["r1"]
        assert store.enlist("r1", 7).priority == 5

    def test_an_order_is_placed_once(self, store: Store) -> None:
        """Its key brings the same order again, for the same items; its batch's name is taken."""
        made = store.place_order(*an_order(key="k"))
        assert store.ordered("b1") == store.ordered(key="k") == made
        assert store.known_batch("b1").created_at
        assert store.place_order(*an_order("b2", key="k")) == made
        order, batch = an_order("b2", key="k")
        with pytest.raises(UsageError, match="the key 'k' belongs to the batch 'b1'"):
            store.place_order(order.model_copy(update={"mark": "other"}), batch)
        with pytest.raises(UsageError, match="there is a batch 'b1' already"):
            store.place_order(*an_order())
        assert store.ordered("b2") is None
        assert store.ordered(key="") is None

    def test_an_order_moves_from_where_it_is_known_to_stand(self, store: Store) -> None:
        """Who comes second changes nothing; progress is kept, and says whether it is to stop."""
        store.place_order(*an_order())
        store.place_order(*an_order("b2"))
        assert store.note_progress("b1", {"done": 3}) == "running"
        assert store.move_order("b1", ("running",), "stopping")
        assert not store.move_order("b1", ("running",), "stopping")
        assert store.note_progress("b1", {"done": 4}) == "stopping"
        assert store.note_progress("nothing", {}) is None
        assert set(store.orders()) == {"b1", "b2"}
        assert set(store.orders("stopping", "stopped")) == {"b1"}
        assert store.move_order("b1", ("stopping",), "stopped", "told to", {"concurrency": 2})
        found = store.orders()["b1"]
        assert (found.state, found.why, found.terms) == ("stopped", "told to", {"concurrency": 2})
        assert found.progress == {"done": 4}
        assert store.move_order("b1", ("stopped",), "running")
        assert store.orders()["b1"].terms == {"concurrency": 2}

    def test_where_a_run_stands_is_posted_in_the_same_moment(self, store: Store) -> None:
        """Once for each webhook that wants it; an end again after it went on is another event."""
        store.subscribe(a_hook("run.failed", "run.waiting"))
        store.subscribe(a_hook("run.done", ident="h2"))
        store.set_status("r1", RunStatus.RUNNING)
        store.set_status("r1", RunStatus.WAITING, reason="quota", until="2026-11-23T10:00:00Z")
        store.set_status("r1", RunStatus.WAITING, reason="approval")
        store.set_status("r1", RunStatus.WAITING, reason="approval")
        for _ in range(2):
            store.append("r1", "run.resumed", {})
            store.set_status("r1", RunStatus.RUNNING)
            store.set_status("r1", RunStatus.FAILED, error={"error": "X", "message": "no"})
        found = store.deliveries("h1", 10)
        assert sorted(each.event for each in found) == ["run.failed", "run.failed", "run.waiting"]
        assert len({each.id for each in found}) == 3
        assert all(each.subject == "r1" and each.state == "pending" for each in found)
        assert found[0].data["status"] in ("failed", "waiting")
        assert store.deliveries("h2", 10) == []

    def test_a_wait_and_a_cancel_at_the_same_line_of_the_log_are_two_events(self, store: Store) -> None:
        """A run that waits is cancelled without anything being logged in between."""
        store.subscribe(a_hook("run.waiting", "run.cancelled"))
        store.set_status("r1", RunStatus.WAITING, reason="review")
        store.set_status("r1", RunStatus.CANCELLED)
        assert {each.event for each in store.deliveries("h1", 5)} == {"run.waiting", "run.cancelled"}

    def test_what_was_taken_back_is_not_posted(self, store: Store) -> None:
        """A transaction that fails leaves neither the status nor the delivery."""
        store.subscribe(a_hook("run.done"))

        def broken() -> None:
            with store.together("r1", durable=True):
                store.set_status("r1", RunStatus.DONE)
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            broken()
        assert store.run("r1").status is RunStatus.QUEUED
        assert store.deliveries("h1", 10) == []

    def test_a_delivery_is_claimed_by_one(self, store: Store, clock: FakeClock) -> None:
        """Until its lease is over: a process that was killed in between leaves it to another one."""
        store.subscribe(a_hook("batch.ended"))
        for n in range(3):
            store.batch_ended(f"b{n}", "done")
        with ThreadPoolExecutor(3) as pool:
            claimed = [each.id for some in pool.map(lambda _: store.claim(2, 60), range(3)) for each in some]
        assert len(claimed) == len(set(claimed)) == 3
        assert store.claim(5, 60) == []
        clock.pass_(seconds=61)
        again = store.claim(5, 60)
        assert {each.id for each in again} == set(claimed)
        assert {each.tries for each in again} == {2}

    def test_how_a_try_went_is_kept(self, store: Store, clock: FakeClock) -> None:
        """What arrived is not sent again; what failed is, when it is due; its webhook fails since then."""
        store.subscribe(a_hook("batch.ended"))
        store.batch_ended("b1", "done")
        (tried,) = store.claim(5, 60)
        began = store.time()
        store.delivery_went(
            tried.model_copy(update={"due": began + 5, "body": "{}", "code": 500, "wrong": "x"})
        )
        assert store.hooks()[0].failing_since == began
        assert store.claim(5, 60) == []
        clock.pass_(seconds=6)
        (again,) = store.claim(5, 60)
        assert (again.body, again.code, again.tries) == ("{}", 500, 2)
        store.delivery_went(again.model_copy(update={"due": began, "code": 500}))
        assert store.hooks()[0].failing_since == began
        (last,) = store.claim(5, 60)
        store.delivery_went(last.model_copy(update={"state": "delivered", "code": 204}))
        assert store.hooks()[0].failing_since is None
        clock.pass_(days=1)
        assert store.claim(5, 60) == []
        store.forget_deliveries("2026-11-23T00:00:00Z")
        assert len(store.deliveries("h1", 10)) == 1
        store.forget_deliveries("2026-11-24T00:00:00Z")
        assert store.deliveries("h1", 10) == []

    def test_a_disabled_webhook_is_told_nothing_and_a_deleted_one_is_gone(self, store: Store) -> None:
        """What was on its way waits while it is disabled; what happens then is not told."""
        hook = store.subscribe(a_hook("run.done", "batch.ended"))
        assert store.hooks() == [hook]
        store.batch_ended("b1", "done")
        changed = store.change_hook("h1", disabled_at="2026-11-23T09:00:00Z", why="x", events=["run.done"])
        assert (changed.why, changed.events) == ("x", ["run.done"])
        store.set_status("r1", RunStatus.DONE)
        assert store.claim(5, 60) == []
        store.change_hook("h1", disabled_at=None)
        assert [each.event for each in store.claim(5, 60)] == ["batch.ended"]
        assert store.try_hook("h1", 60).event == "webhook.test"
        assert store.claim(5, 60) == []
        store.unsubscribe("h1")
        assert store.hooks() == []
        assert store.deliveries("h1", 10) == []
        with pytest.raises(UsageError, match="there is no webhook 'h1'"):
            store.change_hook("h1", why="")

    def test_a_run_of_nobody_is_posted_to_nobody(self, store: Store) -> None:
        """Without webhooks nothing is kept."""
        store.set_status("r1", RunStatus.DONE)
        store.subscribe(a_hook("run.done"))
        assert store.claim(5, 60) == []
        store.create_run(a_run("r2"))
        store.set_status("r2", RunStatus.CANCELLED)
        assert store.claim(5, 60) == []
