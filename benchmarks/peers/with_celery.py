"""Celery: a chain of four tasks over Redis, acknowledged late, two worker processes.

A result is what Redis holds in memory and writes to its file now and then (its default).
"""

from __future__ import annotations

import asyncio
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import httpx
from celery import Celery, chain

from benchmarks.peers import work

PORT = os.environ.setdefault("PEERS_REDIS", str(work.free_port()))
URL = f"redis://127.0.0.1:{PORT}"
app = Celery("benchmarks.peers.with_celery", broker=f"{URL}/0", backend=f"{URL}/1")
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    broker_transport_options={"visibility_timeout": int(os.environ.get("PEERS_PATIENCE", "3600"))},
)


@app.task(name="research")
def research() -> str:
    """Ask the Researcher's model."""
    return work.ask("researcher")


@app.task(name="write")
def write(findings: str) -> str:
    """Ask the Writer's model."""
    return work.ask("writer")


@app.task(name="verify")
def verify(draft: str) -> str:
    """Check the draft."""
    return work.check(draft)


@app.task(name="distribute")
def distribute(draft: str, title: str) -> str:
    """Make the write."""
    answer = _client.post(f"{work.URL}/notes", json=work.note(title, draft))
    return str(answer.raise_for_status().json()["id"])


_client = httpx.Client(trust_env=False, timeout=60)


def brief(title: str) -> None:
    """Do one run."""
    chain(research.s(), write.s(), verify.s(), distribute.s(title))().get(timeout=60)


async def main() -> None:
    """Start Redis and the worker, and do what is asked for."""
    redis = ["redis-server", "--port", PORT, "--dir", str(work.FOLDER), "--bind", "127.0.0.1"]
    worker = ["-m", "celery", "-A", app.main, "worker", "--concurrency=2", "--loglevel=ERROR"]
    servers = [work.serve(redis)]
    try:
        await asyncio.sleep(0.5)
        servers.append(work.serve([sys.executable, *worker]))
        while not await asyncio.to_thread(app.control.ping, timeout=1):
            pass
        with ThreadPoolExecutor(work.IN_FLIGHT) as pool:
            loop = asyncio.get_running_loop()
            await work.drive(lambda title: loop.run_in_executor(pool, brief, title))
    finally:
        for server in reversed(servers):
            server.terminate()
            server.wait()


if __name__ == "__main__":
    asyncio.run(main())
