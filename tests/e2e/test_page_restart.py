"""The page while its service is killed and started again in the middle of a run."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from tests.e2e.pagekit import PROJECT, browsing, looking, shown_log
from tests.e2e.test_cli_processes import COMMAND, clean

SLOW = """
faults:
  - { tool: HEX_GET_PROJECT_RUNS, fault: slow, after: 2, times: 4, with: { seconds: 2 } }
"""


@pytest.fixture
def product(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Serve a slow sandbox in a process of its own; yield the environment that its first lines give."""
    (tmp_path / "slow.yaml").write_text(SLOW)
    command = [*COMMAND, "sandbox", "--port", "0", "--faults", str(tmp_path / "slow.yaml")]
    with subprocess.Popen(command, env=clean(), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            said = [process.stdout.readline().removeprefix("export ").strip() for _ in range(2)]
            yield dict(line.split("=", 1) for line in said)
        finally:
            process.kill()


@contextmanager
def service(root: Path, port: int, environ: dict[str, str]) -> Iterator[int]:
    """Serve until the end, or until it is killed; yield its process id once it listens."""
    command = [sys.executable, "-m", "definable", "serve", "--offline", "--port", str(port)]
    given = clean(DEFINABLE_HOME=str(root / "home"), **environ)
    with subprocess.Popen(command, cwd=root, env=given, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            assert process.stdout.readline().startswith("http")
            yield process.pid
        finally:
            process.kill()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.mark.timeout(180)
def test_a_killed_service_loses_the_page_nothing(tmp_path: Path, product: dict[str, str]) -> None:
    """The page says that the connection is lost, takes it up by itself, and has every event once."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with browsing() as browser, looking(browser, url) as page:
        with service(tmp_path, port, product) as pid:
            wish = {"workflow": "weekly-brief", "inputs": {"project": PROJECT}}
            run = httpx.post(f"{url}/api/runs", json=wish, timeout=30).json()["id"]
            page.goto(f"/runs/{run}")
            expect(page.locator(".call", has_text="List a project's runs").first).to_be_visible(
                timeout=60_000
            )
            expect(page.locator(f"[data-run='{run}']")).to_have_attribute("data-status", "running")
            before = shown_log(page)
            os.kill(pid, signal.SIGKILL)
            expect(page.get_by_text("The connection is lost. Reconnecting…")).to_be_visible()
        with service(tmp_path, port, product):
            expect(page.get_by_text("The connection is lost. Reconnecting…")).to_be_hidden(timeout=60_000)
            expect(page.locator(f"[data-run='{run}']")).to_have_attribute(
                "data-status", "done", timeout=90_000
            )
            log = httpx.get(f"{url}/api/runs/{run}/events", timeout=30).json()["events"]
            after = shown_log(page)
    assert len(before) > 5
    assert after[: len(before)] == before
    assert after == [(event["seq"], event["type"]) for event in log]
