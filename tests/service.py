"""A service on loopback, in a thread of the test's process: real sockets, a real worker, a real database."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from definable.engine.options import Options
from definable.sandbox import World
from definable.sandbox import serve as simulated
from definable.service.access import Limits
from definable.service.app import Serving
from definable.service.server import Server, listen, serve
from definable.settings import Settings
from definable.workspace import find

PROJECT = "85451515-12ab-55f4-85f5-d73048b59eae"
"""“Data Team Weekly” of the sandbox."""

ENDED = ("done", "failed", "cancelled", "limited")


@dataclass
class Service:
    """A service that is up."""

    url: str
    http: httpx.Client
    home: Path
    place: str = "sandbox"
    """Where its tools work."""

    def submit(self, workflow: str, key: str | None = None, **inputs: Any) -> str:
        """Submit a run and return its id."""
        headers = {"Idempotency-Key": key} if key else {}
        wish = {"workflow": workflow, "inputs": inputs}
        answer = self.http.post("/api/runs", json=wish, headers=headers)
        assert answer.status_code in (200, 201), answer.text
        run: str = answer.json()["id"]
        return run

    def follow(self, run: str, *, until: tuple[str, ...] = ENDED, after: int = 0) -> dict[str, Any]:
        """Watch a run's stream until it is where it is wanted, and return it."""
        with self.http.stream(
            "GET", f"/api/runs/{run}/events?after={after}", headers={"accept": "text/event-stream"}
        ) as stream:
            for line in stream.iter_lines():
                if line.startswith(("event: end", "data:")) and self.run(run)["status"] in until:
                    break
        return self.run(run)

    def run(self, run: str) -> dict[str, Any]:
        """Return a run as the API shows it."""
        found: dict[str, Any] = self.http.get(f"/api/runs/{run}").json()
        return found


@contextmanager
def in_no_hurry() -> Iterator[dict[str, str]]:
    """Serve a simulator without quotas, and yield the environment that leads to it.

    Hex takes sixty requests a minute: a module with many small tests would mostly wait.
    """
    with simulated(World(quotas=False)) as there:
        yield {
            "HEX_BASE_URL": there.base_url,
            "HEX_API_TOKEN": there.token,
            "DEFINABLE_QUOTA_SHARE": "off",
        }


@contextmanager
def serving(
    root: Path,
    environ: Mapping[str, str] | None = None,
    limits: Limits | None = None,
    *,
    offline: bool = True,
    faults: Path | None = None,
    **facts: Any,
) -> Iterator[Service]:
    """Serve the workspace at `root`, with offline models; its state is in `root/home`.

    It works in the sandbox, unless `environ` says where Hex is: see `in_no_hurry`.
    """
    given = {"DEFINABLE_HOME": str(root / "home"), **(environ or {})}
    workspace = find(root, given)
    workspace.home.mkdir(parents=True, exist_ok=True)
    what = Serving(
        workspace,
        Settings.read(given),
        given,
        Options(sandbox="HEX_BASE_URL" not in given, offline=offline, faults=faults),
        limits=limits or Limits(rate=1e6, burst=1e6),
        grace=5.0,
        offline=tuple(workspace.agents()) if offline else (),
        **facts,
    )
    listening = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    up, server, trouble = threading.Event(), list[Server](), list[BaseException]()

    def ready(made: Server) -> None:
        server.append(made)
        up.set()

    def work() -> None:
        try:
            asyncio.run(serve(what, listening, ready))
        except BaseException as error:
            trouble.append(error)
        finally:
            up.set()

    thread = threading.Thread(target=work, name="service")
    thread.start()
    try:
        assert up.wait(30)
        if trouble:
            raise trouble[0]
        with httpx.Client(base_url=url, timeout=30) as http:
            yield Service(url, http, workspace.home, given.get("HEX_BASE_URL", "sandbox"))
    finally:
        for each in server:
            each.should_exit = True
        thread.join(30)
        assert not thread.is_alive()
        if trouble:
            raise trouble[0]
