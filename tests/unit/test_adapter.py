"""One attempt, without a network: what is sent, what is kept, and every error mapped."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from definable.calls import Outcome, Phase, Send
from definable.redaction import Redactor
from definable.toolkits.adapter import Adapter
from definable.toolkits.answer import LONGEST_TEXT, read_body
from definable.toolkits.credentials import KeyRing
from definable.toolkits.trouble import CAUGHT, TABLE, trouble
from tests.hexkit import toolkit

pytestmark = pytest.mark.anyio

GROUPS = Send(tool="HEX_LIST_GROUPS", arguments={})
START = Send(tool="HEX_RUN_PROJECT", arguments={"projectId": "p"})
Handler = Callable[[httpx.Request], httpx.Response]


async def _attempts(handler: Handler, *sends: Send, environ: dict[str, str] | None = None) -> list[Outcome]:
    environ = {"HEX_API_TOKEN": "hxtp_0123456789"} if environ is None else environ
    ring = KeyRing(toolkit().credentials, environ)
    ticks = iter(range(1000))
    adapter = Adapter(
        toolkit(),
        "https://hex.test/api",
        ring,
        Redactor(ring.secrets()),
        transport=httpx.MockTransport(handler),
        clock=lambda: datetime(2026, 11, 23, tzinfo=UTC) + timedelta(seconds=next(ticks)),
    )
    try:
        return [await adapter.attempt(send) for send in sends]
    finally:
        await adapter.aclose()


async def _answered(status: int = 200, send: Send = GROUPS, **answer: Any) -> Outcome:
    return (await _attempts(lambda _: httpx.Response(status, **answer), send))[0]


async def test_the_request_is_exactly_what_the_tool_says() -> None:
    """Method, address, key and body; nothing from the environment."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(201, json={})

    run = START.model_copy(update={"arguments": {"projectId": "a/b", "dryRun": True}})
    await _attempts(answer, run, GROUPS)
    assert (seen[0].method, str(seen[0].url)) == ("POST", "https://hex.test/api/v1/projects/a%2Fb/runs")
    assert seen[0].headers["authorization"] == "Bearer hxtp_0123456789"
    assert json.loads(seen[0].content) == {"dryRun": True}
    assert (str(seen[1].url), seen[1].content) == ("https://hex.test/api/v1/groups", b"")


@pytest.mark.parametrize(
    ("status", "send", "phase"),
    [
        (200, START, Phase.COMMITTED),
        (204, START, Phase.COMMITTED),
        (302, START, Phase.REJECTED),
        (404, START, Phase.REJECTED),
        (408, START, Phase.UNKNOWN),
        (429, START, Phase.REJECTED),
        (500, START, Phase.UNKNOWN),
        (503, START, Phase.REJECTED),
        (503, GROUPS, Phase.UNKNOWN),
    ],
)
async def test_the_status_says_how_far_it_got(status: int, send: Send, phase: Phase) -> None:
    """A 5xx or a timeout tells nothing, unless the tool promises that nothing was done."""
    assert (await _answered(status, send)).phase is phase


async def test_a_redirect_is_an_outcome_and_is_not_followed() -> None:
    """The key is not carried to wherever a server points."""
    calls: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        calls.append(str(request.url))
        return httpx.Response(307, headers={"location": "https://evil.test/"})

    (outcome,) = await _attempts(answer, GROUPS)
    assert calls == ["https://hex.test/api/v1/groups"]
    assert (outcome.status, outcome.headers["location"]) == (307, "https://evil.test/")


async def test_a_redirect_to_what_is_no_address_tells_nothing() -> None:
    """Whoever says that is no product: nobody knows what became of the request."""
    outcome = await _answered(302, START, headers={"location": "http://x:port/"})
    assert (outcome.phase, outcome.cause, outcome.status) == (Phase.UNKNOWN, "reset", None)
    assert "Invalid URL in location header" in outcome.error


async def test_cookies_are_not_kept() -> None:
    """What a server sets for one call or key is not sent with another."""
    seen: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("cookie"))
        return httpx.Response(200, json={}, headers={"set-cookie": "session=1; Path=/"})

    await _attempts(answer, GROUPS, GROUPS)
    assert seen == [None, None]


async def test_only_headers_that_matter_are_kept() -> None:
    """Lower-case names; whatever else a server sends is not written down."""
    headers = {
        "Retry-After": "7",
        "RateLimit": '"default";r=3',
        "RateLimit-Policy": "x",
        "X-RateLimit-Remaining": "0",
        "X-Trace-Id": "t1",
        "Set-Cookie": "a=b",
        "Server": "x",
    }
    kept = (await _answered(429, headers=headers)).headers
    assert kept == {
        "retry-after": "7",
        "ratelimit": '"default";r=3',
        "ratelimit-policy": "x",
        "x-ratelimit-remaining": "0",
        "x-trace-id": "t1",
    }


async def test_secrets_are_taken_out_of_what_comes_back() -> None:
    """The key in use, tokens by their look, and what stands under the toolkit's secret keys."""
    body = {
        "echo": "Bearer hxtp_0123456789",
        "values": [{"connectionDetails": {"host": "db"}, "jdbcUrl": "jdbc:x", "privateKey": None}],
    }
    outcome = await _answered(json=body, headers={"x-trace-id": "hxtp_0123456789"})
    text = outcome.model_dump_json()
    assert "0123456789" not in text
    assert outcome.body["values"] == [
        {"connectionDetails": "[redacted]", "jdbcUrl": "[redacted]", "privateKey": None}
    ]


async def test_without_a_key_nothing_is_sent() -> None:
    """The outcome names every source."""

    def never(_: httpx.Request) -> httpx.Response:
        raise AssertionError("sent without a key")

    (outcome,) = await _attempts(never, GROUPS, environ={})
    assert (outcome.phase, outcome.cause) == (Phase.NOT_SENT, "no_credentials")
    assert outcome.error == (
        "no key is left: HEX_API_TOKEN is not set, HEX_API_TOKEN_NEXT is not set, "
        "HEX_API_TOKEN_FILE (file) is not set, HEX_API_TOKEN_COMMAND (command) is not set"
    )


async def test_fresh_without_a_refusal_keeps_the_key() -> None:
    """After a restart nothing is known of refusals, and a good key must not be thrown away."""
    fresh = GROUPS.model_copy(update={"fresh": True})
    (outcome,) = await _attempts(lambda _: httpx.Response(200, json={}), fresh)
    assert outcome.credential == "HEX_API_TOKEN"


async def test_time_comes_from_the_clock() -> None:
    """An attempt lasts from its start to its end, and is stamped with its end in UTC."""
    outcome = await _answered(json={})
    assert (outcome.seconds, outcome.at) == (1.0, "2026-11-23T00:00:01Z")


@pytest.mark.parametrize(
    ("raw", "kind", "body", "media"),
    [
        (b'{"a": 1}', "application/json", {"a": 1}, "json"),
        (b'{"a": 1}', "text/html", {"a": 1}, "json"),
        (b'\xef\xbb\xbf{"a": 1}', "application/json", {"a": 1}, "json"),
        (b'"x"', "application/json; charset=utf-8", "x", "json"),
        (b"null", "application/json", None, "json"),
        (b"", "application/json", None, "none"),
        (b" \n", "", None, "none"),
        (b"Unauthorized", "text/plain", "Unauthorized", "text"),
        (b"123", "text/plain", "123", "text"),
        (b'{"a": 1', "application/json", '{"a": 1', "text"),
        (b'{"a": NaN}', "application/json", '{"a": NaN}', "text"),
        (b'{"a": "\xff"}', "application/json", '{"a": "�"}', "text"),
        (b'["\\ud800", "\\ud83d\\ude00"]', "application/json", ["�", "😀"], "json"),
    ],
)
def test_a_body_is_json_or_text_or_nothing(raw: bytes, kind: str, body: Any, media: str) -> None:
    """Whatever the header says; what cannot be stored is replaced."""
    assert read_body(raw, kind) == (body, media)


async def test_a_name_that_stands_twice_with_two_values_is_told() -> None:
    """The last one counts, as everywhere; two that are alike do no harm."""
    found = await _answered(content=b'{"values": [{"id": "a", "name": "x", "name": "y"}], "n": 1, "n": 1}')
    assert (found.body, found.doubled) == ({"values": [{"id": "a", "name": "y"}], "n": 1}, ("name",))
    assert (await _answered(content=b'{"a": {"b": 1}, "c": {"b": 2}}')).doubled == ()


async def test_long_answers_are_looked_through_now_and_then() -> None:
    """The first, each eighth, and all once one of them had a name twice."""
    long = b'{"values": [%s], "n": 1, "n": %d}'
    numbers = iter([1, *[2] * 9])

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(
            200, content=long % (b", ".join([b'{"id": "0123456789"}'] * 300), next(numbers))
        )

    found = await _attempts(answer, *[GROUPS] * 10)
    assert [bool(each.doubled) for each in found] == [False] * 8 + [True] * 2


@pytest.mark.parametrize("raw", [b"[" * 200_000, b"<" * 200_000, b"[" + b"9" * 5000 + b"]"])
def test_a_body_that_would_break_the_parser_is_cut_off_text(raw: bytes) -> None:
    """Deep nesting and endless digits are no reason to fall over."""
    body, media = read_body(raw, "application/json")
    assert (len(body), media) == (min(LONGEST_TEXT, len(raw)), "text")


def _tree(root: type[BaseException]) -> Iterator[type[BaseException]]:
    yield root
    for each in root.__subclasses__():
        yield from _tree(each)


ROOTS = (httpx.HTTPError, httpx.InvalidURL, httpx.CookieConflict, httpx.StreamError)


def test_every_error_of_the_http_library_is_mapped() -> None:
    """When a later version grows an error, this fails until somebody has decided what it means."""
    grown = {each for root in ROOTS for each in _tree(root) if each.__module__.startswith("httpx")}
    public = {e for e in vars(httpx).values() if isinstance(e, type) and issubclass(e, Exception)}
    assert grown | public == set(TABLE) - {TimeoutError}


def _raised(kind: type[Exception]) -> Exception:
    request = httpx.Request("GET", "https://hex.test")
    if kind is httpx.HTTPStatusError:
        return httpx.HTTPStatusError("said", request=request, response=httpx.Response(500))
    if kind in (httpx.StreamConsumed, httpx.StreamClosed, httpx.ResponseNotRead, httpx.RequestNotRead):
        return kind()
    return kind("said")


@pytest.mark.parametrize("kind", TABLE, ids=lambda k: k.__name__)
async def test_no_error_of_the_http_library_gets_out(kind: type[Exception]) -> None:
    """Each becomes an outcome with a phase, a cause and words, before and after the answer has begun."""

    def broken(_: httpx.Request) -> httpx.Response:
        raise _raised(kind)

    async def half() -> Any:
        yield b'{"values": '
        raise _raised(kind)

    (before,) = await _attempts(broken, GROUPS)
    (during,) = await _attempts(lambda _: httpx.Response(200, content=half()), GROUPS)
    assert before.phase is TABLE[kind].phase
    assert before.error.startswith(TABLE[kind].words)
    assert before.status is None
    assert (during.phase, during.status) == (Phase.UNKNOWN, None)
    assert isinstance(_raised(kind), CAUGHT)


async def test_a_refusal_whose_body_is_cut_off_is_still_a_refusal() -> None:
    """The status has said no already."""

    async def half() -> Any:
        yield b'{"reason": '
        raise httpx.ReadError("gone")

    (outcome,) = await _attempts(lambda _: httpx.Response(422, content=half()), GROUPS)
    assert (outcome.phase, outcome.status, outcome.cause) == (Phase.REJECTED, 422, "reset")


def test_an_unknown_kind_of_error_counts_as_its_nearest_kin() -> None:
    """A leaf that nobody knows yet is unknown, not lost."""

    class Grown(httpx.NetworkError):
        """A made-up error of a later version."""

    assert trouble(Grown("x")).phase is Phase.UNKNOWN
