"""Every tool of the Hex toolkit, called as people call it: a process of the command line over real HTTP."""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from definable.sandbox import Served, World, serve
from tests import warm
from tests.hexcalls import arguments
from tests.hexkit import ROOT, tool, toolkit

SLUGS = sorted(slug for slug, each in toolkit().tools.items() if not each.internal)
SPEED = 3600.0
"""An hour of the sandbox passes in a second, so that a run of a project ends while it is watched."""


@dataclass(frozen=True)
class Called:
    """What one process did: its exit code, what it printed, and the effects before and after it."""

    code: int
    stdout: str
    stderr: str
    before: list[str]
    after: list[str]

    @property
    def receipt(self) -> dict[str, Any]:
        """The last line on stdout."""
        found: dict[str, Any] = json.loads(self.stdout.splitlines()[-1])
        return found


def _effects(served: Served) -> list[str]:
    with urllib.request.urlopen(f"{served.url}/_sandbox/effects", timeout=10) as response:
        counted = json.load(response)
    assert counted["total"] == len(counted["effects"])
    return [effect["tool"] for effect in counted["effects"]]


def _environ(served: Served, home: Path) -> dict[str, str]:
    drop = ("HEX_", "OPENAI_", "ANTHROPIC_", "DEFINABLE_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(drop)}
    own = {"HEX_BASE_URL": served.base_url, "HEX_API_TOKEN": served.token, "DEFINABLE_HOME": str(home)}
    return {**kept, "PYTHONPATH": str(ROOT), **own}


def _pairs(given: dict[str, Any]) -> list[str]:
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in given.items()}
    return [part for key, text in texts.items() for part in ("-i", f"{key}={text}")]


def _call(slug: str, folder: Path) -> Called:
    """Call a tool in a fresh world; a yes is given ahead only where the tool asks for one."""
    with serve(World(quotas=False)) as served:
        given = arguments(served.world)[slug]
        if slug == "HEX_RUN_PROJECT":
            served.world.clock.speed = SPEED
        before = _effects(served)
        yes = ["--yes"] if tool(slug).asks else []
        done = warm.run(
            [sys.executable, "-m", "definable", "tools", "call", slug, *_pairs(given), *yes, "--json"],
            cwd=folder,
            env=_environ(served, folder / slug),
            timeout=100,
        )
        return Called(done.returncode, done.stdout, done.stderr, before, _effects(served))


def test_every_tool_of_the_toolkit_has_a_case() -> None:
    """There are 31 tools, and what they are called with is known for each."""
    assert len(SLUGS) == 31
    assert set(SLUGS) <= set(arguments(World()))


@pytest.mark.parametrize("slug", SLUGS)
def test_a_tool_is_verified_through_the_command_line(slug: str, tmp_path: Path) -> None:
    """One send, the evidence its file promises, exit 0; and one effect when it writes, none when it reads."""
    called = _call(slug, tmp_path)
    assert called.code == 0, called.stderr + called.stdout
    receipt, evidence = called.receipt, tool(slug).evidence
    assert (receipt["tool"], receipt["status"]) == (slug, "verified")
    assert receipt["evidence"] == (evidence.value if evidence else "response")
    assert (receipt["attempts"], receipt["heals"]) == (1, [])
    writes = tool(slug).effect.writes
    assert called.after == called.before + ([slug] if writes else [])
    assert (evidence is not None) == writes
    assert receipt["data"] is not None or writes
