"""What a run does in every engine but Definable, and how a process is told to do runs.

Imported in each engine's own environment: nothing here but the standard library and httpx.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx

IN_FLIGHT = int(os.environ.get("PEERS_IN_FLIGHT", "16"))
URL = os.environ.get("PEERS_URL", "")
FOLDER = Path(os.environ.get("PEERS_FOLDER", "."))
"""Where an engine keeps its state; it is still there when a killed engine is started again."""

CAREFUL = "careful" in sys.argv or bool(os.environ.get("PEERS_CAREFUL"))
"""Whether the write is made once, and read back, by steps that somebody wrote by hand."""

TEXT = "All is well."


def ask(role: str) -> str:
    """Ask a model, which answers at once. Each answer is paid for, so it is counted where that is asked."""
    if counted := os.environ.get("PEERS_ASKED"):
        with Path(counted).open("a") as file:
            file.write(f"{role}\n")
    return TEXT


def check(draft: str) -> str:
    """Verify a draft, as far as engines without a Verifier do."""
    if not draft:
        raise ValueError("the draft is empty")
    return draft


def note(title: str, draft: str) -> dict[str, str]:
    """Return the body of the one write."""
    return {"title": title, "text": draft}


async def post(client: httpx.AsyncClient, title: str, draft: str) -> str:
    """Make the one write."""
    answer = await client.post(f"{URL}/notes", json=note(title, draft))
    return str(answer.raise_for_status().json()["id"])


async def look(client: httpx.AsyncClient, title: str) -> list[str]:
    """Return the ids of the notes with a title."""
    return ids((await client.get(f"{URL}/notes", params={"title": title})).raise_for_status())


def ids(answer: httpx.Response) -> list[str]:
    """Return the ids in an answer to a look."""
    return [str(each["id"]) for each in answer.json()["values"]]


async def post_once(client: httpx.AsyncClient, title: str, draft: str, before: list[str]) -> str:
    """Make the one write, unless an attempt that was killed has made it since somebody looked."""
    made = [each for each in await look(client, title) if each not in before]
    return made[0] if made else await post(client, title, draft)


async def confirm(client: httpx.AsyncClient, found: str, title: str, draft: str) -> str:
    """Read what was written, and compare."""
    return confirmed((await client.get(f"{URL}/notes/{found}")).raise_for_status(), title, draft)


def confirmed(answer: httpx.Response, title: str, draft: str) -> str:
    """Return the id of a note that is as it was to be written."""
    if (there := answer.json()) != {"id": there["id"], **note(title, draft)}:
        raise ValueError(f"another note is there: {there}")
    return str(there["id"])


def client() -> httpx.AsyncClient:
    """Return a client for all runs of a process."""
    return httpx.AsyncClient(trust_env=False, timeout=60)


def free_port() -> int:
    """Return a port that nobody listens to."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def serve(command: list[str]) -> subprocess.Popen[bytes]:
    """Start a server that an engine needs; what it says goes into a file."""
    with (FOLDER / "server.log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)


async def unknown() -> str:
    """Return what an engine says that keeps nothing about a run by which it could be found again."""
    return "-"


async def drive(
    run: Callable[[str], Awaitable[object]], stands: Callable[[], Awaitable[str]] = unknown
) -> None:
    """Do the runs that are asked for on standard input, one title a word, so many at a time, until it ends.

    A question mark asks where the runs stand that it was killed in.
    """
    room = asyncio.Semaphore(IN_FLIGHT)

    async def one(title: str) -> None:
        async with room:
            await run(title)

    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        if line.strip() == "?":
            print(await stands(), flush=True)
            continue
        await asyncio.gather(*(one(title) for title in line.split()))
        print("done", flush=True)
