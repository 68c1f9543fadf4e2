"""Webhooks in and out, with real signatures, over real sockets."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from definable.errors import UsageError
from definable.service import post, reach
from definable.service.access import Limits
from definable.store import DeliveryRow, HookRow, Store, open_store
from tests.integration.test_service import ASKS, LISTS
from tests.integration.test_service_batches import items, order, until
from tests.service import Service, serving

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PLAIN = "a plain secret, of words"

HOOKED = """
name: {name}
description: List some projects, when told to.
inputs:
  most: {{ type: integer, default: 3, minimum: 1, maximum: 100 }}
  note: {{ type: object, default: {{}} }}
triggers:
  - webhook: {name}-hook
    secret: {secret}
    inputs: {{ most: "${{{{ event.body.most }}}}", note: "${{{{ event }}}}" }}
steps:
  - id: list
    call: HEX_LIST_PROJECTS
    arguments: {{ limit: "${{{{ inputs.most }}}}" }}
outputs: {{ first: "${{{{ steps.list.output.values[0].id }}}}" }}
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Serve workflows with webhooks: one secret in base64, one in words, one that is not set."""
    root: Path = tmp_path_factory.mktemp("hooks")
    (root / "workflows").mkdir()
    for name, secret in (("base", "BASE_SECRET"), ("words", "WORDS_SECRET"), ("none", "NO_SECRET")):
        (root / "workflows" / f"{name}.yaml").write_text(HOOKED.format(name=name, secret=secret))
    (root / "workflows" / "asks.yaml").write_text(ASKS)
    (root / "workflows" / "lists.yaml").write_text(LISTS)
    (root / "workflows" / "wrong.yaml").write_text("name: wrong\ntriggers: base-hook\n")
    environ = {"BASE_SECRET": SECRET, "WORDS_SECRET": PLAIN}
    with serving(root, environ, limits=Limits(rate=1e6, burst=1e6, body=100_000)) as up:
        yield up


def call(
    service: Service,
    hook: str,
    body: bytes,
    *,
    ident: str = "msg_1",
    secret: str | bytes = SECRET,
    at: datetime | None = None,
    **headers: str,
) -> httpx.Response:
    """Send a signed request to a webhook."""
    at = at or datetime.now(UTC)
    signed = {
        "webhook-id": ident,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(ident, at, body.decode()),
        "content-type": "application/json",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return service.http.post(f"/hooks/{hook}?from=there&token=t0psecret99", content=body, headers=signed)


def test_a_signed_webhook_starts_one_run_however_often_it_comes(service: Service) -> None:
    """Its body becomes inputs; the same webhook-id is the same run, another one another."""
    answer = call(service, "base-hook", b'{"most": 4}', ident="msg_a")
    assert answer.status_code == 202, answer.text
    run = answer.json()["id"]
    assert answer.headers["location"] == f"/api/runs/{run}"
    again = call(service, "base-hook", b'{"most": 4}', ident="msg_a", x_try="2")
    assert (again.status_code, again.json()["id"]) == (202, run)
    assert call(service, "base-hook", b'{"most": 4}', ident="msg_b").json()["id"] != run
    found = service.follow(run)
    assert (found["status"], found["inputs"]["most"]) == ("done", 4)
    assert found["inputs"]["note"]["body"] == {"most": 4}
    assert found["inputs"]["note"]["query"]["from"] == "there"


def test_what_is_secret_in_a_request_gets_into_no_run(service: Service) -> None:
    """Signatures, keys, cookies and tokens are in no input, no event and no file of the service."""
    answer = call(
        service,
        "base-hook",
        b'{"most": 2}',
        ident="msg_c",
        authorization="Bearer tok3nA9x7",
        cookie="c00kie=A9x7",
        x_hub_signature="s1gA9x7",
        x_gitlab_token="glA9x7",
    )
    run = service.follow(answer.json()["id"])
    assert run["inputs"]["note"]["headers"]["content-type"] == "application/json"
    events = service.http.get(f"/api/runs/{run['id']}/events").text
    known = ("A9x7", "t0psecret99", SECRET, answer.request.headers["webhook-signature"])
    stored = b"".join(path.read_bytes() for path in service.home.rglob("*") if path.is_file())
    for each in known:
        assert each not in json.dumps(run) + events
        assert each.encode() not in stored


def test_a_secret_in_words_verifies_too(service: Service) -> None:
    """A secret without whsec_ is taken as it is; with the other hook's secret it does not hold."""
    assert call(service, "words-hook", b'{"most": 2}', secret=PLAIN.encode()).status_code == 202
    assert call(service, "words-hook", b'{"most": 2}', secret=SECRET).status_code == 401


def test_what_is_not_signed_just_now_by_the_right_one_is_refused(service: Service) -> None:
    """No signature, a bad one, another body, an old or future time: 401, and no run."""
    before = service.http.get("/api/runs", params={"workflow": "base", "limit": 200}).json()["runs"]
    now = datetime.now(UTC)
    other = "whsec_" + "QUFB" * 8
    refused = [
        service.http.post("/hooks/base-hook", content=b"{}"),
        call(service, "base-hook", b"{}", secret=other, ident="bad1"),
        call(service, "base-hook", b"{}", ident="bad2", webhook_signature="v1,nonsense,x"),
        call(service, "base-hook", b"{}", ident="bad3", webhook_signature="v1,%%%"),
        call(service, "base-hook", b"{}", ident="bad4", webhook_id="another"),
        call(service, "base-hook", b"{}", ident="bad5", at=now - timedelta(minutes=6)),
        call(service, "base-hook", b"{}", ident="bad6", at=now + timedelta(minutes=6)),
    ]
    assert [each.status_code for each in refused] == [401] * len(refused)
    for each in refused:
        assert "the signature does not hold" in each.json()["detail"]
    after = service.http.get("/api/runs", params={"workflow": "base", "limit": 200}).json()["runs"]
    assert len(after) == len(before)


def test_who_hangs_up_in_the_middle_of_a_request_is_no_error(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    """A request that is cut off is nobody's fault here: the log has nothing of it, and the next is served."""
    host, port = service.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as cut:
        cut.sendall(b"POST /hooks/base-hook HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n{")
        assert call(service, "base-hook", b"{}", ident="bad0", webhook_id="other").status_code == 401
    assert call(service, "base-hook", b"{}", ident="bad0", webhook_id="other").status_code == 401
    assert not [each for each in caplog.records if each.levelname == "ERROR"]


def test_a_hook_says_what_it_lacks(service: Service) -> None:
    """An unknown hook is 404, one without its secret 503, a body that does not fit 422."""
    assert call(service, "nothing", b"{}").status_code == 404
    missing = call(service, "none-hook", b"{}")
    assert missing.status_code == 503
    assert "NO_SECRET is not set" in missing.json()["detail"]
    for body, words in (
        (b"[", "not JSON"),
        (b"{}", "there is no 'most'"),
        (b'{"most": 1000}', "most"),
        (b'{"most": ' + b"9" * 5000 + b"}", "a whole number has 5,000 digits"),
        (b"[" * 90_000, "nested too deeply"),
    ):
        answer = call(service, "base-hook", body, ident=f"msg_{words}")
        assert answer.status_code == 422
        assert words in answer.json()["detail"]
    assert call(service, "base-hook", b" " * 200_000).status_code == 413


@dataclass
class Receiver:
    """A server on loopback that keeps what it is sent, and answers as it is told to."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    """Statuses of the next answers; then 204."""
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def of(self, kind: str, *, seconds: float = 20) -> list[dict[str, Any]]:
        """Wait for messages of a kind, and return all that came so far."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = [json.loads(body) for _, body in self.got]
            if some := [each for each in found if each["type"] == kind]:
                return some
            time.sleep(0.05)
        raise AssertionError(self.got)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Listen on loopback."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            receiver.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
            status = receiver.answers.pop(0) if receiver.answers else 204
            self.send_response(status)
            if status in (301, 302, 307):
                self.send_header("location", receiver.url)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        receiver.url = f"http://localhost:{server.server_address[1]}/in"
        yield receiver
        server.shutdown()
        thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Return a receiver of one test."""
    with receiving() as up:
        yield up


@contextmanager
def subscribed(service: Service, url: str, *events: str) -> Iterator[dict[str, Any]]:
    """Have events told to a receiver for a while, once the runs of other tests are over."""
    end = time.monotonic() + 60
    while any(service.http.get(f"/api/runs?status={at}").json()["runs"] for at in ("queued", "running")):
        assert time.monotonic() < end, "a run of another test does not end"
        time.sleep(0.05)
    answer = service.http.post("/api/webhooks", json={"url": url, "events": events})
    assert answer.status_code == 201, answer.text
    hook: dict[str, Any] = answer.json()
    yield hook
    assert service.http.delete(f"/api/webhooks/{hook['id']}").status_code == 204


def test_the_end_of_a_run_is_told_signed_and_once(service: Service, receiver: Receiver) -> None:
    """The receiver can verify it with the library of the standard, and is told what it asked for only."""
    with subscribed(service, receiver.url, "run.done") as hook:
        run = service.follow(service.submit("lists", most=2))
        (said,) = receiver.of("run.done")
        assert said["data"]["run"] == run["id"]
        assert said["data"]["outputs"] == run["outputs"]
        headers, body = receiver.got[0]
        assert Webhook(hook["secret"]).verify(body, headers) == said
        assert headers["host"] == httpx.URL(receiver.url).netloc.decode()
        (delivery,) = service.http.get(f"/api/webhooks/{hook['id']}/deliveries").json()
        assert (delivery["state"], delivery["code"], delivery["tries"]) == ("delivered", 204, 1)
        assert delivery["id"] == headers["webhook-id"]
        asks = service.submit("asks", cell="00000000-0000-4000-8000-000000000000")
        service.follow(asks, until=("waiting",))
        time.sleep(1.2)
        assert len(receiver.got) == 1
        shown = service.http.get(f"/api/webhooks/{hook['id']}").text
        assert hook["secret"] not in shown + service.http.get("/api/webhooks").text


def test_waits_for_people_cancels_and_batches_are_told(service: Service, receiver: Receiver) -> None:
    """A run that waits for an answer, one that was cancelled, and a batch that has ended."""
    with subscribed(service, receiver.url, "run.waiting", "run.cancelled", "batch.ended"):
        run = service.submit("asks", cell="00000000-0000-4000-8000-000000000000")
        (waits,) = receiver.of("run.waiting")
        assert (waits["data"]["run"], waits["data"]["reason"]) == (run, "approval")
        service.http.post(f"/api/runs/{run}/cancel").raise_for_status()
        assert receiver.of("run.cancelled")[0]["data"]["run"] == run
        made = order(service, items([1, 2])).json()["id"]
        until(service, made, "ended")
        (ended,) = receiver.of("batch.ended")
        assert (ended["data"]["batch"], ended["data"]["status"]) == (made, "done")


def test_a_delivery_that_fails_is_tried_again_under_the_same_id(
    service: Service, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Errors and redirects are no arrival; the next try has the same id and body, and ends the failing."""
    monkeypatch.setattr(post, "DELAYS", (0.1, 0.1, 0.1))
    receiver.answers = [500, 302]
    with subscribed(service, receiver.url, "run.done") as hook:
        service.follow(service.submit("lists", most=2))
        end = time.monotonic() + 20
        while len(receiver.got) < 3 and time.monotonic() < end:
            time.sleep(0.05)
        assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
        assert len({body for _, body in receiver.got}) == 1
        time.sleep(0.3)
        (delivery,) = service.http.get(f"/api/webhooks/{hook['id']}/deliveries").json()
        assert (delivery["state"], delivery["tries"], delivery["code"]) == ("delivered", 3, 204)
        assert service.http.get(f"/api/webhooks/{hook['id']}").json()["failing_since"] is None


def test_who_is_gone_is_told_nothing_more(service: Service, receiver: Receiver) -> None:
    """A test says how it went; 410 disables a webhook until somebody enables it."""
    with subscribed(service, receiver.url, "run.done") as hook:
        path = f"/api/webhooks/{hook['id']}"
        assert service.http.post(f"{path}/test").json()["state"] == "delivered"
        receiver.answers = [410]
        failed = service.http.post(f"{path}/test").json()
        assert (failed["state"], failed["error"]) == ("failed", "answered 410")
        found = service.http.get(path).json()
        assert (found["enabled"], found["why"]) == (False, "the receiver answered 410: it is gone")
        service.follow(service.submit("lists", most=2))
        time.sleep(1.2)
        assert [json.loads(body)["type"] for _, body in receiver.got] == ["webhook.test"] * 2
        assert service.http.patch(path, json={"enabled": True}).json()["enabled"] is True
        service.follow(service.submit("lists", most=2))
        receiver.of("run.done")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://example.com/in", "is not an https URL"),
        ("ftp://localhost/in", "is not an https URL"),
        ("https://user:word@example.com/", "has a user"),
        ("https://no-such-host.invalid/", "is not known"),
        ("https://localhost:99999/", "an odd port"),
        ("https://a..b.invalid/", "is not known"),
        ("https://xn--a/", "is no URL"),
        ("nonsense", "is not an https URL"),
    ],
)
def test_a_webhook_goes_by_https_to_a_host_that_is_known(service: Service, url: str, words: str) -> None:
    """Plain http to another machine, other schemes, users in URLs and unknown hosts are refused."""
    answer = service.http.post("/api/webhooks", json={"url": url, "events": ["run.done"]})
    assert answer.status_code == 409
    assert words in answer.json()["detail"]


PRIVATE = ("127.0.0.1", "10.0.0.7", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1")
PRIVATE_6 = ("::1", "fe80::1", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "ff02::1")


@pytest.mark.parametrize("address", [*PRIVATE, *PRIVATE_6])
def test_no_address_behind_the_firewall_is_public(address: str) -> None:
    """Private, loopback, link-local, shared, multicast ones, and IPv6 ones that stand for them."""
    assert not reach.public(ip_address(address))
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(UsageError, match="private network"):
        anyio.run(reach.found, f"https://{host}/in", False)


def test_public_addresses_are_public() -> None:
    """Of both kinds; what was looked at is what is connected to."""
    assert all(reach.public(ip_address(each)) for each in ("1.1.1.1", "2606:4700::1111", "64:ff9b::101:101"))
    target = anyio.run(reach.found, "https://[2606:4700::1111]:8443/in?x=1", False)
    assert str(target.connected) == "https://[2606:4700::1111]:8443/in?x=1"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Return an empty store with one webhook."""
    with open_store(tmp_path / "state.db") as up:
        up.subscribe(HookRow(id="h1", url="http://localhost:1/", events=["batch.ended"], secret=SECRET))
        yield up


def _tried(store: Store, **facts: Any) -> DeliveryRow:
    async def go() -> DeliveryRow:
        sender = post.Post(store, local=True)
        try:
            return await sender.deliver(DeliveryRow(id="m", hook="h1", event="webhook.x", at="", **facts))
        finally:
            await sender.close()

    return anyio.run(go)


def test_a_receiver_that_is_away_is_tried_eight_times_over_a_day(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each try waits longer, the eighth is the last; after days of nothing but failures it is disabled."""
    monkeypatch.setattr(post, "composed", lambda *_: "{}")
    waits = [_tried(store, tries=n).due - store.time() for n in range(1, 8)]
    assert waits == sorted(waits)
    assert 4 < waits[0] < 6
    assert 32_000 < waits[-1] < 40_000
    assert _tried(store, tries=8).state == "failed"
    assert store.hooks()[0].disabled_at is None
    store.change_hook("h1", failing_since=store.time() - 4 * 86_400)
    assert "ConnectError" in _tried(store, tries=2).wrong
    assert store.hooks()[0].why == "nothing has arrived for 3 days"
