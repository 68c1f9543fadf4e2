"""What runs learn of their keys, what they say of refusals, and `definable keys`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from definable.sandbox import Faults
from definable.store import Event
from tests import warm
from tests.integration.conftest import Bench, Hex

pytestmark = pytest.mark.anyio
Hexes = Callable[..., AbstractAsyncContextManager[Hex]]
DAY = 86400.0


def definable(home: Path, environ: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line with these keys and nothing else."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    given = {**kept, **environ, "DEFINABLE_HOME": str(home)}
    return warm.run([sys.executable, "-m", "definable", *arguments], env=given, timeout=60)


def data(events: list[Event], type: str) -> list[dict[str, Any]]:
    """Return what the events of a type say."""
    return [event.data for event in events if event.type == type]


async def _called(hex: Hex, bench: Bench, tool: str = "HEX_LIST_GROUPS", **arguments: Any) -> Any:
    async with bench.open(hex) as runner:
        return await runner.call(tool, arguments, bench.events.append)


async def test_a_product_is_asked_once_about_a_key(hexes: Hexes, bench: Bench) -> None:
    """After the first call that it accepted, whoever works with it later; the run log says what was told."""
    async with hexes() as hex:
        await _called(hex, bench)
        await _called(hex, bench)
        assert hex.world.requests["HEX_ME"] == {"200": 1}
        (told,) = data(bench.events, "key.checked")
        assert (told["source"], told["status"]) == ("HEX_API_TOKEN", 200)
        assert told["expires"] > "2026"
        assert "@" in told["whose"]
        hex.environ["HEX_API_TOKEN"] = hex.world.issue_token()
        await _called(hex, bench)
        assert hex.world.requests["HEX_ME"] == {"200": 2}
        assert data(bench.events, "key.checked")[1]["expires"] is None
        assert data(bench.events, "key.expires") == []


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "unauthorized"},
        {"fault": "error_before", "with": {"status": 500}},
        {"fault": "garbage"},
        {"fault": "reset"},
        {"fault": "drift_rename", "with": {"from": "token", "to": "access"}},
        {"fault": "drift_retype", "with": {"path": "token.exp", "to": "string"}},
        {"fault": "huge"},
        {"fault": "forbidden"},
    ],
)
async def test_no_answer_about_a_key_stops_a_run(hexes: Hexes, bench: Bench, fault: dict[str, Any]) -> None:
    """Whatever comes of it: the call is verified, and the key stays in use."""
    async with hexes({"tool": "HEX_ME", "times": 9, **fault}) as hex:
        for _ in range(2):
            row, receipt = await _called(hex, bench)
            assert (row.status, receipt.status, receipt.attempts) == ("done", "verified", 1)
        assert sum(hex.world.requests["HEX_ME"].values()) == 1


async def test_asking_about_a_key_holds_nothing_up(hexes: Hexes, bench: Bench) -> None:
    """When its quota is used up for longer than that is worth, it is done after a later call."""
    async with hexes() as hex, bench.open(hex) as runner:
        hex.environ["HEX_API_TOKEN_NEXT"] = hex.world.issue_token()
        for _ in range(29):
            await runner.call("HEX_LIST_USERS", {"limit": 1}, bench.events.append)
        assert len(data(bench.events, "key.checked")) == 1
        hex.world.revoke(hex.served.token)
        began = hex.now()
        await runner.call("HEX_LIST_PROJECTS", {"limit": 1}, bench.events.append)
        assert hex.now() - began < 5
        told = data(bench.events, "key.checked")
        assert [d["status"] for d in told[1:]] == [None], "30 requests a minute, and no room for one more"
        await hex.sleep(60)
        await runner.call("HEX_LIST_PROJECTS", {"limit": 1}, bench.events.append)
        assert [d["source"] for d in data(bench.events, "key.checked")][2:] == ["HEX_API_TOKEN_NEXT"]


async def test_the_ring_moves_on_before_a_key_ends(hexes: Hexes, bench: Bench) -> None:
    """Not one request is refused; the receipt shows no healing, as nothing was wrong."""
    async with hexes() as hex:
        hex.environ["HEX_API_TOKEN"] = hex.world.issue_token(expires=hex.now() + 120)
        hex.environ["HEX_API_TOKEN_NEXT"] = hex.world.issue_token()
        await _called(hex, bench)
        hex.world.clock.advance(70)
        row, receipt = await _called(hex, bench)
        assert (row.status, receipt.heals) == ("done", ())
        used = [d["reply"]["credential"] for d in data(bench.events, "exchange")]
        assert used == ["HEX_API_TOKEN", "HEX_API_TOKEN_NEXT"]
        assert "401" not in hex.world.requests["HEX_LIST_GROUPS"]
        assert data(bench.events, "key.expires")[0]["source"] == "HEX_API_TOKEN"


async def test_a_key_that_ends_within_days_is_told(hexes: Hexes, bench: Bench) -> None:
    """In the run log once a run, on the screen, by `keys` and by `doctor`."""
    async with hexes() as hex:
        hex.environ["HEX_API_TOKEN"] = hex.world.issue_token(expires=hex.now() + 3.5 * DAY)
        ran = definable(bench.home, hex.environ, "tools", "call", "HEX_LIST_GROUPS")
        assert ran.returncode == 0, ran.stderr
        assert "HEX_API_TOKEN expires in 3 days: make a new one" in ran.stderr
        keys = definable(bench.home, hex.environ, "keys")
        assert "expires in 3 days: make a new one" in keys.stdout
        assert "HEX_API_TOKEN_COMMAND (command)  not set" in keys.stdout
        doctor = definable(bench.home, hex.environ, "doctor")
        assert "expires in 3 days: make a new one" in doctor.stdout
        assert doctor.returncode == 0


async def test_keys_check_asks_about_each_key(hexes: Hexes, bench: Bench, tmp_path: Path) -> None:
    """One request for each, also of the sources behind the first; commands are run; JSON has it all."""
    async with hexes() as hex:
        expired = hex.world.issue_token(expires=hex.now() - 5)
        command = f"echo {hex.world.issue_token(expires=hex.now() + 3 * DAY)}"
        environ = {**hex.environ, "HEX_API_TOKEN_NEXT": expired, "HEX_API_TOKEN_COMMAND": command}
        done = definable(bench.home, environ, "keys", "check", "--json")
        assert done.returncode == 5
        first, second, third, fourth = json.loads(done.stdout)
        assert (first["works"], first["state"], first["soon"]) == (True, "works", False)
        assert second["works"] is False
        assert "HEX_API_TOKEN_NEXT was refused by" in second["state"]
        assert (third["works"], third["state"]) == (None, "not set")
        assert (fourth["works"], fourth["soon"]) == (True, False)
        assert 2.9 * DAY < fourth["seconds"] <= 3 * DAY
        assert "hxtp_" not in done.stdout + done.stderr
        good = definable(bench.home, hex.environ, "keys", "check")
        assert good.returncode == 0
        assert "works, " in good.stdout
        assert hex.world.requests["HEX_ME"] == {"200": 3, "401": 1}


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("expire", "it expired at"),
        ("revoke", "so it was revoked since"),
    ],
)
async def test_a_refusal_says_which_it_is(hexes: Hexes, bench: Bench, fault: str, words: str) -> None:
    """Over or revoked: by what the product said of the key before."""
    async with hexes({"tool": "HEX_LIST_USERS", "fault": fault}) as hex:
        hex.environ["HEX_API_TOKEN"] = hex.world.issue_token(expires=hex.now() + 100)
        await _called(hex, bench)
        hex.world.clock.advance(101 if fault == "expire" else 0)
        row, _ = await _called(hex, bench, "HEX_LIST_USERS")
        assert (row.status, row.reason) == ("waiting", "auth")
        said = [d["verdict"]["message"] for d in data(bench.events, "verdict") if d.get("verdict")]
        assert words in said[-2]


async def test_a_key_of_another_host_is_told(hexes: Hexes, bench: Bench) -> None:
    """It worked there before: the message names that host and the variable."""
    async with hexes() as hex, hexes() as other:
        other.world.state["tokens"].clear()
        await _called(hex, bench)
        moved = {**hex.environ, "HEX_BASE_URL": other.served.base_url}
        async with bench.open(hex, moved) as runner:
            row, _ = await runner.call("HEX_LIST_GROUPS", {}, bench.events.append)
        assert row.reason == "auth"
        said = data(bench.events, "verdict")[-2]["verdict"]["message"]
        assert f"it worked at {hex.served.base_url}" in said
        assert "set HEX_BASE_URL to it" in said


async def test_a_missing_scope_is_named(hexes: Hexes, bench: Bench) -> None:
    """In the server's words and in the tool's own; the key stays good."""
    async with hexes() as hex:
        hex.environ["HEX_API_TOKEN"] = hex.world.issue_token(kind="workspace", scopes=("projects:read",))
        row, receipt = await _called(hex, bench)
        assert (row.status, receipt.failure) == ("failed", "permission")
        assert "groups:read" in receipt.message
        assert "it takes: " in receipt.message


@pytest.mark.parametrize("key", ["HEX_API_TOKEN", "HEX_API_TOKEN_NEXT"])
async def test_one_odd_refusal_is_found_out(hexes: Hexes, bench: Bench, key: str) -> None:
    """The product accepts the key when it is asked: it stays in use, and what was refused is sent again."""
    async with hexes({"tool": "HEX_LIST_GROUPS", "fault": "unauthorized"}) as hex:
        hex.environ[key] = hex.world.issue_token()
        row, receipt = await _called(hex, bench)
        assert (row.status, receipt.attempts) == ("done", 2)
        (heal,) = receipt.heals
        assert (heal.failure, heal.rule) == ("auth_stray", "key_is_good")
        assert "HEX_API_TOKEN was refused here and accepted by HEX_ME" in heal.detail
        assert hex.world.requests["HEX_ME"] == {"200": 1}
        used = [d["reply"]["credential"] for d in data(bench.events, "exchange")]
        assert used == ["HEX_API_TOKEN", "HEX_API_TOKEN"]
        assert "refused" not in definable(bench.home, hex.environ, "keys").stdout


async def test_a_good_key_that_is_refused_twice_is_not_the_key(hexes: Hexes, bench: Bench) -> None:
    """The call fails with what it may be and what it takes; other calls go on with the key."""
    async with hexes({"tool": "HEX_LIST_GROUPS", "fault": "unauthorized", "times": 9}) as hex:
        row, receipt = await _called(hex, bench)
        assert (row.status, receipt.failure, receipt.attempts) == ("failed", "permission", 2)
        assert "Sent twice and refused twice, though the key is good: either it lacks" in receipt.message
        assert "or Hex fails at this operation" in receipt.message
        assert hex.world.requests["HEX_LIST_GROUPS"] == {"401": 2}
        other, _ = await _called(hex, bench, "HEX_LIST_USERS")
        assert other.status == "done"


async def test_the_last_key_is_worth_a_wait_for_quota(hexes: Hexes, bench: Bench) -> None:
    """With all requests of a minute used up, and others in the queue, it is asked about in the next one."""
    async with hexes() as hex, bench.open(hex) as runner:
        for _ in range(29):
            await runner.call("HEX_LIST_USERS", {"limit": 1}, bench.events.append)
        hex.faults.entries = Faults.parse(
            {"faults": [{"tool": "HEX_LIST_PROJECTS", "fault": "unauthorized"}]}
        ).entries
        began = hex.now()
        row, _ = await runner.call("HEX_LIST_PROJECTS", {"limit": 1}, bench.events.append)
        assert row.status == "done"
        assert 5 < hex.now() - began < 75


UNASKED: list[dict[str, Any]] = [
    {"fault": "unauthorized"},
    {"fault": "error_before", "with": {"status": 503}},
    {"fault": "rate_limit", "with": {"retry_after": 60}},
    {"fault": "reset"},
    {"fault": "garbage"},
]


@pytest.mark.parametrize("unasked", UNASKED, ids=lambda fault: str(fault["fault"]))
async def test_one_odd_refusal_locks_nobody_out(hexes: Hexes, bench: Bench, unasked: dict[str, Any]) -> None:
    """Where nobody can ask, a 401 parks the run; told to go on, it uses the same key again, at once."""
    fault = {"tool": "HEX_LIST_GROUPS", "fault": "unauthorized"}
    async with hexes(fault, {"tool": "HEX_ME", **unasked}) as hex:
        row, _ = await _called(hex, bench)
        assert (row.status, row.reason) == ("waiting", "auth")
        shown = definable(bench.home, hex.environ, "keys")
        assert "the next run tries it again" in shown.stdout
        assert "1 resume" not in shown.stdout
        async with bench.open(hex) as runner:
            assert (await runner.resume(row.id)).status == "done"
        assert "refused" not in definable(bench.home, hex.environ, "keys").stdout
        other, _ = await _called(hex, bench)
        assert other.status == "done"


async def test_a_key_of_the_next_start_is_tried_again(hexes: Hexes, bench: Bench) -> None:
    """Somebody who starts another run is not told of a refusal that may be long over."""
    async with hexes(
        {"tool": "HEX_LIST_GROUPS", "fault": "unauthorized"}, {"tool": "HEX_ME", "fault": "unauthorized"}
    ) as hex:
        first, _ = await _called(hex, bench)
        assert first.reason == "auth"
        row, _ = await _called(hex, bench)
        assert row.status == "done"
