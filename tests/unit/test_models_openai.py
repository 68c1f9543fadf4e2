"""The Responses API: what is sent, what is read, how a conversation goes on."""

from __future__ import annotations

import httpx2
import pytest

from definable.errors import ModelError
from definable.limits import Usage
from definable.models import Models, Request, Round, ToolResult, ToolUse
from definable.spec.artifacts import Draft
from tests.unit.model_wire import KEYS, Provider, openai_says, openai_text, turn

pytestmark = pytest.mark.anyio

THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}
CALL = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "HEX_GET_CELL",
    "arguments": '{"cellId": "c1"}',
    "status": "completed",
}


async def test_the_request_asks_for_the_shape_and_keeps_nothing_there() -> None:
    """Shape strict, tools not, nothing stored, the key in the header only."""
    wire = Provider(openai_says(openai_text('{"markdown": "# Hi"}')))
    await turn("openai", wire)
    body, request = wire.bodies[0], wire.requests[0]
    assert str(request.url) == "https://api.openai.com/v1/responses"
    assert request.headers["authorization"] == f"Bearer {KEYS['OPENAI_API_KEY']}"
    assert (body["model"], body["instructions"], body["max_output_tokens"]) == ("gpt-5.5", "You write.", 900)
    assert body["input"] == [{"role": "user", "content": "Write."}]
    assert (body["text"]["format"]["name"], body["text"]["format"]["strict"]) == ("Draft", True)
    assert body["tools"][0]["strict"] is False
    assert (body["store"], body["include"]) == (False, ["reasoning.encrypted_content"])


async def test_a_model_that_does_not_reason_is_not_asked_for_its_reasoning() -> None:
    """Older models refuse that request."""
    wire = Provider(openai_says(openai_text('{"markdown": "x"}')))
    async with Models(KEYS, transport=httpx2.MockTransport(wire)) as models:
        await models.turn(Request("openai/gpt-4.1", "s", "p", Draft))
    assert wire.bodies[0]["include"] == []


async def test_an_artifact_is_handed_in() -> None:
    """The artifact is plain JSON, the usage is the service's."""
    got = await turn("openai", Provider(openai_says(THOUGHT, openai_text('{"markdown": "# Hi"}'))))
    assert got.artifact == {"markdown": "# Hi"}
    assert got.usage == Usage(input_tokens=11, output_tokens=5)
    assert (got.model, got.offline, got.uses) == ("openai/gpt-5.5", False, ())


async def test_calls_are_asked_for_and_commentary_is_no_artifact() -> None:
    """Words beside calls are left alone; the calls count."""
    words = openai_text("I look at the cell first.", phase="commentary")
    got = await turn("openai", Provider(openai_says(THOUGHT, words, CALL)))
    assert got.uses == (ToolUse(id="call_1", name="HEX_GET_CELL", arguments={"cellId": "c1"}),)
    assert got.artifact is None


async def test_the_conversation_goes_on_with_the_models_own_items() -> None:
    """Reasoning and calls go back as they came, each result behind its call."""
    first = await turn("openai", Provider(openai_says(THOUGHT, CALL)))
    content = {"receipt": "research.1", "tool": "HEX_GET_CELL", "result": {"id": "c1", "label": "Größe"}}
    wire = Provider(openai_says(openai_text('{"markdown": "x"}')))
    await turn("openai", wire, Round(turn=first, results=(ToolResult(id="call_1", content=content),)))
    said = wire.bodies[0]["input"]
    assert said[1:3] == [THOUGHT, CALL]
    assert said[3]["call_id"] == "call_1"
    assert "Größe" in said[3]["output"]


async def test_reasoning_without_its_contents_is_not_sent_back() -> None:
    """Nothing is stored over there, so its id alone leads nowhere."""
    bare = {"type": "reasoning", "id": "rs_2", "summary": []}
    first = await turn("openai", Provider(openai_says(bare, CALL)))
    wire = Provider(openai_says(openai_text('{"markdown": "x"}')))
    await turn(
        "openai", wire, Round(turn=first, results=(ToolResult(id="call_1", content={}),), say="Hurry.")
    )
    assert [i.get("type", i.get("role")) for i in wire.bodies[0]["input"]] == [
        "user",
        "function_call",
        "function_call_output",
        "user",
    ]


@pytest.mark.parametrize(
    "said",
    ['{"cellId": ', "[1]", '"c1"', "null", '{"cellId": NaN}', '{"cellId": "\\ud800"}', "[" * 100_000],
)
async def test_broken_arguments_are_a_failure_with_the_text(said: str) -> None:
    """What a model writes is not trusted to be JSON."""
    with pytest.raises(ModelError, match="its arguments for HEX_GET_CELL are not a JSON object") as error:
        await turn("openai", Provider(openai_says({**CALL, "arguments": said})))
    assert (error.value.failure, error.value.facts["text"]) == ("drift", said)


@pytest.mark.parametrize(
    "item",
    [
        {name: value for name, value in CALL.items() if name != "arguments"},
        {name: value for name, value in CALL.items() if name != "call_id"},
        {**openai_text("x"), "content": '{"markdown": "x"}'},
        {**openai_text("x"), "content": ['{"markdown": "x"}']},
        {**openai_text("x"), "content": 5},
    ],
)
async def test_an_item_of_another_form_is_no_answer(item: dict[str, object]) -> None:
    """What speaks this API in half ends as a failure of the model, not of the run."""
    with pytest.raises(ModelError, match="something that is not the API's JSON") as error:
        await turn("openai", Provider(openai_says(item)))
    assert error.value.failure == "drift"


async def test_a_cut_off_answer_says_what_was_allowed() -> None:
    """An answer that ran out of tokens is not parsed, and not asked for again."""
    half = openai_says(
        openai_text('{"markdown": "# H'),
        status="incomplete",
        incomplete_details={"reason": "max_output_tokens"},
    )
    with pytest.raises(ModelError, match=r"cut off \(max_output_tokens\) with 900 output tokens") as error:
        await turn("openai", Provider(half))
    assert error.value.failure == "invalid_input"


@pytest.mark.parametrize(
    "answer",
    [
        openai_says({**openai_text(""), "content": [{"type": "refusal", "refusal": "I will not."}]}),
        openai_says(status="incomplete", incomplete_details={"reason": "content_filter"}),
    ],
)
async def test_a_refusal_is_told_from_an_answer(answer: httpx2.Response) -> None:
    """No retry helps against a refusal."""
    with pytest.raises(ModelError, match=r"the model refused: '(I will not|the content filter)") as error:
        await turn("openai", Provider(answer))
    assert error.value.failure == "permission"


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        ("server_error", "upstream_5xx"),
        ("rate_limit_exceeded", "rate_limited"),
        ("invalid_prompt", "invalid_input"),
    ],
)
async def test_a_failed_response_with_status_200_is_a_failure(code: str, failure: str) -> None:
    """The body's own status counts, not only that of the line."""
    answer = openai_says(status="failed", error={"code": code, "message": "broke"})
    with pytest.raises(ModelError, match=f"gave up \\({code}\\): broke") as error:
        await turn("openai", Provider(answer))
    assert error.value.failure == failure


async def test_nothing_handed_in_is_a_failure() -> None:
    """An empty output is not an empty artifact."""
    with pytest.raises(ModelError, match="it handed in nothing instead of Draft"):
        await turn("openai", Provider(openai_says(THOUGHT)))


async def test_missing_usage_counts_as_nothing() -> None:
    """Servers that speak this API without usage do not break the run."""
    got = await turn("openai", Provider(openai_says(openai_text('{"markdown": "x"}'), usage=None)))
    assert got.usage.total == 0
