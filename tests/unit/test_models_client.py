"""Which model answers, with which key, and where."""

from __future__ import annotations

import gc
import warnings

import httpx2
import pytest

from definable.errors import CredentialsError, UsageError
from definable.models import Models, Request, Turn
from definable.spec.artifacts import Draft
from tests.unit.model_wire import KEYS, MODELS, SAYS, Provider

pytestmark = pytest.mark.anyio
BOTH = pytest.mark.parametrize("provider", ["openai", "anthropic"])


def draft(model: str) -> Request:
    """Return a request for a draft."""
    return Request(model, "You write.", "Write.", Draft)


@BOTH
async def test_without_a_key_the_offline_model_answers_and_says_so(provider: str) -> None:
    """The turn is labelled, and so is the name that prices go by."""
    async with Models({f"{provider.upper()}_API_KEY": " "}) as models:
        got = await models.turn(draft(MODELS[provider]))
    assert got.offline
    assert got.model == models.serves(MODELS[provider]) == f"offline/{MODELS[provider].partition('/')[2]}"
    assert got.artifact is not None


async def test_each_provider_is_looked_at_by_itself() -> None:
    """One key missing does not take the other model away."""
    models = Models({"OPENAI_API_KEY": "sk-x"})
    assert models.serves(MODELS["openai"]) == "openai/gpt-5.5"
    assert models.serves(MODELS["anthropic"]) == "offline/claude-opus-4-7"


@BOTH
async def test_offline_can_be_forced(provider: str) -> None:
    """With keys at hand, no byte leaves when the run is to be offline."""
    wire = Provider()
    async with Models(KEYS, offline=True, transport=httpx2.MockTransport(wire)) as models:
        assert (await models.turn(draft(MODELS[provider]))).offline
    assert wire.requests == []


async def test_an_offline_model_can_be_named() -> None:
    """`offline/…` in a file needs no key and no flag."""
    async with Models(KEYS) as models:
        got = await models.turn(draft("offline/any"))
    assert (got.model, got.offline) == ("offline/any", True)


@BOTH
async def test_offline_can_be_refused(provider: str) -> None:
    """Who wants the real thing is told which key is missing."""
    name = f"{provider.upper()}_API_KEY"
    with pytest.raises(CredentialsError, match=rf"{name} is not set\n  set {name}, or let the offline"):
        await Models({}, offline=False).turn(draft(MODELS[provider]))


@pytest.mark.parametrize(
    ("provider", "base", "url"),
    [
        ("openai", "http://127.0.0.1:9/v1", "http://127.0.0.1:9/v1/responses"),
        ("anthropic", "http://127.0.0.1:9", "http://127.0.0.1:9/v1/messages"),
    ],
)
async def test_the_base_url_is_that_of_the_environment_given(provider: str, base: str, url: str) -> None:
    """Another host is asked when the variable says so."""
    wire = Provider(SAYS[provider]('{"markdown": "x"}'))
    environ = {**KEYS, f"{provider.upper()}_BASE_URL": base}
    async with Models(environ, transport=httpx2.MockTransport(wire)) as models:
        await models.turn(draft(MODELS[provider]))
    assert str(wire.requests[0].url) == url


async def test_only_the_environment_given_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key in the process's own environment is not used behind the caller's back."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-process")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://elsewhere.invalid/v1")
    wire = Provider(SAYS["openai"]('{"markdown": "x"}'))
    async with Models({"OPENAI_API_KEY": "sk-given"}, transport=httpx2.MockTransport(wire)) as models:
        await models.turn(draft(MODELS["openai"]))
    assert str(wire.requests[0].url) == "https://api.openai.com/v1/responses"
    assert wire.requests[0].headers["authorization"] == "Bearer sk-given"


async def test_a_base_url_that_is_none_is_refused_before_any_request() -> None:
    """The variable and its value are named."""
    with pytest.raises(UsageError, match=r"OPENAI_BASE_URL is 'localhost:8080', which is no URL"):
        await Models({**KEYS, "OPENAI_BASE_URL": "localhost:8080"}).turn(draft(MODELS["openai"]))


async def test_an_unknown_provider_is_refused() -> None:
    """Known ones are listed."""
    with pytest.raises(UsageError, match=r"no provider 'gemini' for models\n  .* openai, anthropic, offline"):
        Models({}).serves("gemini/x")


@BOTH
async def test_a_turn_is_plain_json_and_holds_no_key(provider: str) -> None:
    """A turn goes into a checkpoint and comes back equal."""
    wire = Provider(SAYS[provider]('{"markdown": "x"}'))
    async with Models(KEYS, transport=httpx2.MockTransport(wire)) as models:
        got = await models.turn(draft(MODELS[provider]))
    assert Turn.model_validate(got.model_dump(mode="json")) == got
    assert "canary" not in got.model_dump_json()


async def test_nothing_stays_open() -> None:
    """Closing closes every client: no warning is left for the collector."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        models = Models({})
        for model in MODELS.values():
            await models.turn(draft(model))
        await models.aclose()
        del models
        gc.collect()


def test_the_estimate_is_not_below_what_the_offline_model_counts() -> None:
    """Prompt tokens are guessed high, so that a limit is not broken by surprise."""
    short = Request("openai/gpt-5.5", "s" * 3000, "p" * 3000, Draft)
    assert 2_000 <= short.estimate < 3_000
