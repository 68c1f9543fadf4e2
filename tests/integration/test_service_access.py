"""Who may use the service, and for what: keys, scopes, hosts, origins, limits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from definable.cli import main
from definable.errors import StoreUnreachable
from definable.service.access import Limits
from tests.integration.test_service import ASKS, LISTS
from tests.service import Service, serving

LEVELS = ("viewer", "operator", "approver", "admin")


def cli(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run the command line in this process."""
    code = main(arguments)
    said = capsys.readouterr()
    return code, said.out.strip(), said.err


@contextmanager
def facing(root: Path, **facts: Any) -> Iterator[Service]:
    """Serve a workspace as one that faces a network does."""
    (root / "workflows").mkdir()
    (root / "workflows" / "asks.yaml").write_text(ASKS)
    (root / "workflows" / "lists.yaml").write_text(LISTS)
    with serving(root, limits=Limits(rate=1e6, burst=1e6, body=2_000), local=False, **facts) as up:
        yield up


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Serve it for the tests that have keys to it."""
    with facing(tmp_path_factory.mktemp("access")) as up:
        yield up


@pytest.fixture(scope="module")
def keys(service: Service) -> dict[str, str]:
    """Return a key of each level, made by the command line."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(service.home.parent)
        patch.setenv("DEFINABLE_HOME", str(service.home))
        found = {}
        for level in reversed(LEVELS):
            capture: list[str] = []
            patch.setattr("definable.cli.screen.Screen.result", lambda _, text, to=capture: to.append(text))
            assert main(("keys", "grant", f"the {level}", "--scope", level)) == 0
            (found[level],) = capture
    time.sleep(1.1)  # what is known of the keys is good for a second
    return found


def test_the_first_key_is_an_admins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is shown once, kept as a hash, listed without itself, and taken back by its name or id."""
    monkeypatch.setenv("DEFINABLE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    code, _, said = cli(capsys, "keys", "grant", "ci", "--scope", "operator")
    assert code == 2
    assert "no admin's key yet" in said
    code, key, _ = cli(capsys, "keys", "grant", "me", "--scope", "admin")
    assert code == 0
    assert key.startswith("dfn_")
    assert cli(capsys, "keys", "grant", "me", "--scope", "viewer")[0] == 2
    assert cli(capsys, "keys", "grant", "a/b", "--scope", "viewer")[0] == 2
    assert cli(capsys, "keys", "grant", "ci")[0] == 0
    code, listed, _ = cli(capsys, "keys", "grants")
    assert [line.split()[1:3] for line in listed.splitlines()] == [["me", "admin"], ["ci", "operator"]]
    assert key not in listed
    assert key.encode() not in (tmp_path / "home" / "definable.db").read_bytes()
    assert cli(capsys, "keys", "revoke", "ci")[0] == 0
    code, _, said = cli(capsys, "keys", "revoke", "ci")
    assert code == 2
    assert "there are: me" in said
    assert "no keys" not in cli(capsys, "keys", "revoke", key.split("_")[1])[1]
    assert "no keys" in cli(capsys, "keys", "grants")[2]


@pytest.mark.parametrize("facing", [("--host", "0.0.0.0"), ("--name", "flows.example")])
def test_nothing_faces_a_network_without_a_key(
    facing: tuple[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another address than loopback, or a name that others call it by, is refused while there is no key."""
    monkeypatch.setenv("DEFINABLE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    code, out, said = cli(capsys, "serve", *facing, "--port", "0")
    assert (code, out) == (2, "")
    assert f"{' '.join(facing)} faces a network, and there is no key yet" in said
    assert "definable keys grant NAME --scope admin" in said


def test_a_service_that_others_reach_is_never_open(tmp_path: Path) -> None:
    """Before its first key, or when all were revoked, nobody is let in but to what says nothing."""
    with facing(tmp_path, slots=0) as service:
        assert service.http.get("/api/runs").status_code == 401
        assert service.http.get("/healthz").status_code == 200


def _as(service: Service, key: str) -> httpx.Client:
    return httpx.Client(base_url=service.url, headers={"authorization": f"Bearer {key}"}, timeout=30)


def test_without_a_key_every_door_is_shut(service: Service, keys: dict[str, str]) -> None:
    """401 as a problem, whatever the path; a wrong, cut or made-up key is none; health needs none."""
    right = keys["admin"]
    wrong = (None, "nonsense", right[:-1], right + "x", f"dfn_{right.split('_')[1]}_", "dfn_00000000_x")
    for key in wrong:
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        for path in ("/api/runs", "/api/batches", "/api/webhooks", "/metrics", "/api/openapi.json", "/nope"):
            answer = httpx.get(service.url + path, headers=headers)
            assert answer.status_code == 401, (key, path)
            assert answer.headers["www-authenticate"] == "Bearer"
            assert answer.headers["content-type"] == "application/problem+json"
            assert "key" in answer.json()["detail"]
            assert not key or len(key) < 20 or key not in answer.text
    assert httpx.get(f"{service.url}/healthz").text == "ok\n"
    assert httpx.get(f"{service.url}/readyz").status_code == 200
    assert httpx.get(f"{service.url}/api/runs", headers={"x-api-key": right}).status_code == 200


RIGHTS: list[tuple[str, str, Any, str]] = [
    ("GET", "/api/runs", None, "viewer"),
    ("GET", "/api/batches", None, "viewer"),
    ("GET", "/metrics", None, "viewer"),
    ("POST", "/api/runs", {"workflow": "nothing"}, "operator"),
    ("POST", "/api/runs/nope/cancel", None, "operator"),
    ("POST", "/api/batches/nope/stop", None, "operator"),
    ("POST", "/api/approvals/nope", {"approve": True, "arguments_hash": "x"}, "approver"),
    ("GET", "/api/webhooks", None, "admin"),
    ("POST", "/api/webhooks", {"url": "ftp://x", "events": ["run.done"]}, "admin"),
    ("DELETE", "/api/webhooks/00", None, "admin"),
    ("GET", "/api/keys", None, "admin"),
    ("POST", "/api/keys", {"name": "the admin", "level": "viewer"}, "admin"),
    ("DELETE", "/api/keys/nope", None, "admin"),
]


@pytest.mark.parametrize(("method", "path", "body", "least"), RIGHTS)
def test_a_key_may_do_what_its_scope_says_and_nothing_more(
    service: Service, keys: dict[str, str], method: str, path: str, body: Any, least: str
) -> None:
    """Below the scope that a door needs it is 403, with what is needed; from there on it is let in."""
    for level in LEVELS:
        with _as(service, keys[level]) as http:
            answer = http.request(method, path, json=body)
        if LEVELS.index(level) < LEVELS.index(least):
            assert answer.status_code == 403, (level, answer.text)
            assert answer.json()["detail"] == f"the key 'the {level}' is for a {level}; this needs {least}"
        else:
            assert answer.status_code not in (401, 403), (level, answer.text)


def test_a_viewer_starts_nothing_and_an_operator_answers_nothing(
    service: Service, keys: dict[str, str]
) -> None:
    """With a real run and a real question: refused, nothing happens; the approver's name is in the answer."""
    wish = {"workflow": "asks", "inputs": {"cell": "00000000-0000-4000-8000-000000000000"}}
    with _as(service, keys["viewer"]) as viewer, _as(service, keys["operator"]) as operator:
        assert viewer.post("/api/runs", json=wish).status_code == 403
        files = {"file": ("items.jsonl", b"{}", "text/plain")}
        assert viewer.post("/api/batches", data={"workflow": "lists"}, files=files).status_code == 403
        assert viewer.get("/api/runs").json()["runs"] == []
        run = operator.post("/api/runs", json=wish).json()["id"]
        end = time.monotonic() + 30
        while not (asks := operator.get("/api/approvals").json()) and time.monotonic() < end:
            time.sleep(0.05)
        said = {"approve": False, "arguments_hash": asks[0]["arguments_hash"]}
        assert operator.post(f"/api/approvals/{asks[0]['id']}", json=said).status_code == 403
        assert operator.get(f"/api/runs/{run}").json()["status"] == "waiting"
    with _as(service, keys["approver"]) as approver:
        answered = approver.post(f"/api/approvals/{asks[0]['id']}", json=said)
        assert answered.json()["decision"]["by"] == "the approver"


def test_a_revoked_key_is_refused(service: Service, keys: dict[str, str]) -> None:
    """By the service at once; by its cookie, too. A key of the same name can be made anew."""
    with _as(service, keys["admin"]) as admin:
        made = admin.post("/api/keys", json={"name": "for a while", "level": "operator"}).json()
        assert admin.post("/api/keys", json={"name": "for a while"}).status_code == 409
        with _as(service, made["key"]) as other, httpx.Client(base_url=service.url) as page:
            assert other.get("/api/runs").status_code == 200
            assert page.post("/api/session", json={"key": made["key"]}).status_code == 200
            assert page.get("/api/runs").status_code == 200
            assert admin.delete(f"/api/keys/{made['id']}").status_code == 204
            assert other.get("/api/runs").status_code == 401
            assert page.get("/api/runs").status_code == 401
        assert admin.post("/api/keys", json={"name": "for a while"}).status_code == 201


def test_a_stream_ends_with_its_key(service: Service, keys: dict[str, str]) -> None:
    """Who is watching a run when the key is revoked is told nothing that happens from then on."""
    with _as(service, keys["admin"]) as admin:
        made = admin.post("/api/keys", json={"name": "watcher", "level": "viewer"}).json()
        wish = {"workflow": "asks", "inputs": {"cell": "5c432228-6a73-5d05-b215-f0cd459cbdef"}}
        run = admin.post("/api/runs", json=wish).json()["id"]
        with _as(service, made["key"]) as watcher:
            path, headers = f"/api/runs/{run}/events", {"accept": "text/event-stream"}
            with watcher.stream("GET", path, headers=headers) as stream:
                lines = stream.iter_lines()
                assert any('"run.waiting"' in line for line in lines)
                assert admin.delete(f"/api/keys/{made['id']}").status_code == 204
                assert admin.post(f"/api/runs/{run}/cancel").status_code == 200
                assert not any("cancelled" in line for line in lines)


def test_while_the_database_is_away_the_process_lives(
    service: Service, keys: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What needs no key does without the database; the rest is told that it is not there, in words."""

    def away(_: object) -> None:
        raise StoreUnreachable("the server is gone")

    monkeypatch.setattr("definable.service.access.Keys.known", away)
    assert httpx.get(f"{service.url}/healthz").status_code == 200
    assert httpx.get(f"{service.url}/").status_code == 200
    with _as(service, keys["viewer"]) as http:
        answer = http.get("/api/runs")
    assert (answer.status_code, answer.json()["detail"]) == (503, "the server is gone")


def test_a_page_keeps_its_key_in_a_cookie_that_no_script_reads(
    service: Service, keys: dict[str, str]
) -> None:
    """A wrong key is refused; the right one is set as HttpOnly, SameSite=Strict, and forgotten on leaving."""
    with httpx.Client(base_url=service.url) as page:
        assert page.post("/api/session", json={"key": "dfn_00000000_no"}).status_code == 401
        entered = page.post("/api/session", json={"key": keys["viewer"]})
        assert entered.json() == {"caller": "the viewer", "level": "viewer"}
        cookie = entered.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert page.get("/api/runs").status_code == 200
        foreign = page.post("/api/runs", json={"workflow": "x"}, headers={"origin": "https://evil.example"})
        assert foreign.status_code == 403
        assert page.delete("/api/session").status_code == 204
        assert page.get("/api/runs").status_code == 401


def test_what_others_keep_in_cookies_hides_no_key(service: Service, keys: dict[str, str]) -> None:
    """Another program on another port of this machine shares the cookies, and may keep anything there."""
    with httpx.Client(base_url=service.url) as page:
        for other in ('prefs={"dark": true}', "no value", "a@b=1", "expires=never", 'open="'):
            headers = {"cookie": f"{other}; definable_key={keys['viewer']}; z=1"}
            assert page.get("/api/runs", headers=headers).status_code == 200, other


def test_a_key_that_is_no_key_is_not_known(service: Service, tmp_path: Path) -> None:
    """Also where none is needed: what no header can hold is not kept."""
    with serving(tmp_path, slots=0) as here:
        for up in (service, here):
            for key in ("\N{KEY}", "ключ", "dfn_1\r\nset-cookie: x=1"):
                assert up.http.post("/api/session", json={"key": key}).status_code == 401


HOSTS = ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "", "[", "[::1", "]"]


@pytest.mark.parametrize("host", HOSTS)
def test_another_name_is_misdirected(service: Service, keys: dict[str, str], host: str) -> None:
    """A page that had its own name lead here gets nothing, even with a key."""
    with _as(service, keys["admin"]) as http:
        answer = http.get("/api/runs", headers={"host": host})
    assert answer.status_code == 421
    assert "definable serve --name" in answer.json()["hint"]


def test_a_name_is_the_same_in_capitals(tmp_path: Path) -> None:
    """Names of hosts have no case: neither the one that is added, nor the one that is called."""
    with serving(tmp_path, slots=0, hosts=frozenset({"Flows.Example.com"})) as up:
        for host in ("flows.example.com", "FLOWS.example.com:8443"):
            assert up.http.get("/api", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://["}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "same-origin"}, 404),
        ({}, 404),
    ],
)
def test_another_sites_page_may_not_write(
    service: Service, keys: dict[str, str], headers: dict[str, str], status: int
) -> None:
    """Where the browser says that another site sends it, it is refused."""
    with _as(service, keys["operator"]) as http:
        answer = http.post("/api/runs", json={"workflow": "nothing"}, headers=headers)
    assert answer.status_code == status


def test_a_link_on_another_site_opens_the_page(service: Service, keys: dict[str, str]) -> None:
    """Who follows a link to a run, in a chat or a mail, gets the page; nothing else of another site does."""
    followed = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    for path in ("/", "/runs/20260101-0000-abcdefabcdef", "/inbox"):
        assert httpx.get(service.url + path, headers=followed).status_code == 200
        framed = {**followed, "sec-fetch-dest": "iframe"}
        assert httpx.get(service.url + path, headers=framed).status_code == 403
    assert httpx.post(f"{service.url}/api/runs", json={}, headers=followed).status_code == 403
    assert httpx.get(f"{service.url}/api/runs", headers=followed).status_code == 401


def test_a_body_that_is_too_large_is_refused(service: Service, keys: dict[str, str]) -> None:
    """Declared or not, more than the limit is not taken."""
    with _as(service, keys["operator"]) as http:
        assert http.post("/api/runs", content=b"x" * 3_000).status_code == 413
        pieces = iter([b"x" * 1_000] * 3)
        answer = http.post("/api/runs", content=pieces)
    assert (answer.status_code, answer.json()["detail"]) == (413, "the request has more than 2,000 bytes")


def test_too_many_requests_are_told_to_wait(tmp_path: Path) -> None:
    """A crowd is refused with when to come again, and let in when that time has passed."""
    with serving(tmp_path, limits=Limits(rate=2.0, burst=5.0), slots=0) as strict:
        answers = [strict.http.get("/api/keys") for _ in range(12)]
        assert [each.status_code for each in answers[:5]] == [200] * 5
        refused = next(each for each in answers if each.status_code == 429)
        assert "2 a second are served" in refused.json()["hint"]
        time.sleep(int(refused.headers["retry-after"]))
        assert strict.http.get("/api/keys").status_code == 200
