"""Celery: a chain of four tasks over Redis, acknowledged late, two worker processes.

A result is what Redis holds in memory and writes to its file now and then (its default). With looks, where
all engines are to keep the same, Redis waits for the disk before it answers.
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


@app.task(name="look")
def look(draft: str, title: str) -> tuple[str, list[str]]:
    """See what is there before the write."""
    return draft, _look(title)


@app.task(name="distribute_once")
def distribute_once(came: tuple[str, list[str]], title: str) -> tuple[str, str]:
    """Make the write unless it is there."""
    draft, before = came
    made = [each for each in _look(title) if each not in before]
    return draft, made[0] if made else distribute.run(draft, title)


@app.task(name="confirm")
def confirm(came: tuple[str, str], title: str) -> str:
    """Read it back."""
    draft, found = came
    return work.confirmed(_client.get(f"{work.URL}/notes/{found}").raise_for_status(), title, draft)


_client = httpx.Client(trust_env=False, timeout=60)


def _look(title: str) -> list[str]:
    return work.ids(_client.get(f"{work.URL}/notes", params={"title": title}).raise_for_status())


def brief(title: str) -> None:
    """Do one run."""
    plain = (distribute.s(title),)
    careful = (look.s(title), distribute_once.s(title), confirm.s(title))
    steps = careful if work.CAREFUL else plain
    chain(research.s(), write.s(), verify.s(), *steps)().get(timeout=60)


async def main() -> None:
    """Start Redis and the worker, and do what is asked for."""
    redis = ["redis-server", "--port", PORT, "--dir", str(work.FOLDER), "--bind", "127.0.0.1"]
    redis += ["--appendonly", "yes", "--appendfsync", "always"] if work.CAREFUL else []
    os.environ["PEERS_CAREFUL"] = "1" if work.CAREFUL else ""  # what the worker sees
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
