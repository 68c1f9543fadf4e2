"""The service: how soon an event is seen, and what a thousand streams cost.

    python -m benchmarks.service [--streams 1000] [--seconds 15]

Submit to first event: a run is submitted over HTTP to a service in another process, and its stream opened at
once; the time from before the request to the first event in hand. Event to page: from the moment an event is
committed, by another process's connection, to its arrival at a client's stream; and to what it changes in the
document of the run's page, in a Chromium without a window. Streams: so many connections of one client process
watch one run, of which another process writes a hundred events a second.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
from playwright.sync_api import Browser
from rich.console import Console
from rich.table import Table

from definable.engine.options import new_id
from definable.store import RunRow, RunStatus, open_store
from tests.e2e.pagekit import browsing, installed

QUIET = """
name: quiet
description: One step that has nothing to do, so that no quota is waited for.
inputs:
  work: { type: boolean, default: false }
steps:
  - id: list
    call: HEX_LIST_PROJECTS
    when: inputs.work
"""

EVENTS = 100
"""Events a second."""


class Server:
    """`definable serve` in a process of its own."""

    def __init__(self, home: Path) -> None:
        """Start it in a workspace with one small workflow, and wait until it listens."""
        (home / "workflows").mkdir()
        (home / "workflows" / "quiet.yaml").write_text(QUIET)
        environ = {**os.environ, "DEFINABLE_HOME": str(home), "DEFINABLE_WORKSPACE": str(home)}
        command = [
            sys.executable,
            "-m",
            "definable",
            "serve",
            "--port",
            "0",
            "--sandbox",
            "--rate",
            "1e6",
            "--streams",
            "5000",
        ]
        self.process = subprocess.Popen(
            command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()

    @property
    def memory(self) -> int:
        """Bytes that it holds."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def close(self) -> None:
        """Tell it to stop, and wait."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


def submits(url: str, number: int) -> list[float]:
    """Return milliseconds from a submit to its first event, of so many runs, one after the other."""
    found = []
    wish = {"workflow": "quiet", "inputs": {}}
    with httpx.Client(base_url=url, timeout=30) as http:
        for _ in range(number):
            began = time.perf_counter()
            run = http.post("/api/runs", json=wish).raise_for_status().json()["id"]
            with http.stream(
                "GET", f"/api/runs/{run}/events", headers={"accept": "text/event-stream"}
            ) as got:
                lines = got.iter_lines()
                next(line for line in lines if line.startswith("data:"))
                found.append((time.perf_counter() - began) * 1e3)
                assert "event: end" in lines
    return found


def written(home: Path) -> str:
    """Make a run that nobody works on, for events to be written to."""
    with open_store(home / "definable.db") as store:
        definition = {"name": "bench", "description": "", "steps": []}
        row = store.create_run(RunRow(id=new_id(), workflow="bench", definition=definition))
        store.set_status(row.id, RunStatus.RUNNING)
        store.append(row.id, "run.started", {"workflow": "bench", "inputs": {}, "options": {}})
    return row.id


WRITER = """
import sys, time
from pathlib import Path
from definable.store import open_store
runs, rate, seconds, kind = sys.argv[2].split(","), float(sys.argv[3]), float(sys.argv[4]), sys.argv[5]
with open_store(Path(sys.argv[1])) as store:
    began = time.time()
    for number in range(int(rate * seconds)):
        time.sleep(max(0.0, began + number / rate - time.time()))
        step = None if kind == "tick" else f"s{number}"
        store.append(runs[number % len(runs)], kind, {"n": number, "written": time.time()}, step)
    for run in runs:
        store.append(run, "tick.end", {})
"""


async def watch(url: str, run: str, delays: list[float] | None, opened: asyncio.Semaphore) -> int:
    """Watch a run's stream to its end over a bare socket; return how many events came.

    Every event is counted. How late it was is read where `delays` are wanted: this process has one core, too.
    """
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        f"GET /api/runs/{run}/events HTTP/1.1\r\nhost: {host}\r\naccept: text/event-stream\r\n\r\n".encode()
    )
    await reader.readuntil(b'"run.started"')
    opened.release()
    count, rest = 0, b""
    while chunk := await reader.read(1 << 18):
        now = time.time()
        whole, cut, rest = (rest + chunk).rpartition(b"\n")
        whole += cut
        count += whole.count(b'"type":"tick"')
        if delays is not None:
            lines = [line for line in whole.splitlines() if b'"type":"tick"' in line]
            delays += [now - json.loads(line[6:])["data"]["written"] for line in lines]
        if b'"type":"tick.end"' in whole:
            break
    writer.close()
    return count


async def streams(
    server: Server, home: Path, number: int, runs: int, seconds: float, rate: float
) -> dict[str, float]:
    """Measure so many streams of so many runs, which get `rate` events a second together."""
    names = [written(home) for _ in range(runs)]
    before = server.memory
    delays: list[float] = []
    opened = asyncio.Semaphore(0)
    async with asyncio.TaskGroup() as group:
        tasks = []
        for index in range(number):
            timed = delays if index % max(1, number // 50) == 0 else None
            tasks.append(group.create_task(watch(server.url, names[index % runs], timed, opened)))
            await opened.acquire()
        held = server.memory
        writer = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", WRITER, str(home / "definable.db"), ",".join(names)),
            *(str(rate), str(seconds), "tick"),
        )
        await writer.wait()
    came = sum(task.result() for task in tasks)
    due = sum(int(rate * seconds) // runs for _ in range(number))
    ordered = sorted(delays)
    return {
        "kB a stream": (held - before) / number / 1e3,
        "came": came,
        "lost": due - came,
        "median ms": statistics.median(ordered) * 1e3,
        "p99 ms": ordered[int(len(ordered) * 0.99)] * 1e3,
    }


SEEN = """() => {
    window.seen = {};
    new MutationObserver(() => {
        const now = Date.now();
        for (const each of document.querySelectorAll("[data-step]")) window.seen[each.dataset.step] ??= now;
    }).observe(document.body, { childList: true, subtree: true, attributes: true });
}"""
"""Notes in the page when each step of the run has come into the document; its clock is this machine's."""


def shown(browser: Browser, url: str, home: Path, seconds: float, rate: float) -> dict[str, float]:
    """Measure how soon a step that begins stands on its run's page, of a run that gets `rate` a second."""
    run, number = written(home), int(seconds * rate)
    page = browser.new_page(base_url=url)
    try:
        page.goto(f"/runs/{run}")
        page.locator("[data-run][data-seq='1']").wait_for()
        page.evaluate(SEEN)
        place = str(home / "definable.db")
        command = [sys.executable, "-c", WRITER, place, run, str(rate), str(seconds), "step.started"]
        subprocess.run(command, check=True)
        page.wait_for_function("number => Object.keys(window.seen).length >= number", arg=number)
        seen: dict[str, float] = page.evaluate("window.seen")
    finally:
        page.close()
    with open_store(home / "definable.db") as store:
        wrote = {each.step: each.data["written"] for each in store.events(run) if each.type == "step.started"}
    ordered = sorted(seen[str(step)] - at * 1e3 for step, at in wrote.items())
    return {"median ms": statistics.median(ordered), "p99 ms": ordered[int(len(ordered) * 0.99)]}


def _on_the_page(url: str, home: Path) -> tuple[str, str]:
    if installed() is None:
        return "not measured: no Chromium is installed", ""
    with browsing() as browser:
        shown(browser, url, home, 1.0, 20.0)
        return _delays(shown(browser, url, home, 5.0, 20.0))


def _delays(found: dict[str, float]) -> tuple[str, str]:
    return f"{found['median ms']:.1f}", f"{found['p99 ms']:.1f}"


def main() -> None:
    """Measure, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--submits", type=int, default=50)
    given = parser.parse_args()
    table = Table("what", "reach", "median", "p99 or most", title="The service")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        server = Server(home)
        try:
            submits(server.url, 3)
            took = submits(server.url, given.submits)
            table.add_row(
                "submit over HTTP to first event, ms",
                "≤ 100",
                f"{statistics.median(took):.1f}",
                f"{max(took):.1f}",
            )
            one = asyncio.run(streams(server, home, 1, 1, 5.0, 20.0))
            table.add_row("event written to event at the client, ms", "≤ 50", *_delays(one))
            what = "event written to event on the page (Chromium), ms"
            table.add_row(what, "≤ 50", *_on_the_page(server.url, home))
            spread = asyncio.run(streams(server, home, given.streams, 100, given.seconds, EVENTS))
            what = f"the same, {given.streams:,} streams of 100 runs, {EVENTS} events a second in all"
            table.add_row(what, "p99 ≤ 250", *_delays(spread))
            table.add_row("memory of such a stream, kB", "≤ 50", f"{spread['kB a stream']:.1f}", "")
            crowd = asyncio.run(streams(server, home, given.streams, 1, given.seconds, EVENTS))
            what = f"the same, {given.streams:,} streams of one run, {EVENTS} events a second to each"
            table.add_row(what, "", *_delays(crowd))
            lost = one["lost"] + spread["lost"] + crowd["lost"]
            came = one["came"] + spread["came"] + crowd["came"]
            table.add_row(f"events lost, of {came:,.0f}", "0", f"{lost:.0f}", "")
        finally:
            server.close()
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
