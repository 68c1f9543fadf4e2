"""A refusal is the server's word: what it had done all the same is found, and never done a second time."""

from __future__ import annotations

from typing import Any

import pytest

from definable.calls import Ask, Decision, Exchange, Outcome, Receipt, Send
from definable.verify.case import Catalog
from definable.verify.flow import advance, replay
from tests.unit.acme import CATALOG, LOST, NO_KEY, TOOLKIT, Acme, answer, call, run
from tests.unit.test_flow import FAULTS, NO, YES, done_then, rules

FAILURES = {
    400: "invalid_input",
    401: "auth_expired",
    403: "permission",
    404: "not_found",
    409: "conflict",
    422: "invalid_input",
    429: "rate_limited",
}
NOTE = {"title": "a", "text": "b"}


def roles(history: list[Exchange]) -> list[str]:
    """What was sent or asked, in order."""
    return [e.order.role if isinstance(e.order, Send) else e.order.reason for e in history]


def no(status: int) -> Outcome:
    """A refusal as servers word it."""
    return answer(status, {"message": "no"})


def passes(acme: Acme, send: Send) -> None:
    """Nothing goes wrong this time."""


@pytest.mark.parametrize("status", FAILURES)
def test_a_create_that_was_refused_and_done_is_adopted(status: int) -> None:
    """Whatever the refusal: sent once, there once, read back, and the receipt says that it was refused."""
    acme = Acme(ACME_CREATE=[done_then(no(status))])
    receipt, history = run(call("ACME_CREATE", **NOTE), acme)
    assert (receipt.status, receipt.evidence, receipt.attempts) == ("verified", "state", 1)
    assert acme.effects == ["ACME_CREATE"]
    assert rules(receipt)[-1] == (FAILURES[status], "refused_but_done")
    assert f"{status}: no" in receipt.heals[-1].detail
    assert roles(history) == ["before", "call", "look", "look"]


@pytest.mark.parametrize("status", FAILURES)
def test_an_update_that_was_refused_and_done_is_seen_to_be_so(status: int) -> None:
    """What is shown is as it was wanted, whatever was said."""
    acme = Acme(ACME_UPDATE=[done_then(no(status))])
    acme.add("a", "b")
    receipt, _ = run(call("ACME_UPDATE", id="n1", text="c"), acme)
    assert (receipt.status, receipt.attempts, acme.effects) == ("verified", 1, ["ACME_UPDATE"])
    assert rules(receipt)[-1][1] == "refused_but_done"


@pytest.mark.parametrize("status", [400, 403, 404, 409, 422])
@pytest.mark.parametrize("slug", ["ACME_CREATE", "ACME_UPDATE"])
def test_an_honest_refusal_fails_after_one_look(slug: str, status: int) -> None:
    """One send, one look, the server's own words, and on what they rest."""
    acme = Acme()
    acme.faults[slug] = [no(status)]
    acme.add("x", "y")
    given = NOTE if slug == "ACME_CREATE" else {"id": "n1", "text": "c"}
    receipt, history = run(call(slug, **given), acme)
    assert (receipt.status, receipt.failure) == ("failed", FAILURES[status])
    assert receipt.message.startswith(f"{status}: no")
    assert receipt.message.endswith("; a look showed nothing of it")
    assert roles(history).count("look") == 1
    assert acme.effects == []


@pytest.mark.parametrize("status", [401, 429])
def test_a_look_that_shows_all_things_in_another_way_does_not_tell(status: int) -> None:
    """Title and text have changed places in the whole list, so that what was done matches nothing in it."""

    def exchanged(acme: Acme, send: Send) -> Outcome:
        notes = [{**each, "title": each["text"], "text": each["title"]} for each in acme.notes.values()]
        return answer(200, {"values": notes, "after": None})

    acme = Acme(ACME_CREATE=[done_then(no(status))], ACME_LIST=[passes, *[exchanged] * 9])
    acme.add("x", "y")
    receipt, history = run(call("ACME_CREATE", **NOTE), acme)
    assert (receipt.status, acme.effects) == ("needs_review", ["ACME_CREATE"])
    (asked,) = [e.order for e in history if isinstance(e.order, Ask)]
    assert "is another than before, in all that were there" in asked.question


def test_an_honest_429_of_the_first_of_its_kind_is_just_waited_out() -> None:
    """Nothing was there to compare with, and somebody made something else meanwhile: nobody is asked."""

    def other(acme: Acme, send: Send) -> Outcome:
        acme.add("x", "y")
        return no(429)

    acme = Acme(ACME_CREATE=[other])
    receipt, history = run(call("ACME_CREATE", **NOTE), acme)
    assert (receipt.status, receipt.attempts, acme.effects) == ("verified", 2, ["ACME_CREATE"])
    assert not [e for e in history if isinstance(e.order, Ask)]


def test_the_look_takes_the_time_and_the_key_of_the_next_attempt() -> None:
    """After a 429 it waits as it was told, after a 401 it has the next key; then it is sent at once."""
    acme = Acme(ACME_CREATE=[answer(429, retry_after="3"), answer(401, "Unauthorized")])
    receipt, history = run(call("ACME_CREATE", **NOTE), acme)
    sends = [(e.order.role, e.order.delay, e.order.fresh) for e in history if isinstance(e.order, Send)]
    assert sends[1:6] == [
        ("call", 0.0, False),
        ("look", 3.05, False),
        ("call", 0.0, False),
        ("look", 0.0, True),
        ("call", 0.0, False),
    ]
    assert (receipt.status, acme.effects) == ("verified", ["ACME_CREATE"])


def test_a_burst_that_throttles_the_look_as_well_costs_one_request_more() -> None:
    """The look is what waits for the burst to pass: the write goes out once more, when it was let through."""
    acme = Acme(ACME_CREATE=[no(429)], ACME_LIST=[passes, *[no(429)] * 8])
    receipt, history = run(call("ACME_CREATE", **NOTE), acme)
    assert (receipt.status, receipt.attempts) == ("verified", 2)
    assert roles(history) == ["before", "call", *["look"] * 9, "call", "look"]


def test_a_refusal_is_looked_into_each_time() -> None:
    """The first was honest, the second not: it is there once."""
    acme = Acme(ACME_CREATE=[no(429), done_then(no(429))])
    receipt, _ = run(call("ACME_CREATE", **NOTE), acme)
    assert (receipt.status, receipt.attempts, acme.effects) == ("verified", 2, ["ACME_CREATE"])


def test_a_parked_call_looks_once_there_is_a_key() -> None:
    """Without a key the look waits for one, and finds what the refused write had done."""
    acme = Acme(ACME_CREATE=[done_then(no(401))], ACME_LIST=[passes, NO_KEY])
    receipt, history = run(call("ACME_CREATE", **NOTE), acme, YES)
    assert roles(history) == ["before", "call", "look", "auth", "look", "look"]
    assert (receipt.status, acme.effects) == ("verified", ["ACME_CREATE"])


@pytest.mark.parametrize("adopted", [True, False])
def test_a_request_that_was_refused_for_its_form_is_looked_for(adopted: bool) -> None:
    """The server names another field and had done it all the same; else it is sent in the new words."""
    refusal = answer(400, {"message": "unknown field: text", "issues": [{"message": "use body, not text"}]})
    acme = Acme(ACME_CREATE=[done_then(refusal) if adopted else refusal])
    receipt, history = run(call("ACME_CREATE", **NOTE), acme, YES)
    assert roles(history)[2] == "look"
    assert (receipt.status, acme.effects) == ("verified", ["ACME_CREATE"])
    assert receipt.attempts == (1 if adopted else 2)


@pytest.mark.parametrize("status", [403, 429])
def test_several_that_are_new_are_for_a_person(status: int) -> None:
    """Both are laid out: one is adopted, or none is and it goes on as refused, or it stays in doubt."""

    def twice(acme: Acme, send: Send) -> Outcome:
        acme.serve(send)
        acme.add(send.arguments["title"], send.arguments["text"])
        return no(status)

    pick = Decision(approve=True, by="ann", adopt="n2")
    chosen, history = run(call("ACME_CREATE", **NOTE), Acme(ACME_CREATE=[twice]), pick)
    (asked,) = [e.order for e in history if isinstance(e.order, Ask)]
    assert [c["id"] for c in asked.candidates] == ["n1", "n2"]
    assert (chosen.status, chosen.result["id"]) == ("verified", "n2")
    denied, _ = run(call("ACME_CREATE", **NOTE), Acme(ACME_CREATE=[twice]), NO)
    assert denied.status == "needs_review"
    none, _ = run(call("ACME_CREATE", **NOTE), Acme(ACME_CREATE=[twice]), YES)
    assert (none.status, none.attempts) == (("failed", 1) if status == 403 else ("verified", 2))
    assert ("resent_by_person" in [rule for _, rule in rules(none)]) == (status == 429)


def test_a_look_that_is_refused_as_well_leaves_the_refusal_as_it_is() -> None:
    """A key that may neither write nor read: failed by the first refusal, and no person is asked."""
    acme = Acme(ACME_UPDATE=[no(403)], ACME_GET=[no(403)])
    receipt, history = run(call("ACME_UPDATE", id="n1", text="c"), acme)
    assert (receipt.status, receipt.failure, roles(history)) == ("failed", "permission", ["call", "look"])
    assert "that nothing was done is the server's word: nobody could look (ACME_GET: 403" in receipt.message


def test_nothing_is_made_again_while_nobody_can_look() -> None:
    """A 429, and the list that would show it is refused: a person is asked before it is sent again."""
    acme = Acme(ACME_CREATE=[done_then(no(429))], ACME_LIST=[passes, no(403)])
    receipt, history = run(call("ACME_CREATE", **NOTE), acme, NO)
    assert (receipt.status, acme.effects) == ("needs_review", ["ACME_CREATE"])
    (asked,) = [e.order for e in history if isinstance(e.order, Ask)]
    assert asked.yes == "it was not done: send it again"


def test_an_update_is_sent_again_though_nobody_can_look() -> None:
    """Twice leaves the same; and a look that was refused is not tried after the next refusal."""
    acme = Acme(ACME_UPDATE=[no(429), no(429)], ACME_GET=[no(403)])
    acme.add("a", "b")
    receipt, history = run(call("ACME_UPDATE", id="n1", text="c"), acme)
    assert roles(history) == ["call", "look", "call", "call", "look"]
    assert receipt.status == "verified"


def test_where_no_look_tells_the_refusal_stands_on_the_servers_word() -> None:
    """Nothing is looked for, a 429 is waited out, and a failure says on what it rests."""
    receipt, history = run(call("ACME_BAN"), Acme(ACME_BAN=[no(429), no(403)]))
    assert roles(history) == ["call", "call"]
    assert receipt.message.endswith("that nothing was done is the server's word: nobody could look")


@pytest.mark.parametrize(("first", "status"), [(None, "failed"), (no(429), "verified")])
def test_what_is_gone_was_deleted_only_if_it_was_seen_before(first: Outcome | None, status: str) -> None:
    """A 404 for what a list lacks may be honest: unless a look has shown it, it is no success."""
    acme = Acme(ACME_DELETE=[*([first] if first else []), done_then(no(404))])
    acme.add("a", "b")
    receipt, _ = run(call("ACME_DELETE", id="n1"), acme)
    assert receipt.status == status
    assert ("a look does not tell" in receipt.message) == (status == "failed")


def test_conditions_that_say_nothing_prove_nothing() -> None:
    """Where the arguments name nothing that is looked at, a refusal stays one."""
    tool = TOOLKIT.tools["ACME_UPDATE"]
    blank = tool.model_copy(
        update={"expect": (tool.expect[0].model_copy(update={"is_": "${{ arguments.x }}"}),)}
    )
    catalog = Catalog({**CATALOG.tools, "ACME_UPDATE": (TOOLKIT, blank)})
    acme = Acme(ACME_UPDATE=[no(403)])
    acme.add("a", "b")
    receipt, _ = run(call("ACME_UPDATE", id="n1", text="c"), acme, catalog=catalog)
    assert (receipt.status, receipt.failure) == ("failed", "permission")


def test_an_outage_after_a_refusal_is_no_refusal() -> None:
    """The receipt of a connection that failed says nothing of looks into an earlier 429."""
    refused = Outcome(phase=LOST.phase.NOT_SENT, cause="connect", error="connection refused")
    receipt, _ = run(call("ACME_CREATE", **NOTE), Acme(ACME_CREATE=[no(429), *[refused] * 9]))
    assert (receipt.failure, receipt.message) == ("network", "connection refused")


@pytest.mark.parametrize("kept", [2, 3])
def test_a_log_from_before_refusals_were_looked_into_goes_on(kept: int) -> None:
    """It has the second attempt right after a 429; a new process follows it, and looks into what comes."""
    asked = call("ACME_CREATE", **NOTE)
    _, new = run(asked, Acme(ACME_CREATE=[no(429), no(429)]))
    without = [e for e in new if roles([e]) == ["call"] or e.n == 0][:kept]
    history = [e.model_copy(update={"n": n}) for n, e in enumerate(without)]
    flow, step = replay(asked, CATALOG, history)
    acme = Acme()
    while not isinstance(step, Receipt):
        assert isinstance(step, Send)
        step = advance(flow, acme.perform(step))
    assert (step.status, step.attempts) == ("verified", 2 if kept == 2 else 3)
    assert acme.effects == ["ACME_CREATE"]


@pytest.mark.parametrize("fault", FAULTS[:3])
@pytest.mark.parametrize("slug", ["ACME_CREATE", "ACME_UPDATE", "ACME_DELETE"])
def test_a_crash_at_any_exchange_after_a_refusal_goes_on_where_it_was(slug: str, fault: Any) -> None:
    """Each prefix of the log leads to the order that followed, and in the end to the same receipt."""
    asked = call(slug, **(NOTE if slug == "ACME_CREATE" else {"id": "n1", "text": "c"}))
    acme = Acme(**{slug: [no(429), fault, no(403)]})
    acme.add("x", "y")
    receipt, history = run(asked, acme)
    for n, exchange in enumerate(history):
        assert replay(asked, CATALOG, history[:n])[1] == exchange.order
    assert replay(asked, CATALOG, history)[1] == receipt
