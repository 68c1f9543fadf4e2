"""What a server says when it says no, in whichever form it says it."""

from __future__ import annotations

from typing import Any

import pytest

from definable.calls import Failure, Outcome, Phase
from definable.verify.classify import classify
from tests.unit.acme import TOOLKIT

Json = Any


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": {"type": "error_400", "detail": "the label is too long"}}, "the label is too long"),
        (
            {"errors": [{"detail": "no such project"}, {"detail": "no such cell"}]},
            "no such project; no such cell",
        ),
        ({"fault": {"a": {"b": {"c": {"d": "too deep to be meant"}}}}}, ""),
        ({"error": "bad_request", "status": 400}, ""),
    ],
)
def test_the_words_of_an_error_are_found_in_a_form_that_nobody_knew(body: Json, words: str) -> None:
    """Sentences are told, with the note that the form is new; codes alone are no words."""
    outcome = Outcome(phase=Phase.REJECTED, status=400, body=body, media="json")
    verdict = classify(TOOLKIT, TOOLKIT.tools["ACME_GET"], outcome)
    assert verdict.failure is Failure.INVALID_INPUT
    assert (f"{words} (said in a new form of error)" in verdict.message) == bool(words)
