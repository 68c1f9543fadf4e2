"""The Verifier's flow against a server without a network: what is sent, what is healed, what is said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from definable.calls import Ask, Decision, Outcome, Phase, Receipt, Send
from definable.errors import ReplayError
from definable.verify.case import Catalog
from definable.verify.flow import advance, replay
from tests.unit.acme import CATALOG, LOST, NO_KEY, REFUSED, TOOLKIT, Acme, answer, call, run

YES = Decision(approve=True, by="ann")
NO = Decision(approve=False, by="ann", reason="not today")


def done_then(outcome: Outcome) -> Callable[[Acme, Send], Outcome]:
    """The server does it, but the client sees `outcome`."""

    def fault(acme: Acme, send: Send) -> Outcome:
        acme.serve(send)
        return outcome

    return fault


def rules(receipt: Receipt) -> list[tuple[str, str]]:
    """The heals of a receipt as (class, rule)."""
    return [(h.failure.value, h.rule) for h in receipt.heals]


def test_a_write_that_goes_well_is_read_back() -> None:
    """One send, one look before and one after; evidence is the state that was seen."""
    acme = Acme()
    receipt, history = run(call("ACME_CREATE", title="a", text="b"), acme)
    assert (receipt.status, receipt.evidence, receipt.attempts) == ("verified", "state", 1)
    assert [e.order.role for e in history if isinstance(e.order, Send)] == ["before", "call", "look"]
    assert acme.effects == ["ACME_CREATE"]


@pytest.mark.parametrize(
    ("headers", "waited", "rule"),
    [
        ({"retry_after": "3"}, 3.05, "retry_after"),
        ({"retry_after": "1.5"}, 1.55, "retry_after"),
        (
            {"retry_after": "Mon, 23 Nov 2026 10:00:07 GMT", "date": "Mon, 23 Nov 2026 10:00:00 GMT"},
            7.05,
            "retry_after",
        ),
        ({}, None, "backoff"),
        ({"retry_after": "soon"}, None, "backoff"),
        ({"retry_after": "-5"}, None, "backoff"),
    ],
)
def test_a_429_is_waited_out(headers: dict[str, str], waited: float | None, rule: str) -> None:
    """The server's own waiting time is kept to, as seconds or as a date; without one the wait grows."""
    acme = Acme(ACME_CREATE=[answer(429, {"message": "slow down"}, **headers)])
    receipt, _ = run(call("ACME_CREATE", title="a", text="b"), acme)
    assert receipt.status == "verified"
    assert receipt.attempts == 2
    assert rules(receipt) == [("rate_limited", rule)]
    assert acme.waited == (waited if waited is not None else pytest.approx(1.5, abs=0.5))


def test_a_429_is_never_given_up() -> None:
    """Fifty refusals in a row cost time, not the call."""
    acme = Acme(ACME_LIST=[answer(429)] * 50)
    receipt, _ = run(call("ACME_LIST"), acme)
    assert receipt.status == "verified"
    assert receipt.attempts == 51


@pytest.mark.parametrize(
    "headers",
    [
        {"retry_after": "0"},
        {"retry_after_ms": "0"},
        {"retry_after": "Mon, 23 Nov 2026 09:00:00 GMT", "date": "Mon, 23 Nov 2026 10:00:00 GMT"},
    ],
)
def test_a_429_that_asks_for_no_wait_is_not_sent_again_without_one(headers: dict[str, str]) -> None:
    """The first time it is believed; fifty of them take more than a minute, not two seconds."""
    acme = Acme(ACME_LIST=[answer(429, **headers)] * 50)
    receipt, history = run(call("ACME_LIST"), acme)
    assert (receipt.status, receipt.attempts) == ("verified", 51)
    delays = [e.order.delay for e in history if isinstance(e.order, Send)]
    assert delays[:2] == [0.0, 0.05]
    assert all(1.0 <= delay <= 2.0 for delay in delays[8:])


def test_a_401_takes_the_next_key_once_and_then_waits_for_a_person() -> None:
    """The order after a 401 asks for a fresh key; with none left the call asks and goes on when told."""
    acme = Acme(ACME_GET=[answer(401, "Unauthorized"), NO_KEY])
    acme.add("a", "b")
    receipt, history = run(call("ACME_GET", id="n1"), acme, Decision(approve=True, by="resume"))
    assert receipt.status == "verified"
    assert [(e.order.kind, getattr(e.order, "fresh", None)) for e in history] == [
        ("send", False),
        ("send", True),
        ("ask", None),
        ("send", False),
    ]
    assert rules(receipt) == [("auth_expired", "next_source"), ("auth_expired", "resumed")]


STRAY = answer(401, "Unauthorized").model_copy(
    update={"stray": True, "credential": "KEY", "error": "KEY was refused here, and accepted by ACME_ME"}
)


def test_a_401_for_a_good_key_is_sent_once_more() -> None:
    """The same key, a moment later, and nobody is asked; it takes none of the run's retries."""
    acme = Acme(ACME_CREATE=[STRAY])
    receipt, history = run(call("ACME_CREATE", title="a", text="b"), acme)
    assert (receipt.status, receipt.attempts, receipt.retries) == ("verified", 2, 0)
    assert rules(receipt) == [("auth_stray", "key_is_good")]
    sent = [e.order for e in history if isinstance(e.order, Send) and e.order.role == "call"]
    assert [(order.fresh, 0 <= order.delay <= 1) for order in sent] == [(False, True)] * 2
    assert acme.effects == ["ACME_CREATE"]


def test_a_second_401_for_a_good_key_is_no_matter_of_the_key() -> None:
    """It is not sent a third time, and the message says what else it can be."""
    acme = Acme(ACME_CREATE=[STRAY] * 3)
    receipt, _ = run(call("ACME_CREATE", title="a", text="b"), acme)
    assert (receipt.status, receipt.failure.value, receipt.attempts) == ("failed", "permission", 2)
    assert receipt.message.endswith(
        "accepted by ACME_ME; Unauthorized. Sent twice and refused twice, though the "
        "key is good: either it lacks a permission or scope for this, or Acme fails at this operation"
        "; a look showed nothing of it"
    )
    assert acme.effects == []


def test_each_key_may_be_refused_once_by_mistake() -> None:
    """After another key has come up, a 401 says as little as the first one did."""
    refused = answer(401, "Unauthorized")
    acme = Acme(ACME_GET=[STRAY, refused, STRAY, STRAY.model_copy(update={"credential": "NEXT"})])
    acme.add("a", "b")
    receipt, _ = run(call("ACME_GET", id="n1"), acme)
    assert (receipt.status, receipt.attempts) == ("verified", 5)


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_lost_answer_to_a_create_is_adopted(status: int) -> None:
    """It happened and the answer was lost, as a time-out or a 5xx: it is found and not sent again."""
    for lost in (LOST, answer(status, {"message": "oops"})):
        acme = Acme(ACME_CREATE=[done_then(lost)])
        receipt, _ = run(call("ACME_CREATE", title="a", text="b"), acme)
        assert (receipt.status, receipt.attempts) == ("verified", 1)
        assert acme.effects == ["ACME_CREATE"]
        assert rules(receipt)[-1][1] == "adopted"


def test_a_create_that_did_not_happen_is_sent_again_after_the_settle_time() -> None:
    """Absence counts only after the settle time; then it is sent again, once."""
    acme = Acme(ACME_CREATE=[LOST])
    receipt, _ = run(call("ACME_CREATE", title="a", text="b"), acme)
    assert (receipt.status, receipt.attempts) == ("verified", 2)
    assert acme.waited >= 5
    assert acme.effects == ["ACME_CREATE"]
    assert rules(receipt) == [("unknown_outcome", "resent")]


def test_an_effect_that_shows_up_late_is_not_sent_again() -> None:
    """It commits after the first look and before the settle time is over."""

    def late(acme: Acme, send: Send) -> Outcome:
        acme.late.append(lambda: acme.serve(send))
        return LOST

    acme = Acme(ACME_CREATE=[late])
    receipt, _ = run(call("ACME_CREATE", title="a", text="b"), acme)
    assert (receipt.status, receipt.attempts) == ("verified", 1)
    assert acme.effects == ["ACME_CREATE"]


def test_what_was_there_before_is_never_adopted() -> None:
    """An equal note of somebody else, older than the call, is not taken for the lost one."""
    acme = Acme(ACME_CREATE=[LOST])
    acme.add("a", "b")
    receipt, _ = run(call("ACME_CREATE", title="a", text="b"), acme)
    assert receipt.attempts == 2
    assert receipt.result["id"] == "n2"


def test_two_new_matches_are_for_a_person() -> None:
    """Nobody can tell which one is ours; both are laid out, and the one that is named is adopted."""

    def twice(acme: Acme, send: Send) -> Outcome:
        acme.serve(send)
        acme.add(send.arguments["title"], send.arguments["text"])
        return LOST

    acme = Acme(ACME_CREATE=[twice])
    pick = Decision(approve=True, by="ann", adopt="n2")
    receipt, history = run(call("ACME_CREATE", title="a", text="b"), acme, pick)
    asked = [e.order for e in history if e.order.kind == "ask"]
    assert [c["id"] for c in asked[0].candidates] == ["n1", "n2"]
    assert receipt.status == "verified"
    assert receipt.result["id"] == "n2"
    denied, _ = run(call("ACME_CREATE", title="a", text="b"), Acme(ACME_CREATE=[twice]), NO)
    assert denied.status == "needs_review"


def test_a_200_that_did_nothing_is_found_out_and_sent_again() -> None:
    """The server accepts and does nothing; the look says so, and after the settle time it is sent again."""
    ghost = answer(201, {"id": "n9", "title": "a", "text": "b"})
    acme = Acme(ACME_CREATE=[ghost])
    receipt, _ = run(call("ACME_CREATE", title="a", text="b"), acme)
    assert (receipt.status, receipt.attempts) == ("verified", 2)
    assert rules(receipt) == [("false_success", "resent")]
    assert acme.effects == ["ACME_CREATE"]


def test_a_timeout_that_is_told_as_a_refusal_is_looked_into() -> None:
    """A 408 from on the way says nothing of what was behind it: writes are found, reads repeated."""

    late = answer(408, {}).model_copy(update={"phase": Phase.UNKNOWN})

    def served(acme: Acme, send: Send) -> Outcome:
        acme.serve(send)
        return late

    acme = Acme(ACME_CREATE=[served], ACME_LIST=[late])
    receipt, _ = run(call("ACME_CREATE", title="a", text="b"), acme)
    assert (receipt.status, receipt.attempts) == ("verified", 1)
    assert rules(receipt)[-1] == ("upstream_5xx", "adopted")
    assert acme.effects == ["ACME_CREATE"]


def test_what_was_made_in_another_form_is_not_made_again() -> None:
    """The note of the answer's id is new and there, with another text: a person decides, nothing is sent."""

    def loud(acme: Acme, send: Send) -> Outcome:
        return answer(201, acme.add(send.arguments["title"], send.arguments["text"].upper()))

    acme = Acme(ACME_CREATE=[loud])
    receipt, history = run(call("ACME_CREATE", title="a", text="b"), acme, NO)
    (asked,) = [e.order for e in history if e.order.kind == "ask"]
    assert "wanted 'b', found 'B'" in asked.question
    assert "it was made, and is there in another form" in asked.question
    assert asked.yes == "take n1 as it is: the call is done"
    assert asked.again == "send it again: a second one is made, and the first stays"
    assert (receipt.status, receipt.attempts) == ("needs_review", 1)
    for yes in (YES, YES.model_copy(update={"adopt": "n1"})):
        acme = Acme(ACME_CREATE=[loud])
        receipt, _ = run(call("ACME_CREATE", title="a", text="b"), acme, yes)
        assert (receipt.status, receipt.evidence, receipt.attempts) == ("verified", "existence", 1)
        assert (receipt.result["text"], receipt.decided_by, len(acme.notes)) == ("B", "ann", 1)
        assert receipt.message.startswith("there in another form than asked for (")
        assert "wanted 'b', found 'B'); ann took it as it is" in receipt.message
        assert rules(receipt) == [("false_success", "taken_by_person")]
    acme = Acme(ACME_CREATE=[loud])
    receipt, _ = run(call("ACME_CREATE", title="a", text="b"), acme, YES.model_copy(update={"again": True}))
    assert (receipt.status, receipt.attempts, len(acme.notes)) == ("verified", 2, 2)


@pytest.mark.parametrize("done", [False, True])
def test_an_answer_about_what_was_there_before_proves_nothing(done: bool) -> None:
    """From a cache, or meant for another request: what is alike and was there is not the effect of this."""

    def stale(acme: Acme, send: Send) -> Outcome:
        if done:
            acme.serve(send)
        return answer(201, dict(acme.notes["n1"]))

    acme = Acme(ACME_CREATE=[stale])
    acme.add("a", "b")
    receipt, _ = run(call("ACME_CREATE", title="a", text="b"), acme)
    assert (receipt.status, receipt.result["id"], acme.effects) == ("verified", "n2", ["ACME_CREATE"])
    assert rules(receipt) == [("false_success", "adopted" if done else "resent")]
    assert list(acme.notes) == ["n1", "n2"]


def test_an_answer_about_what_was_there_before_is_not_believed_however_often() -> None:
    """A server that makes one of what is alike ends it as what it is: accepted, and not done."""
    acme = Acme(ACME_CREATE=[lambda a, _: answer(201, dict(a.notes["n1"]))] * 9)
    acme.add("a", "b")
    receipt, _ = run(call("ACME_CREATE", title="a", text="b"), acme)
    assert (receipt.status, receipt.failure.value, acme.effects) == ("failed", "false_success", [])
    assert receipt.message.startswith("accepted, but a look shows that it was not done")


def test_one_thing_on_two_pages_is_one() -> None:
    """It moved on and was changed while the list was read: nobody is asked which of the two it is."""
    acme = Acme(ACME_CREATE=[done_then(LOST)])
    old = acme.add("x", "y")
    ours = {"id": "n2", "title": "a", "text": "b"}
    first = answer(200, {"values": [old, {**ours, "size": 1}], "after": "1"})
    acme.faults["ACME_LIST"] = [
        lambda *_: None,
        first,
        answer(200, {"values": [{**ours, "size": 2}], "after": None}),
    ]
    receipt, history = run(call("ACME_CREATE", title="a", text="b"), acme)
    assert (receipt.status, receipt.evidence, acme.effects) == ("verified", "state", ["ACME_CREATE"])
    assert not [e for e in history if isinstance(e.order, Ask)]


def test_another_new_one_that_matches_is_not_taken_for_what_was_made() -> None:
    """The answer told the id of ours, which is there in another form: what matches is a stranger's."""

    def loud(acme: Acme, send: Send) -> Outcome:
        acme.add("a", "b")
        return answer(201, acme.add("a", "B"))

    receipt, history = run(call("ACME_CREATE", title="a", text="b"), Acme(ACME_CREATE=[loud]), NO)
    (asked,) = [e.order for e in history if e.order.kind == "ask"]
    assert asked.candidates[0]["id"] == "n2"
    assert receipt.status == "needs_review"


def test_what_two_looks_tell_in_two_ways_is_in_doubt() -> None:
    """The list shows it as it was wanted, so that it is there: who hears of a failure would make it again."""
    other = answer(200, {"id": "n1", "title": "b", "text": "a"})
    acme = Acme(ACME_GET=[other] * 9)
    receipt, _ = run(call("ACME_CREATE", title="a", text="b"), acme)
    assert (receipt.status, receipt.result["id"], acme.effects) == ("needs_review", "n1", ["ACME_CREATE"])
    assert receipt.message.startswith("it was made, as a list shows, and is read back as something else: ")


def test_a_server_that_always_lies_is_never_believed() -> None:
    """After the resends are used up the call has failed, whatever the status said."""
    ghost = answer(200, {"id": "n1", "title": "a", "text": "new"})
    acme = Acme(ACME_UPDATE=[ghost] * 9)
    acme.add("a", "old")
    receipt, _ = run(call("ACME_UPDATE", id="n1", text="new"), acme)
    assert (receipt.status, receipt.failure) == ("failed", "false_success")
    assert "wanted 'new', found 'old'" in receipt.message


def test_errors_inside_a_success_are_a_failure() -> None:
    """What the server itself reports is not read past."""
    partial = answer(201, {"id": "n1", "title": "a", "text": "b", "errors": ["half of it"]})
    receipt, _ = run(call("ACME_CREATE", title="a", text="b"), Acme(ACME_CREATE=[partial]))
    assert receipt.status == "failed"
    assert "half of it" in receipt.message


def test_a_list_is_read_to_its_last_page() -> None:
    """A list without a page size is whole; its further pages are no attempts of the call itself."""
    acme = Acme()
    for i in range(5):
        acme.add(f"t{i}", "x")
    receipt, history = run(call("ACME_LIST"), acme)
    assert [n["title"] for n in receipt.result["values"]] == ["t0", "t1", "t2", "t3", "t4"]
    assert receipt.result["after"] is None
    assert (receipt.attempts, len(history)) == (1, 3)


def test_a_list_that_never_ends_fails() -> None:
    """The same cursor again is no next page."""
    page = answer(200, {"values": [], "after": "7"})
    receipt, _ = run(call("ACME_LIST"), Acme(ACME_LIST=[page] * 9))
    assert receipt.status == "failed"
    assert "does not end" in receipt.message


def test_a_renamed_cursor_never_passes_for_the_last_page() -> None:
    """The field that says where the list goes on got another name: healed or refused, never ignored."""

    def renamed(acme: Acme, send: Send) -> Outcome:
        body = dict(acme.serve(send).body)
        body["after_cursor"] = body.pop("after")
        return answer(200, body)

    acme = Acme(ACME_LIST=[renamed] * 9)
    for i in range(5):
        acme.add(f"t{i}", "x")
    receipt, _ = run(call("ACME_LIST"), acme)
    assert receipt.status == "failed" or len(receipt.result["values"]) == 5


def test_a_changed_success_code_is_accepted_and_noted() -> None:
    """200 where 201 was promised, with the right body."""

    def other(acme: Acme, send: Send) -> Outcome:
        return answer(200, acme.serve(send).body)

    receipt, _ = run(call("ACME_CREATE", title="a", text="b"), Acme(ACME_CREATE=[other]))
    assert receipt.status == "verified"
    assert rules(receipt) == [("drift", "success_code")]


def test_garbage_after_a_write_is_looked_past() -> None:
    """A 201 with HTML: it is looked for, found and adopted."""
    acme = Acme(ACME_CREATE=[done_then(answer(201, "<html>hello</html>"))])
    receipt, _ = run(call("ACME_CREATE", title="a", text="b"), acme)
    assert (receipt.status, receipt.attempts) == ("verified", 1)
    assert rules(receipt) == [("drift", "adopted")]


def test_garbage_on_a_read_is_read_again() -> None:
    """One bad answer is passed over, and twice; the third time it is no accident."""
    bad = answer(200, "<html><title>Just a moment</title></html>")
    acme = Acme(ACME_GET=[bad, bad])
    acme.add("a", "b")
    assert run(call("ACME_GET", id="n1"), acme)[0].status == "verified"
    receipt, history = run(call("ACME_GET", id="n1"), Acme(ACME_GET=[bad] * 9))
    assert (receipt.status, receipt.failure, len(history)) == ("failed", "wrong_host", 3)
    assert "'Just a moment'" in receipt.message
    assert "Check ACME_URL" in receipt.message


def test_odd_answers_take_nothing_from_the_tries_for_transient_failures() -> None:
    """Two answers that cannot be read, and four 503: there is still one attempt left."""
    bad, down = answer(200, {"id": 1}), answer(503, {"message": "down"})
    acme = Acme(ACME_GET=[down, bad, down, bad, down, down])
    acme.add("a", "b")
    assert run(call("ACME_GET", id="n1"), acme)[0].status == "verified"


@pytest.mark.parametrize("answered", [True, False])
def test_a_read_that_no_rule_can_repair_waits_for_a_person(answered: bool) -> None:
    """After three answers of the same kind: the question has the diff; yes reads again, no fails the read."""
    odd = answer(200, {"id": "n1", "heading": "a", "caption": "a", "text": "b"})
    acme = Acme(ACME_GET=[odd] * 3)
    acme.add("a", "b")
    receipt, history = run(call("ACME_GET", id="n1"), acme, Decision(approve=answered, by="ann"))
    ask = history[3].order
    assert isinstance(ask, Ask)
    assert ask.reason == "review"
    assert "wrong: title is missing" in ask.diff
    assert "new: heading" in ask.diff
    assert ask.yes
    assert ask.no
    assert receipt.decided_by == "ann"
    assert (receipt.status, len(history)) == (("verified", 5) if answered else ("failed", 4))


def test_a_page_from_a_host_that_has_spoken_json_is_not_another_host() -> None:
    """The first answer was the API's: what comes instead of the second is its drift."""
    page = answer(200, "<html>maintenance</html>")
    acme = Acme(ACME_GET=[answer(503, {"message": "down"}), page, page, page])
    receipt, history = run(call("ACME_GET", id="n1"), acme)
    assert (receipt.failure, history[-1].order.kind) == ("drift", "ask")


@pytest.mark.parametrize(
    "seen",
    [
        answer(302, None, location="https://login.example/"),
        answer(404, "<!doctype html><title>Not here</title>", content_type="text/html"),
        answer(200, "It works!", content_type="text/plain"),
    ],
)
def test_what_is_not_the_api_is_told_with_what_to_check(seen: Outcome) -> None:
    """A login page, somebody else's 404, another server: the message says what it is and what to set."""
    receipt, history = run(call("ACME_GET", id="n1"), Acme(ACME_GET=[seen] * 9))
    assert (receipt.status, receipt.failure, len(history)) == ("failed", "wrong_host", 3)
    assert "does not look like the API of Acme" in receipt.message
    assert "https://acme.example" in receipt.message
    assert str(seen.status) in receipt.message


@pytest.mark.parametrize(
    ("status", "failure"),
    [(400, "invalid_input"), (403, "permission"), (404, "not_found"), (409, "conflict")],
)
def test_what_waiting_cannot_heal_is_not_sent_again(status: int, failure: str) -> None:
    """One send, and the server's own words with what the toolkit knows."""
    acme = Acme(ACME_GET=[answer(status, {"message": "no", "issues": [{"message": "id is odd"}]})])
    receipt, history = run(call("ACME_GET", id="n1"), acme)
    assert (receipt.status, receipt.failure, len(history)) == ("failed", failure, 1)
    assert "no: id is odd" in receipt.message


def test_a_connection_that_is_refused_is_tried_seven_times() -> None:
    """Nothing was sent, so a write may be tried again; then the receipt says that nobody was there."""
    acme = Acme(ACME_UPDATE=[REFUSED, REFUSED])
    acme.add("a", "b")
    assert run(call("ACME_UPDATE", id="n1", text="c"), acme)[0].status == "verified"
    receipt, history = run(call("ACME_UPDATE", id="n1", text="c"), Acme(ACME_UPDATE=[REFUSED] * 9))
    assert (receipt.status, receipt.failure, len(history)) == ("failed", "network", 7)
    assert receipt.attempts == 0


def test_a_delete_asks_and_a_no_sends_nothing() -> None:
    """A denied call has a receipt that says who denied it."""
    acme = Acme()
    acme.add("a", "b")
    asked = call("ACME_DELETE", id="n1").model_copy(update={"approval": "needed"})
    receipt, _ = run(asked, acme, NO)
    assert (receipt.status, receipt.decided_by, receipt.message) == ("denied", "ann", "not today")
    assert acme.effects == []
    receipt, _ = run(asked, acme, YES)
    assert (receipt.status, receipt.evidence, receipt.decided_by) == ("verified", "existence", "ann")


def test_a_delete_whose_answer_was_lost_is_seen_to_be_done() -> None:
    """It is gone from the list, so the delete happened; it is not sent again."""
    acme = Acme(ACME_DELETE=[done_then(LOST)])
    acme.add("a", "b")
    receipt, _ = run(call("ACME_DELETE", id="n1"), acme)
    assert (receipt.status, receipt.attempts, acme.effects) == ("verified", 1, ["ACME_DELETE"])


def test_where_nobody_can_look_a_person_decides() -> None:
    """A lost answer with no way to look is never resent by itself."""
    acme = Acme(ACME_BAN=[LOST])
    receipt, history = run(call("ACME_BAN"), acme, NO)
    assert (receipt.status, len(acme.effects)) == ("needs_review", 0)
    asked = history[-1].order
    assert isinstance(asked, Ask)
    assert "nobody can look" in asked.question
    receipt, _ = run(call("ACME_BAN"), Acme(ACME_BAN=[LOST]), YES)
    assert (receipt.status, receipt.evidence) == ("verified", "response")


def test_a_started_job_is_done_when_it_has_ended() -> None:
    """The result is the finished job; unknown states are waited on."""
    acme = Acme()
    acme.states = ["queued", "something new", "done"]
    receipt, _ = run(call("ACME_START"), acme)
    assert (receipt.status, receipt.result["state"], receipt.attempts) == ("verified", "done", 1)
    acme.states = ["broken"]
    receipt, _ = run(call("ACME_START"), acme)
    assert (receipt.status, receipt.failure) == ("failed", "false_success")


def test_ensure_updates_what_is_there() -> None:
    """Twice the same leaves one; equal already means that nothing is sent."""
    acme = Acme()
    once = call("ACME_CREATE", title="a", text="b").model_copy(update={"ensure": ("title",)})
    first, _ = run(once, acme)
    assert (first.tool, acme.effects) == ("ACME_CREATE", ["ACME_CREATE"])
    same, _ = run(once, acme)
    assert (same.status, same.attempts, len(acme.notes)) == ("verified", 0, 1)
    other = call("ACME_CREATE", title="a", text="c").model_copy(update={"ensure": ("title",)})
    second, _ = run(other, acme)
    assert (second.tool, second.status, second.attempts) == ("ACME_UPDATE", "verified", 1)
    assert [n["text"] for n in acme.notes.values()] == ["c"]
    acme.add("a", "z")
    both, _ = run(other, acme)
    assert both.status == "needs_review"
    assert "n1, n2" in both.message


FAULTS: list[Any] = [
    done_then(answer(429, retry_after="2")),
    done_then(answer(403, {"message": "no"})),
    done_then(answer(401, "Unauthorized")),
    LOST,
    done_then(LOST),
    answer(500, {"message": "x"}),
    done_then(answer(502)),
    answer(429, retry_after="1"),
    answer(401, "Unauthorized"),
    STRAY,
    REFUSED,
    answer(201, {"id": "n9", "title": "a", "text": "b"}),
    done_then(answer(201, "<html>")),
    done_then(answer(201, {"data": {"wrapped": True}})),
]


@given(st.lists(st.sampled_from(FAULTS), max_size=3), st.lists(st.sampled_from(FAULTS[7:11]), max_size=3))
def test_whatever_happens_a_verified_create_is_there_exactly_once(
    writes: list[Any], reads: list[Any]
) -> None:
    """Any three faults on the write and any three on the looks: verified means one effect, and no more."""
    acme = Acme(ACME_CREATE=list(writes), ACME_LIST=list(reads), ACME_GET=list(reads))
    receipt, _ = run(call("ACME_CREATE", title="a", text="b"), acme, *[NO] * 9)
    if receipt.status == "verified":
        assert acme.effects == ["ACME_CREATE"]
        assert acme.notes[receipt.result["id"]]["text"] == "b"
    assert len(acme.effects) <= 1


@given(st.lists(st.sampled_from(FAULTS), max_size=3), st.integers(0, 30))
def test_a_crash_at_any_exchange_goes_on_where_it_was(writes: list[Any], crash: int) -> None:
    """Playing the recorded exchanges into a new flow asks for the same next order and ends the same."""
    asked = call("ACME_CREATE", title="a", text="b")
    whole, history = run(asked, Acme(ACME_CREATE=list(writes)), *[NO] * 9)
    flow, step = replay(asked, CATALOG, history[:crash])
    for exchange in history[crash:]:
        assert step == exchange.order
        step = advance(flow, exchange.reply)
    assert step == whole


def test_a_history_that_does_not_fit_is_refused() -> None:
    """Other rules than those that recorded it would send something else: nothing is sent."""
    asked = call("ACME_CREATE", title="a", text="b")
    _, history = run(asked, Acme())
    with pytest.raises(ReplayError, match="recorded send of 'ACME_LIST'"):
        replay(call("ACME_GET", id="n1"), CATALOG, history)
    assert Catalog({"X": (TOOLKIT, TOOLKIT.tools["ACME_GET"])})["X"][0] is TOOLKIT
