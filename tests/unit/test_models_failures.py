"""What SDKs raise and what services answer, in the classes that the Verifier knows."""

from __future__ import annotations

import importlib
import pkgutil

import anthropic
import httpx2
import openai
import pytest

from definable.calls import Failure
from definable.errors import DefinableError, ModelError
from definable.models.failures import from_sdk, kind
from definable.verify.classify import retry_after
from tests.unit.model_wire import KEYS, MODELS, SAYS, Provider, anthropic_says, openai_says, turn

BOTH = pytest.mark.parametrize("provider", ["openai", "anthropic"])
ROOTS = {openai.OpenAIError, openai.APIError, openai.APIStatusError}
ROOTS |= {anthropic.AnthropicError, anthropic.APIError, anthropic.APIStatusError}


def tree(root: type[Exception]) -> list[type[Exception]]:
    """Return an exception and everything below it."""
    return [root, *(c for sub in root.__subclasses__() for c in tree(sub))]


@pytest.mark.parametrize("root", [openai.OpenAIError, anthropic.AnthropicError])
def test_every_exception_of_the_sdks_has_a_class(root: type[Exception]) -> None:
    """An exception that a new SDK brings fails here until somebody says what it means."""
    types = importlib.import_module(f"{root.__module__.partition('.')[0]}.types")
    for module in pkgutil.walk_packages(types.__path__, f"{types.__name__}."):
        if module.name.endswith("_error"):
            importlib.import_module(module.name)
    everything = tree(root)
    assert len(everything) > 20
    assert [c.__name__ for c in everything if c not in ROOTS and kind(c) is None] == []


@BOTH
@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (400, Failure.INVALID_INPUT),
        (401, Failure.AUTH_EXPIRED),
        (403, Failure.PERMISSION),
        (404, Failure.NOT_FOUND),
        (408, Failure.NETWORK),
        (409, Failure.CONFLICT),
        (418, Failure.INVALID_INPUT),
        (422, Failure.INVALID_INPUT),
        (429, Failure.RATE_LIMITED),
        (500, Failure.UPSTREAM_5XX),
        (503, Failure.UPSTREAM_5XX),
        (529, Failure.UPSTREAM_5XX),
    ],
)
@pytest.mark.anyio
async def test_a_status_becomes_its_class_after_one_request(
    provider: str, status: int, failure: Failure
) -> None:
    """The SDK's own retries are off: one turn is one request, whatever comes back."""
    wire = Provider(httpx2.Response(status, json={"error": {"message": "no such thing"}}))
    with pytest.raises(ModelError) as error:
        await turn(provider, wire)
    assert error.value.failure == failure
    assert len(wire.requests) == 1
    assert error.value.facts["status"] == status
    if status != 401:
        assert error.value.message == f"{MODELS[provider]}: {status}: no such thing"


@BOTH
@pytest.mark.anyio
async def test_a_rate_limit_says_how_long_to_wait(provider: str) -> None:
    """`Retry-After` travels with the failure."""
    wire = Provider(
        httpx2.Response(429, headers={"retry-after": "7"}, json={"error": {"message": "slow down"}})
    )
    with pytest.raises(ModelError) as error:
        await turn(provider, wire)
    assert (error.value.failure, error.value.retry_after) == ("rate_limited", 7.0)


@pytest.mark.anyio
async def test_spent_credit_is_not_a_rate_limit() -> None:
    """OpenAI answers 429 when the credit is used up; waiting does not help there."""
    body = {"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}
    with pytest.raises(ModelError, match="check the account's credit") as error:
        await turn("openai", Provider(httpx2.Response(429, json=body)))
    assert error.value.failure == "permission"


@BOTH
@pytest.mark.anyio
async def test_a_refused_key_names_its_variable_and_never_its_value(provider: str) -> None:
    """The service's own words repeat a part of the key, so they are left out."""
    key = KEYS[f"{provider.upper()}_API_KEY"]
    wire = Provider(httpx2.Response(401, json={"error": {"message": f"Incorrect API key provided: {key}"}}))
    with pytest.raises(ModelError) as error:
        await turn(provider, wire)
    name = f"{provider.upper()}_API_KEY"
    assert str(error.value) == (
        f"{MODELS[provider]}: the key in {name} was not accepted (401)\n"
        f"  put a key that is accepted into {name}, then resume the run"
    )
    assert "canary" not in f"{error.value.to_json()}"


@BOTH
@pytest.mark.parametrize("trouble", [httpx2.ConnectError("refused"), httpx2.ReadTimeout("slow")])
@pytest.mark.anyio
async def test_trouble_on_the_way_is_a_network_failure(provider: str, trouble: Exception) -> None:
    """Nothing listens, or no answer comes: the class is the same, and what to check is said."""
    with pytest.raises(
        ModelError, match=rf"no answer: .*\n  check the network, and {provider.upper()}_BASE"
    ) as e:
        await turn(provider, Provider(trouble))
    assert e.value.failure == "network"


@BOTH
@pytest.mark.parametrize(
    "body", ["<html>Sign in to the hotel's network</html>", '{"hello": 1}', "[]", "null", "", "[" * 90_000]
)
@pytest.mark.anyio
async def test_a_page_that_is_not_the_api_is_drift(provider: str, body: str) -> None:
    """A proxy's page with status 200 is told from an answer, and its beginning is shown."""
    with pytest.raises(ModelError, match="answered with something that is not the API's JSON") as error:
        await turn(provider, Provider(httpx2.Response(200, text=body)))
    assert error.value.failure == "drift"
    assert repr(body[:300])[1:-1] in error.value.message


@BOTH
@pytest.mark.parametrize("text", ["Here is your draft!", '{"title": "x"}', '{"markdown": 3}'])
@pytest.mark.anyio
async def test_an_answer_in_another_shape_keeps_the_text(provider: str, text: str) -> None:
    """What the model said is in the error, and what it cost."""
    with pytest.raises(ModelError, match="its answer is not Draft") as error:
        await turn(provider, Provider(SAYS[provider](text)))
    assert error.value.failure == "drift"
    assert error.value.facts["text"] == text
    assert error.value.facts["usage"]["output_tokens"] == 5


@BOTH
@pytest.mark.parametrize("id", ["a", ""])
@pytest.mark.anyio
async def test_calls_that_share_an_id_are_no_answer(provider: str, id: str) -> None:
    """Each result goes back by its id: of two calls with one id, one would be neither made nor told of."""
    if provider == "openai":
        use: dict[str, object] = {
            "type": "function_call",
            "call_id": id,
            "name": "HEX_GET_CELL",
            "arguments": "{}",
        }
        wire = Provider(openai_says(use, use))
    else:
        use = {"type": "tool_use", "id": id, "name": "HEX_GET_CELL", "input": dict[str, str]()}
        wire = Provider(anthropic_says(use, use, stop_reason="tool_use"))
    with pytest.raises(ModelError, match="its calls have no ids of their own") as error:
        await turn(provider, wire)
    assert error.value.failure == "drift"


def test_a_model_error_survives_json() -> None:
    """A failure is kept in the log and comes back whole."""
    made = from_sdk("openai", "openai/gpt-5.5", openai.OpenAIError("odd"))
    again = DefinableError.from_json(made.to_json())
    assert isinstance(again, ModelError)
    assert (again.message, again.failure) == ("openai/gpt-5.5: no answer: odd", "network")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "12"}, 12.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": "Mon, 23 Nov 2026 10:00:30 GMT", "date": "Mon, 23 Nov 2026 10:00:00 GMT"}, 30.0),
        ({"retry-after": "Mon, 23 Nov 2026 09:00:00 GMT", "date": "Mon, 23 Nov 2026 10:00:00 GMT"}, 0.0),
        ({"retry-after": "Mon, 23 Nov 2026 10:00:30 GMT"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-4"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "99999999"}, 900.0),
        ({"retry-after-ms": "1e300"}, 900.0),
        ({"retry-after": "Mon, 23 Nov 2026 03:00:30 -0700", "date": "Mon, 23 Nov 2026 10:00:00 GMT"}, 30.0),
        ({"retry-after": "Thu, 23 Nov 2090 10:00:30 GMT", "date": "Mon, 23 Nov 2026 10:00:00 GMT"}, 900.0),
        (
            {"retry-after": f"Mon, 23 Nov {'9' * 20} 10:00:30 GMT", "date": "Mon, 23 Nov 2026 10:00:00 GMT"},
            None,
        ),
        ({}, None),
    ],
)
@BOTH
@pytest.mark.anyio
async def test_waiting_is_read_in_every_form(
    provider: str, headers: dict[str, str], seconds: float | None
) -> None:
    """Seconds, milliseconds or a date against the server's own clock, at most 15 minutes; else nothing."""
    with pytest.raises(ModelError) as error:
        await turn(provider, Provider(httpx2.Response(429, headers=headers, json={})))
    assert error.value.retry_after == retry_after(headers) == seconds
