"""A server that keeps what it is sent in a spelling of its own: nothing is made twice or failed when done."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Any

import pytest

from definable.calls import Ask, Decision, Outcome, Send
from definable.verify.case import Catalog
from definable.verify.readback import resembles
from tests.unit.acme import CATALOG, LOST, TOOLKIT, Acme, answer, call, run
from tests.unit.test_flow import YES, done_then, rules

WRITTEN = {"title": "Cafe\u0301 ", "text": "one\r\ntwo \r\n"}
SPELLINGS: dict[str, Callable[[str], str]] = {
    "trimmed": str.strip,
    "ends of lines": lambda text: text.replace("\r\n", "\n"),
    "composed": lambda text: unicodedata.normalize("NFC", text),
    "capitals": str.upper,
}
each_spelling = pytest.mark.parametrize("spelling", SPELLINGS)


class Speller(Acme):
    """Acme, which keeps titles and texts in its own spelling."""

    def __init__(self, spelling: str, **faults: Any) -> None:
        super().__init__(**faults)
        self.spell = SPELLINGS[spelling]
        self.notes["n1"] = {"id": "n1", "title": "other", "text": "other", "size": 5}

    def add(self, title: str, text: str) -> dict[str, Any]:
        """Put a note there as this server writes it."""
        return super().add(self.spell(title), self.spell(text))

    def serve(self, send: Send) -> Outcome:
        """An update is written in the same way."""
        if send.tool == "ACME_UPDATE":
            spelt = {**send.arguments, "text": self.spell(send.arguments["text"])}
            return super().serve(send.model_copy(update={"arguments": spelt}))
        return super().serve(send)


@each_spelling
@pytest.mark.parametrize("answered", [LOST, answer(429, {"message": "no"}), answer(403, {"message": "no"})])
def test_what_was_made_in_another_spelling_is_not_made_again(spelling: str, answered: Outcome) -> None:
    """No answer, or a refusal, and the list shows it trimmed: a person takes it, and it is there once."""
    acme = Speller(spelling, ACME_CREATE=[done_then(answered)])
    receipt, history = run(call("ACME_CREATE", **WRITTEN), acme, YES)
    assert acme.effects == ["ACME_CREATE"]
    (asked,) = [e.order for e in history if isinstance(e.order, Ask)]
    assert asked.question.endswith("; one is new that matches but for its spelling")
    assert [candidate["id"] for candidate in asked.candidates] == ["n2"]
    assert (receipt.status, receipt.evidence, receipt.result["id"]) == ("verified", "existence", "n2")
    assert "there in another form than asked for (note.t" in receipt.message
    assert "; ann took it as it is" in receipt.message


@each_spelling
def test_a_second_one_is_made_only_when_a_person_says_so(spelling: str) -> None:
    """Nobody who says yes makes another one by it; who does not say yes leaves it in doubt."""
    acme = Speller(spelling, ACME_CREATE=[done_then(LOST)])
    receipt, _ = run(call("ACME_CREATE", **WRITTEN), acme)
    assert (receipt.status, acme.effects) == ("needs_review", ["ACME_CREATE"])
    acme = Speller(spelling, ACME_CREATE=[done_then(LOST)])
    receipt, _ = run(call("ACME_CREATE", **WRITTEN), acme, Decision(approve=True, again=True, by="ann"))
    assert (receipt.status, acme.effects) == ("needs_review", ["ACME_CREATE"] * 2)
    assert ("unknown_outcome", "resent_by_person") in rules(receipt)


def test_a_refusal_that_ends_the_call_offers_no_second_one() -> None:
    """It would not be sent again, so that this is not among the answers."""
    acme = Speller("trimmed", ACME_CREATE=[done_then(answer(409, {"message": "no"}))])
    _, history = run(call("ACME_CREATE", **WRITTEN), acme)
    assert [e.order.again for e in history if isinstance(e.order, Ask)] == [""]


@pytest.mark.parametrize("faults", [[], [done_then(LOST)]])
@pytest.mark.parametrize("spelling", ["trimmed", "ends of lines", "capitals"])
def test_an_update_in_another_spelling_is_no_failure(spelling: str, faults: list[Any]) -> None:
    """Sent twice and shown the same twice, it is the server's spelling: a person takes it as it is."""
    acme = Speller(spelling, ACME_UPDATE=list(faults))
    receipt, history = run(call("ACME_UPDATE", id="n1", text=WRITTEN["text"]), acme, YES)
    assert acme.effects == ["ACME_UPDATE"] * 2
    (asked,) = [e.order for e in history if isinstance(e.order, Ask)]
    assert asked.question.startswith("done, and there in another spelling: note.text: wanted")
    assert (receipt.status, receipt.evidence) == ("verified", "existence")
    assert rules(receipt)[-1] == ("false_success", "taken_by_person")


@each_spelling
def test_what_is_found_by_one_part_of_it_may_have_another_in_another_spelling(spelling: str) -> None:
    """As a collection by its name, with its description trimmed: it was made, and a person takes it so."""
    tool = CATALOG.tools["ACME_CREATE"][1]
    assert tool.lost is not None
    lost = tool.lost.model_copy(update={"where": {"title": "${{ arguments.title }}"}})
    catalog = Catalog({**CATALOG.tools, "ACME_CREATE": (TOOLKIT, tool.model_copy(update={"lost": lost}))})
    acme = Speller(spelling)
    asked = call("ACME_CREATE", title=acme.spell("a"), text="Cafe\u0301\r\n")
    receipt, _ = run(asked, acme, YES, catalog=catalog)
    assert (receipt.status, receipt.evidence, acme.effects) == ("verified", "existence", ["ACME_CREATE"])
    assert receipt.message.startswith("there in another form than asked for (note.text: wanted")


def test_an_update_of_nothing_but_the_spelling_is_sent_again_when_it_was_not_done() -> None:
    """What was there before looks alike as well, so that it proves nothing until it was sent twice."""
    acme = Acme(ACME_UPDATE=[LOST])
    acme.add("a", "weekly brief")
    receipt, _ = run(call("ACME_UPDATE", id="n1", text="Weekly Brief "), acme)
    assert (receipt.status, receipt.evidence, acme.notes["n1"]["text"]) == (
        "verified",
        "state",
        "Weekly Brief ",
    )


@pytest.mark.parametrize(
    ("wanted", "shown", "alike"),
    [
        ({"a": ["x\r\n "]}, {"a": ["X"], "b": 1}, True),
        ("\ufb01n", "fin", True),
        ("a b", "ab", False),
        ("1", 1, False),
        ("", None, True),
        (" ", "a", False),
    ],
)
def test_only_spelling_is_folded(wanted: Any, shown: Any, alike: bool) -> None:
    """Blanks, casing, forms of Unicode, nothing for nothing; no other type, and no blank where none was."""
    assert resembles(wanted, shown) is alike
