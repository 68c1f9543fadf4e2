"""Prefect: a flow of four tasks, against its own server on this machine, which keeps the states in SQLite.

Results are not kept unless asked for (its default): a flow that is run again does every task again.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

PORT = os.environ.get("PEERS_PREFECT", "4207")
os.environ.update(
    PREFECT_API_URL=f"http://127.0.0.1:{PORT}/api",
    PREFECT_HOME=os.environ.get("PEERS_FOLDER", "."),
    PREFECT_LOGGING_LEVEL="CRITICAL",
    PREFECT_SERVER_ANALYTICS_ENABLED="false",
    DO_NOT_TRACK="1",
)

import httpx
from prefect import flow, task
from prefect.client.orchestration import get_client

from benchmarks.peers import work


@task
async def research() -> str:
    """Ask the Researcher's model."""
    return work.ask("researcher")


@task
async def write(findings: str) -> str:
    """Ask the Writer's model."""
    return work.ask("writer")


@task
async def verify(draft: str) -> str:
    """Check the draft."""
    return work.check(draft)


@task
async def distribute(title: str, draft: str) -> str:
    """Make the write."""
    return await work.post(_client, title, draft)


@flow
async def brief(title: str) -> str:
    """One run."""
    return str(await distribute(title, await verify(await write(await research()))))


_client = work.client()


async def stands() -> str:
    """Return where all runs stand."""
    async with get_client() as client:
        return " ".join(each.state_name or "?" for each in await client.read_flow_runs())


async def main() -> None:
    """Start the server, and do what is asked for."""
    command = [str(Path(sys.executable).with_name("prefect")), "server", "start", "--port", PORT, "--no-ui"]
    server = work.serve(command)
    try:
        async with httpx.AsyncClient(trust_env=False) as asking:
            while True:
                try:
                    (await asking.get(f"{os.environ['PREFECT_API_URL']}/health")).raise_for_status()
                    break
                except httpx.HTTPError:
                    await asyncio.sleep(0.2)
        await work.drive(brief, stands)
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    asyncio.run(main())
