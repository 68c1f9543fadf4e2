"""401 storm: a key that is revoked while several processes work; how often it is renewed, and what is lost.

Each process settles its calls through the Verifier and the adapter, all at once, against the sandbox on
loopback. The only source of keys is a command, which notes each of its runs in a file.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.timing import show
from definable.calls import Ask, Decision, Order, Outcome, Receipt, Reply, Send, ToolCall
from definable.graph.keys import confirmed
from definable.redaction import Redactor
from definable.sandbox import Served, World, serve
from definable.spec.toolkit import Source, Toolkit
from definable.toolkits.adapter import Adapter
from definable.toolkits.credentials import KeyRing
from definable.toolkits.keybook import KeyBook
from definable.verify.case import Catalog
from definable.verify.flow import advance, settle
from definable.workspace import find

TOOL = "HEX_LIST_GROUPS"
WHO = "HEX_ME"
PROCESSES = 4
VARIABLE = "HEX_API_TOKEN_COMMAND"

ISSUE = """
import sys, urllib.request
with open(sys.argv[2], "a") as notes:
    notes.write("run\\n")
asked = urllib.request.Request(sys.argv[1] + "/_sandbox/tokens", data=b"{}", method="POST")
print(urllib.request.urlopen(asked, timeout=60).read().decode())
"""


@dataclass(frozen=True, slots=True)
class Storm:
    """What came of it: `runs` of the command, keys `issued`, `checks` of a refused key, requests `refused`,
    calls `lost`."""

    calls: int
    generations: int
    runs: int
    issued: int
    checks: int
    refused: int
    lost: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Place:
    """Where the processes work and what they share."""

    base_url: str
    home: Path
    line: str
    each: int


def storm(folder: Path, *, each: int, revocations: int) -> Storm:
    """Let four processes make `each` calls at once, and revoke the key `revocations` times on the way."""
    notes, world, calls = folder / "runs", World(quotas=False), each * PROCESSES
    with serve(world) as served:
        before = world.state["tokens_issued"]
        script = folder / "issue.py"
        script.write_text(ISSUE)
        place = Place(served.base_url, folder, f"{sys.executable} -S {script} {served.url} {notes}", each)
        with _revoking(served, [calls * (n + 1) // (revocations + 1) for n in range(revocations)]):
            began = time.monotonic()
            kept = _together(place)
            seconds = time.monotonic() - began
    checks = sum(world.requests.get(WHO, {}).values())
    refused = sum(by.get("401", 0) for tool, by in world.requests.items() if tool != WHO)
    issued = world.state["tokens_issued"] - before
    runs = len(notes.read_text().splitlines())
    return Storm(calls, revocations + 1, runs, issued, checks, refused, calls - sum(kept), seconds)


@contextmanager
def _revoking(served: Served, at: list[int]) -> Iterator[None]:
    """Revoke every key that was issued, each time so many requests were answered well."""
    over = threading.Event()

    def watch() -> None:
        for many in at:
            while served.world.requests.get(TOOL, {}).get("200", 0) < many:
                if over.wait(0.002):
                    return
            with served.world.lock:
                for token in served.world.state["tokens"]:
                    served.world.revoke(token)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _together(place: Place) -> list[int]:
    context = multiprocessing.get_context("spawn")
    barrier, kept = context.Barrier(PROCESSES), context.SimpleQueue()
    workers = [context.Process(target=_worker, args=(place, barrier, kept)) for _ in range(PROCESSES)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(240)
    return [kept.get() for worker in workers if worker.exitcode == 0]


def _worker(place: Place, barrier: Barrier, kept: Any) -> None:
    kit = find(Path(__file__).parent, {}).toolkits()["hex"]
    barrier.wait(60)
    kept.put(asyncio.run(_settled(kit, place)))


async def _settled(kit: Toolkit, place: Place) -> int:
    sources = [Source(command_env=VARIABLE)]
    book = KeyBook(place.home / "keys.json")
    ring = KeyRing(sources, {VARIABLE: place.line}, book, place.base_url, asks=True)
    adapter = Adapter(kit, place.base_url, ring, Redactor())
    catalog = Catalog({slug: (kit, tool) for slug, tool in kit.tools.items()})

    async def one(number: int) -> bool:
        call = ToolCall(id=f"s.{number}", tool=TOOL, arguments={"limit": 1}, step="s", run="r")
        flow = settle(call, catalog)
        step: Order | Receipt = advance(flow, None)
        while not isinstance(step, Receipt):
            step = advance(flow, await _reply(kit, ring, adapter, step))
        return step.status == "verified"

    try:
        return sum(await asyncio.gather(*(one(number) for number in range(place.each))))
    finally:
        await adapter.aclose()


async def _reply(kit: Toolkit, ring: KeyRing, adapter: Adapter, order: Order) -> Reply:
    if isinstance(order, Ask):
        return Decision(approve=False, by="storm", arguments_hash=order.arguments_hash)
    await asyncio.sleep(order.delay)

    async def asks(question: Send, patience: float) -> Outcome:
        return await adapter.attempt(question)

    return await confirmed(kit, ring, await adapter.attempt(order), asks)


def main() -> None:
    """Print one line for each number of revocations."""
    rows = []
    for revocations in (1, 3):
        with TemporaryDirectory() as folder:
            s = storm(Path(folder), each=1000, revocations=revocations)
        figures = (s.generations, s.calls, s.runs, s.issued, s.checks, s.refused, s.lost)
        rows.append([*(f"{figure:,}" for figure in figures), f"{s.seconds:.1f}"])
    heads = [
        "generations",
        "calls",
        "runs of the command",
        "keys issued",
        "checks",
        "401s",
        "calls lost",
        "seconds",
    ]
    show("401 storm: 1,000 calls at once in each of 4 processes", heads, rows)


if __name__ == "__main__":
    main()
