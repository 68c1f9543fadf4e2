"""What stands on the wire, and what becomes of connections: kept, given up, closed."""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from definable import __version__
from definable.calls import Outcome, Phase, Send
from definable.redaction import Redactor
from definable.toolkits import connections
from definable.toolkits.adapter import Adapter
from definable.toolkits.credentials import KeyRing
from tests.hexkit import toolkit

pytestmark = pytest.mark.anyio

LIST = Send(tool="HEX_LIST_GROUPS", arguments={"limit": 2})
RUN = Send(tool="HEX_RUN_PROJECT", arguments={"projectId": "a/b"})
OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


def _answer(body: bytes = b"{}", *headers: bytes) -> bytes:
    length = b"content-length: %d\r\n" % len(body)
    return OK + b"".join(each + b"\r\n" for each in headers) + length + b"\r\n" + body


class Product:
    """Answers each request with the next of `answers`, or the last; None says nothing, `b""` hangs up."""

    def __init__(self, *answers: bytes | None) -> None:
        """Know what to say."""
        self.answers = list(answers)
        self.asked: list[bytes] = []
        self.opened = 0
        self.open = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.opened, self.open = self.opened + 1, self.open + 1
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"content-length: (\d+)", head.lower())
                self.asked.append(head + await reader.readexactly(int(length[1]) if length else 0))
                if (answer := self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]) == b"":
                    break
                writer.write(answer or b"")
        self.open -= 1
        writer.close()

    async def sees(self, what: Callable[[], bool]) -> None:
        """Wait until it has noticed what was done on the other side."""
        async with asyncio.timeout(5):
            while not what():  # noqa: ASYNC110
                await asyncio.sleep(0.005)


@asynccontextmanager
async def _serving(
    *answers: bytes | None, limit: int | None = None
) -> AsyncIterator[tuple[Product, Adapter]]:
    product = Product(*answers)
    server = await asyncio.start_server(product.serve, "127.0.0.1", 0)
    kit = toolkit() if limit is None else toolkit().model_copy(update={"max_response": limit})
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api"
    ring = KeyRing(kit.credentials, {"HEX_API_TOKEN": "hxtp_0123456789"})
    adapter = Adapter(kit, url, ring, Redactor(ring.secrets()))
    try:
        yield product, adapter
    finally:
        await adapter.aclose()
        server.close()


async def _at_once(n: int, attempt: Callable[[Send], Awaitable[Outcome]]) -> list[Outcome]:
    return await asyncio.gather(*(attempt(LIST) for _ in range(n)))


async def test_a_request_is_these_bytes() -> None:
    """The order too: some products look at requests closely."""
    async with _serving(_answer()) as (product, adapter):
        for arguments in ({}, {"inputParams": {"a": "ü", "n": [1.5, None]}}):
            await adapter.attempt(RUN.model_copy(update={"arguments": RUN.arguments | arguments}))
        await adapter.attempt(LIST.model_copy(update={"arguments": {"limit": 2, "after": "a b&ü"}}))
    accepts = rb"Accept-Encoding: gzip, deflate(, br)?(, zstd)?\r\n"
    asked = [re.sub(accepts, b"", re.sub(rb"127.0.0.1:\d+", b"HOST", each)) for each in product.asked]
    common = (
        f"Connection: keep-alive\r\naccept: application/json\r\nuser-agent: definable/{__version__}\r\n"
        "authorization: Bearer hxtp_0123456789\r\n"
    )
    run = "POST /api/v1/projects/a%2Fb/runs HTTP/1.1\r\nHost: HOST\r\n"
    body = '{"inputParams":{"a":"ü","n":[1.5,null]}}'
    said = f"Content-Length: {len(body.encode())}\r\nContent-Type: application/json\r\n\r\n"
    assert [each.decode() for each in asked] == [
        f"{run}Content-Length: 0\r\n{common}\r\n",
        f"{run}{common}{said}{body}",
        f"GET /api/v1/groups?limit=2&after=a+b%26%C3%BC HTTP/1.1\r\nHost: HOST\r\n{common}\r\n",
    ]
    assert all(re.search(accepts, each) for each in product.asked)


async def test_a_compressed_answer_is_read() -> None:
    """And what it is when it is decompressed counts for the limit."""
    body = gzip.compress(b'{"values": "%s"}' % (b"x" * 5_000))
    async with _serving(_answer(body, b"content-encoding: gzip")) as (_, adapter):
        outcome = await adapter.attempt(LIST)
    assert outcome.body == {"values": "x" * 5_000}
    async with _serving(_answer(body, b"content-encoding: gzip"), limit=1_000) as (_, adapter):
        outcome = await adapter.attempt(LIST)
    assert (outcome.phase, outcome.cause) == (Phase.COMMITTED, "too_large")


async def test_a_connection_is_used_again() -> None:
    """One for each request under way, and no more."""
    async with _serving(_answer()) as (product, adapter):
        await adapter.attempt(LIST)
        await adapter.attempt(LIST)
        assert product.opened == 1
        await _at_once(3, adapter.attempt)
        await _at_once(3, adapter.attempt)
        assert (product.opened, product.open) == (3, 3)
    await product.sees(lambda: product.open == 0)


async def test_a_connection_that_nobody_used_for_a_while_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are used stay."""
    monkeypatch.setattr(connections, "IDLE", 0.1)
    async with _serving(_answer()) as (product, adapter):
        await _at_once(3, adapter.attempt)
        for _ in range(4):
            await asyncio.sleep(0.04)
            await adapter.attempt(LIST)
        await product.sees(lambda: product.open == 1)
        assert product.opened == 3
        await asyncio.sleep(0.15)
        await adapter.attempt(LIST)
        assert product.opened == 4


async def test_a_connection_that_the_product_closed_is_not_used() -> None:
    """No request is lost on it."""
    async with _serving(_answer(b"{}", b"connection: close"), b"", _answer()) as (product, adapter):
        await adapter.attempt(LIST)
        assert (await adapter.attempt(LIST)).phase is Phase.UNKNOWN
        assert (await adapter.attempt(LIST)).status == 200
        assert product.opened == 3


@pytest.mark.parametrize("begun", [None, OK + b"content-length: 9\r\n\r\n{"], ids=["unanswered", "begun"])
async def test_who_is_interrupted_leaves_no_connection_behind(begun: bytes | None) -> None:
    """Whether the answer had begun or not; the next request has one of its own, at once."""
    async with _serving(begun, _answer()) as (product, adapter):
        attempt = asyncio.create_task(adapter.attempt(LIST))
        await product.sees(lambda: len(product.asked) == 1)
        await asyncio.sleep(0.02)
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        await product.sees(lambda: product.open == 0)
        assert (await adapter.attempt(LIST)).status == 200
        assert product.opened == 2


async def test_what_keeps_a_request_here_is_raised_and_nothing_leaves() -> None:
    """It is called when the connection is there; that one is closed, and the next request has another."""

    def stop() -> None:
        raise LookupError("not now")

    async with _serving(_answer()) as (product, adapter):
        with pytest.raises(LookupError, match="not now"):
            await adapter.attempt(LIST, stop)
        await product.sees(lambda: product.opened == 1 and product.open == 0)
        assert product.asked == []
        assert (await adapter.attempt(LIST)).status == 200


async def test_closing_takes_those_in_use_too() -> None:
    """The attempt under way ends without an answer, and no other begins."""
    async with _serving(None) as (product, adapter):
        attempt = asyncio.create_task(adapter.attempt(LIST))
        await product.sees(lambda: len(product.asked) == 1)
        await adapter.aclose()
        assert (await attempt).phase is Phase.UNKNOWN
        await product.sees(lambda: product.open == 0)
        with pytest.raises(RuntimeError, match="closed"):
            await adapter.attempt(LIST)
        assert product.opened == 1
