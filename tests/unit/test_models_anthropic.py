"""The Messages API: what is sent, what is read, how a conversation goes on."""

from __future__ import annotations

import pytest

from definable.errors import ModelError
from definable.limits import Usage
from definable.models import Round, ToolResult, ToolUse
from tests.unit.model_wire import KEYS, TOOL, Provider, anthropic_says, anthropic_text, turn

pytestmark = pytest.mark.anyio

USE = {"type": "tool_use", "id": "toolu_1", "name": "HEX_GET_CELL", "input": {"cellId": "c1"}}
THOUGHT = {"type": "thinking", "thinking": "", "signature": "sig"}


async def test_the_request_asks_for_the_shape_and_leaks_no_trace() -> None:
    """No temperature, no trace header, the key in its header only."""
    wire = Provider(anthropic_says(anthropic_text('{"markdown": "# Hi"}')))
    await turn("anthropic", wire)
    body, request = wire.bodies[0], wire.requests[0]
    assert str(request.url) == "https://api.anthropic.com/v1/messages"
    assert request.headers["authorization"] == f"Bearer {KEYS['ANTHROPIC_API_KEY']}"
    assert "traceparent" not in request.headers
    assert (body["model"], body["system"], body["max_tokens"]) == ("claude-opus-4-7", "You write.", 900)
    assert body["messages"] == [{"role": "user", "content": "Write."}]
    assert body["output_config"]["format"]["type"] == "json_schema"
    assert body["tools"] == [
        {"name": TOOL.name, "description": TOOL.description, "input_schema": TOOL.schema}
    ]
    assert "temperature" not in body


async def test_an_artifact_is_handed_in() -> None:
    """Tokens read from the cache count as input."""
    got = await turn("anthropic", Provider(anthropic_says(THOUGHT, anthropic_text('{"markdown": "# Hi"}'))))
    assert got.artifact == {"markdown": "# Hi"}
    assert got.usage == Usage(input_tokens=111, output_tokens=5)
    assert (got.model, got.offline) == ("anthropic/claude-opus-4-7", False)


async def test_words_before_calls_do_not_hide_the_calls() -> None:
    """The SDK cannot parse such words as the shape; the calls are read all the same."""
    answer = anthropic_says(anthropic_text("I look first."), USE, stop_reason="tool_use")
    got = await turn("anthropic", Provider(answer))
    assert got.uses == (ToolUse(id="toolu_1", name="HEX_GET_CELL", arguments={"cellId": "c1"}),)


async def test_the_conversation_goes_on_with_the_models_own_blocks() -> None:
    """The assistant's blocks go back as they came, then the results, then what else is said."""
    first = await turn("anthropic", Provider(anthropic_says(THOUGHT, USE, stop_reason="tool_use")))
    failed = ToolResult(id="toolu_1", content={"receipt": "research.1", "error": "gone"}, error=True)
    wire = Provider(anthropic_says(anthropic_text('{"markdown": "x"}')))
    await turn("anthropic", wire, Round(turn=first, results=(failed,), say="Go on."))
    assistant, user = wire.bodies[0]["messages"][1:]
    assert assistant == {"role": "assistant", "content": [THOUGHT, USE]}
    assert user["content"][0] == {
        "type": "tool_result",
        "tool_use_id": "toolu_1",
        "content": '{"receipt": "research.1", "error": "gone"}',
        "is_error": True,
    }
    assert user["content"][1] == {"type": "text", "text": "Go on."}


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # the SDK, on a body it did not expect
@pytest.mark.parametrize("said", ["c1", [1], None])
async def test_arguments_that_are_no_object_are_a_failure(said: object) -> None:
    """What a model writes is not trusted to be an object."""
    answer = anthropic_says({**USE, "input": said}, stop_reason="tool_use")
    with pytest.raises(ModelError, match="its arguments for HEX_GET_CELL are not a JSON object"):
        await turn("anthropic", Provider(answer))


@pytest.mark.parametrize("reason", ["max_tokens", "model_context_window_exceeded"])
async def test_a_cut_off_answer_says_what_was_allowed(reason: str) -> None:
    """Half an answer is not parsed, and what it cost is kept."""
    half = anthropic_says(anthropic_text('{"markdown": "# H'), stop_reason=reason)
    with pytest.raises(ModelError, match=rf"cut off \({reason}\) with 900 output tokens") as error:
        await turn("anthropic", Provider(half))
    assert error.value.facts["usage"] == {"input_tokens": 111, "output_tokens": 5}


async def test_a_refusal_is_told_from_an_answer() -> None:
    """No retry helps against a refusal."""
    with pytest.raises(ModelError, match="the model refused: 'it gave no reason'") as error:
        await turn("anthropic", Provider(anthropic_says(stop_reason="refusal")))
    assert error.value.failure == "permission"


async def test_nothing_handed_in_is_a_failure() -> None:
    """An empty message is not an empty artifact."""
    with pytest.raises(ModelError, match="it handed in nothing instead of Draft"):
        await turn("anthropic", Provider(anthropic_says()))
