"""The adapter against a served sandbox and against sockets that misbehave: one attempt, whatever happens."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from definable.calls import Outcome, Phase, Send
from definable.redaction import Redactor
from definable.sandbox import Faults, Served, World, serve
from definable.spec.toolkit import Toolkit
from definable.toolkits.adapter import Adapter
from definable.toolkits.credentials import KeyRing
from tests.hexkit import toolkit

pytestmark = pytest.mark.anyio

LIST = Send(tool="HEX_LIST_GROUPS", arguments={"limit": 2})


@contextmanager
def _sandbox(fault: str = "", quotas: bool = False, **given: Any) -> Iterator[Served]:
    faults = [{"tool": "*", "fault": fault, "with": given}] if fault else []
    with serve(World(quotas=quotas), Faults.parse(faults)) as served:
        yield served


async def _attempt(
    base_url: str, environ: dict[str, str], *sends: Send, kit: Toolkit | None = None
) -> list[Outcome]:
    kit = kit or toolkit()
    ring = KeyRing(kit.credentials, environ)
    adapter = Adapter(kit, base_url, ring, Redactor(ring.secrets()))
    try:
        return [await adapter.attempt(send) for send in sends or (LIST,)]
    finally:
        await adapter.aclose()


async def _with(served: Served, *sends: Send, kit: Toolkit | None = None) -> list[Outcome]:
    return await _attempt(served.base_url, {"HEX_API_TOKEN": served.token}, *sends, kit=kit)


async def test_a_read_comes_back_as_json() -> None:
    """A success has its phase, status, body, the credential's name and the time at which it ended."""
    with _sandbox() as served:
        (outcome,) = await _with(served)
    assert (outcome.phase, outcome.status, outcome.media) == (Phase.COMMITTED, 200, "json")
    assert len(outcome.body["values"]) == 2
    assert outcome.credential == "HEX_API_TOKEN"
    assert outcome.at.endswith("Z")


async def test_a_wrong_token_is_refused_in_plain_text() -> None:
    """Hex's edge answers a bad token in text before any route is looked at."""
    with _sandbox() as served:
        (outcome,) = await _attempt(served.base_url, {"HEX_API_TOKEN": "hxtp_wrong"})
    assert (outcome.phase, outcome.status, outcome.body) == (Phase.REJECTED, 401, "Unauthorized")
    assert "invalid_token" in outcome.headers["www-authenticate"]


async def test_a_refused_key_is_left_behind() -> None:
    """With `fresh`, the next source of the ring is used, in the same process and at once."""
    with _sandbox() as served:
        environ = {"HEX_API_TOKEN": "hxtp_old", "HEX_API_TOKEN_NEXT": served.token}
        fresh = LIST.model_copy(update={"fresh": True})
        outcomes = await _attempt(served.base_url, environ, LIST, fresh, fresh)
    assert [o.status for o in outcomes] == [401, 200, 200]
    assert [o.credential for o in outcomes][1:] == ["HEX_API_TOKEN_NEXT"] * 2


async def test_retry_after_reaches_the_verifier() -> None:
    """What a 429 says of waiting is kept in the headers."""
    with _sandbox("rate_limit", retry_after=7.0) as served:
        (outcome,) = await _with(served)
    assert (outcome.phase, outcome.status) == (Phase.REJECTED, 429)
    assert outcome.headers["retry-after"] == "7"


async def test_a_connection_that_is_reset_leaves_the_outcome_unknown() -> None:
    """The request was written, so nobody knows."""
    with _sandbox("reset") as served:
        (outcome,) = await _with(served)
    assert (outcome.phase, outcome.cause, outcome.status) == (Phase.UNKNOWN, "reset", None)


async def test_a_body_that_is_cut_off_is_no_answer() -> None:
    """A 200 whose body stops half-way leaves the outcome unknown, and says which status it began with."""
    with _sandbox("cut") as served:
        (outcome,) = await _with(served)
    assert (outcome.phase, outcome.cause, outcome.status) == (Phase.UNKNOWN, "reset", None)
    assert outcome.error.startswith("after status 200, ")


async def test_an_answer_that_does_not_come_is_given_up() -> None:
    """After the toolkit's time a request that was sent is unknown."""
    with _sandbox("stall", seconds=20.0) as served:
        (outcome,) = await _with(served, kit=toolkit().model_copy(update={"timeout": 0.2}))
    assert (outcome.phase, outcome.cause) == (Phase.UNKNOWN, "timeout")


async def test_a_huge_answer_is_not_read_to_its_end() -> None:
    """Reading stops at the toolkit's limit."""
    with _sandbox("huge") as served:
        (outcome,) = await _with(served, kit=toolkit().model_copy(update={"max_response": 100_000}))
    assert (outcome.phase, outcome.cause, outcome.body) == (Phase.COMMITTED, "too_large", None)
    assert "larger than 100,000 bytes" in outcome.error


async def test_html_instead_of_json_is_kept_as_text() -> None:
    """Enough of it is kept to recognise it."""
    with _sandbox("garbage") as served:
        (outcome,) = await _with(served)
    assert (outcome.media, outcome.status) == ("text", 200)
    assert "<html" in outcome.body


async def test_nobody_listening_means_that_nothing_was_sent() -> None:
    """A refused connection is safe to try again."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    (outcome,) = await _attempt(f"http://127.0.0.1:{port}/api", {"HEX_API_TOKEN": "t"})
    assert (outcome.phase, outcome.cause) == (Phase.NOT_SENT, "connect")


async def test_a_name_that_does_not_exist_is_told_from_a_closed_port(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The cause says that it is the name, not the service."""

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    (outcome,) = await _attempt("https://nowhere.invalid/api", {"HEX_API_TOKEN": "t"})
    assert (outcome.phase, outcome.cause) == (Phase.NOT_SENT, "dns")


async def test_a_server_without_tls_is_told() -> None:
    """https to a plain http server is a TLS failure before anything was sent."""
    with _sandbox() as served:
        (outcome,) = await _attempt(served.base_url.replace("http:", "https:"), {"HEX_API_TOKEN": "t"})
    assert (outcome.phase, outcome.cause) == (Phase.NOT_SENT, "tls")


@contextmanager
def _answers(first: bytes, then: bytes) -> Iterator[str]:
    """Serve connections that say `first` to their first request and `then` to each that follows."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def talk(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                answer = first
                while connection.recv(65536):
                    connection.sendall(answer)
                    answer = then

        def run() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=talk, args=(connection,), daemon=True).start()

        threading.Thread(target=run, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/api"
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)


@contextmanager
def _says(*parts: bytes, pause: float = 0.0) -> Iterator[str]:
    """Serve one connection that says `parts`, whatever it is asked."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                for part in parts:
                    if stop.wait(pause):
                        return
                    try:
                        connection.sendall(part)
                    except OSError:
                        return

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/api"
        finally:
            stop.set()
            thread.join()


async def test_what_is_not_http_leaves_the_outcome_unknown() -> None:
    """Something answered, but nobody knows what it did."""
    with _says(b"SSH-2.0-OpenSSH_9.6\r\n\r\n") as url:
        (outcome,) = await _attempt(url, {"HEX_API_TOKEN": "t"})
    assert (outcome.phase, outcome.cause) == (Phase.UNKNOWN, "reset")


JSON = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"
OURS, STRAY = JSON % (7, b'{"a":1}'), JSON % (7, b'{"b":2}')


@pytest.mark.parametrize(
    ("first", "body"),
    [
        (OURS + STRAY, {"a": 1}),
        (OURS + b"\r\nmore", {"a": 1}),
        (b"HTTP/1.1 204 No Content\r\n\r\n" + b'{"done":true}', None),
    ],
    ids=["twice", "longer", "no content"],
)
async def test_what_comes_behind_an_answer_is_not_the_next_one(first: bytes, body: Any) -> None:
    """An answer that was sent twice, or is longer than it says, would be that of the next request."""
    with _answers(first, STRAY) as url:
        outcomes = await _attempt(url, {"HEX_API_TOKEN": "t"}, LIST, LIST, LIST)
    assert [(each.phase, each.body) for each in outcomes] == [(Phase.COMMITTED, body)] * 3


async def test_a_connection_is_kept_for_the_next_request() -> None:
    """Where nothing is left behind an answer."""
    with _answers(OURS, STRAY) as url:
        outcomes = await _attempt(url, {"HEX_API_TOKEN": "t"}, LIST, LIST)
    assert [each.body for each in outcomes] == [{"a": 1}, {"b": 2}]


async def test_a_server_that_drips_bytes_is_given_up() -> None:
    """A byte now and then keeps a read timeout away, but not the limit on the whole attempt."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n"
    with _says(head, *([b" "] * 90), pause=0.05) as url:
        kit = toolkit().model_copy(update={"timeout": 0.2})
        (outcome,) = await _attempt(url, {"HEX_API_TOKEN": "t"}, kit=kit)
    assert (outcome.phase, outcome.cause) == (Phase.UNKNOWN, "timeout")
    assert outcome.seconds < 2


async def test_a_compressed_body_that_is_none_is_no_answer() -> None:
    """A broken encoding is told as such and leaves the outcome unknown."""
    head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nnope"
    with _says(head) as url:
        (outcome,) = await _attempt(url, {"HEX_API_TOKEN": "t"})
    assert outcome.phase is Phase.UNKNOWN
    assert "cannot be decompressed" in outcome.error
