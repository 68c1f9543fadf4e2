"""The chaos bench beside three usual ways of retrying: the same cells, seeds, sandbox, clock and judge.

`python -m benchmarks.chaos [SEEDS]`; 1 seed unless given. Left out are the cells about reads by which a
write is checked (the others make none) and those of whole workflows.

The others are written as their users write them: an answer of 2xx that parses is a success, lists are
followed by their documented cursor, and after a crash the job is begun again. They have one key, for nobody
set up a second.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from contextvars import ContextVar
from email.utils import parsedate_to_datetime
from typing import Any, TypedDict

import httpx
import tenacity
from langgraph.graph import END, START, StateGraph
from langgraph.pregel import _retry
from langgraph.types import RetryPolicy

from benchmarks.timing import show
from definable.chaos import CELLS, Cell, Claim, Ending, Figures, figures
from definable.chaos.bench import run
from definable.chaos.cells import Phase, Trouble
from definable.chaos.jobs import Job
from definable.chaos.ours import PAGE, Definable
from definable.chaos.stage import Stage, refusing
from definable.sandbox.operations import BY_TOOL

TIMEOUT = 30.0
"""Real seconds, where a cell does not say less."""

STAGE: ContextVar[Stage] = ContextVar("stage")
"""The trial under way, for libraries that sleep by themselves."""

Request = Callable[[str, str, dict[str, Any]], Awaitable[Any]]
"""(method, path, query or body) → the parsed answer of one request. Raises as httpx and json do."""


class Plain:
    """A client that takes a 2xx for success. `retrying` says how it tries again."""

    name = "no retries"

    async def retrying(self, stage: Stage, ask: Request, *what: Any) -> Any:
        """Send a request as often as this client does."""
        return await ask(*what)

    async def work(self, stage: Stage, jobs: Sequence[Job], trouble: Trouble) -> list[Claim]:
        """Do the jobs, all at once."""
        STAGE.set(stage)
        random.seed(f"{[job.targets for job in jobs]}")
        stage.time.lanes = len(jobs)
        with ExitStack() as stack:
            url = stack.enter_context(refusing(stage, trouble.closed)) if trouble.closed else stage.base_url
            headers = {"authorization": f"Bearer {stage.keys['HEX_API_TOKEN']}"}
            async with httpx.AsyncClient(
                base_url=url, headers=headers, timeout=trouble.timeout or TIMEOUT, trust_env=False
            ) as client:
                if trouble.kill:
                    await self._killed(stage, client, jobs[0])
                return list(await asyncio.gather(*(self._one(stage, client, job) for job in jobs)))

    async def _one(self, stage: Stage, client: httpx.AsyncClient, job: Job) -> Claim:
        try:
            return Claim(Ending.DONE, await self._do(stage, client, job))
        except Exception as error:  # whatever it is: its user sees it
            return Claim(Ending.FAILED, words=f"{type(error).__name__}: {error}")
        finally:
            stage.time.leave()

    async def _do(self, stage: Stage, client: httpx.AsyncClient, job: Job) -> Any:
        async def ask(method: str, path: str, given: dict[str, Any]) -> Any:
            query = method in ("GET", "DELETE")
            response = await client.request(
                method, path, params=given if query else None, json=None if query else given
            )
            response.raise_for_status()
            return response.json() if response.content else None

        operation, rest = BY_TOOL[job.tool], dict(job.arguments)
        path = f"/{operation.path.lstrip('/')}"
        for name in operation.pattern.groupindex:
            path = path.replace(f"{{{name}}}", str(rest.pop(name)))
        if not (job.tool.startswith("HEX_LIST_") or job.tool == "HEX_GET_PROJECT_RUNS"):
            return await self.retrying(stage, ask, operation.method, path, rest)
        return await self._pages(stage, ask, path, rest)

    async def _pages(self, stage: Stage, ask: Request, path: str, given: dict[str, Any]) -> Any:
        """Follow a list to its end."""
        name = "runs" if path.endswith("/runs") else "values"
        items: list[Any] = []
        at: dict[str, Any] = {}
        while True:
            page = await self.retrying(stage, ask, "GET", path, {**given, "limit": PAGE, **at})
            items += page[name]
            following = page["nextPage"] if name == "runs" else page["pagination"]["after"]
            if not following:
                return {**page, name: items}
            at = {"offset": len(items)} if name == "runs" else {"after": following}

    async def _killed(self, stage: Stage, client: httpx.AsyncClient, job: Job) -> None:
        """Stop in the middle, once the first fault has struck; nothing is remembered."""
        task = asyncio.create_task(self._do(stage, client, job))
        while not stage.faults.entries[0].hits and not task.done():  # noqa: ASYNC110 — another thread
            await asyncio.sleep(0.002)
        task.cancel()
        await asyncio.wait([task])


class _Clock:
    """`asyncio` for LangGraph, but that its waits pass in the sandbox's time."""

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, seconds: float) -> None:
        """Wait as the trial waits."""
        await STAGE.get().time.sleep(seconds)


class State(TypedDict, total=False):
    """What the graph's one node brings."""

    body: Any


class LangGraph(Plain):
    """A node that sends the request, with `RetryPolicy()` as it comes."""

    name = "LangGraph, defaults"

    def __init__(self) -> None:
        """Let LangGraph's waits pass in the sandbox's time."""
        vars(_retry)["asyncio"] = _Clock()

    async def retrying(self, stage: Stage, ask: Request, *what: Any) -> Any:
        """Run a graph of one node."""

        async def node(state: State) -> State:
            return {"body": await ask(*what)}

        graph = StateGraph(State)
        graph.add_node("call", node, retry_policy=RetryPolicy())
        graph.add_edge(START, "call")
        graph.add_edge("call", END)
        return (await graph.compile().ainvoke({}))["body"]


class Tenacity(Plain):
    """As in the cookbooks: six attempts, `wait_random_exponential(min=1, max=60)`, whatever went wrong."""

    name = "tenacity"

    async def retrying(self, stage: Stage, ask: Request, *what: Any) -> Any:
        """Try up to six times."""
        again = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(6),
            wait=tenacity.wait_random_exponential(min=1, max=60),
            sleep=stage.time.sleep,
            reraise=True,
        )
        return await again(ask, *what)


class Sdk(Plain):
    """As the OpenAI SDK retries: twice, on 408, 409, 429, 5xx and connection errors, by `Retry-After`."""

    name = "OpenAI SDK's way"

    async def retrying(self, stage: Stage, ask: Request, *what: Any) -> Any:
        """Try up to three times."""
        for n in range(3):
            after = None
            try:
                return await ask(*what)
            except httpx.HTTPStatusError as error:
                status = error.response.status_code
                after = _retry_after(error.response.headers.get("retry-after", ""))
                if n == 2 or not (status in (408, 409, 429) or status >= 500) or (after or 0) > 120:
                    raise
            except httpx.TransportError:
                if n == 2:
                    raise
            usual = min(0.5 * 2.0**n, 8.0) * (1 - 0.25 * random.random())
            await stage.time.sleep(after or usual)
        raise AssertionError("the third attempt returns or raises")


def _retry_after(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - STAGE.get().time.now())
    except ValueError:
        return None


SYSTEMS: tuple[type[Definable] | type[Plain], ...] = (Definable, Sdk, Tenacity, LangGraph)

COLUMNS = [
    *("system", "recovered", "false successes", "duplicates", "lost", "done, said to have failed"),
    *("wasted", "requests"),
]


def compared() -> list[Cell]:
    """Return the cells in which everybody can be struck in the same way."""
    apart = (Phase.CHECKED, Phase.WORKFLOW)
    return [cell for cell in CELLS if cell.phase not in apart and cell.failure != "call and look"]


def compare(seeds: int, workers: int, cells: Sequence[Cell]) -> dict[str, Figures]:
    """Return what becomes of each system."""
    return {kind.name: figures(run(cells, range(1, seeds + 1), workers, kind)) for kind in SYSTEMS}


def row(name: str, found: Figures) -> list[str]:
    """Return one line of the table."""
    share = f"{found.recovered / found.recoverable:.1%}"
    counts = (found.false_successes, found.duplicates, found.lost, found.misreported, found.wasted_calls)
    return [name, share, *(f"{n:,}" for n in counts), f"{found.requests:,}"]


def main(seeds: int = 1) -> None:
    """Print the table."""
    cells = compared()
    found = compare(seeds, os.cpu_count() or 1, cells)
    runs = next(iter(found.values()))
    title = f"{runs.cells} cells x {seeds} seeds, {runs.recoverable:,} of {runs.runs:,} runs recoverable"
    show(title, COLUMNS, [row(name, each) for name, each in found.items()])


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
