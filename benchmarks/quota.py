"""Sharing a quota: how long 200 calls take, how many requests are refused, and who gets how much.

All of it in virtual time with the governor's own code: each worker has its own connection to one SQLite file,
as processes have. Beside it, what workers do that do not know of each other and learn from a 429: the retries
of the OpenAI SDK (up to 8 s, `Retry-After` obeyed) and tenacity's `wait_random_exponential(1, 60)`, both
written anew here, trying for ever, and only once with the SDK's default of 2 retries.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.timing import show
from benchmarks.virtual import KINDS, Kind, Server, in_virtual_time, now
from definable.calls import Outcome, Phase
from definable.graph.governor import Account, Governor
from definable.quota.claim import Allowance, Bucket, Claim
from definable.quota.learning import LONG
from definable.store import open_store

CALLS = 200
AT_ONCE = 20
"""Calls that a worker has under way at a time, waiting ones included."""

FEW = 4
"""The same in long races, which take half an hour otherwise."""


@dataclass
class Race:
    """What came of one contest: when each call of each worker was done, and what the server saw."""

    server: Server
    done: list[list[float]]
    lost: int = 0
    began: float = 0.0
    foreign: list[bool] = field(default_factory=list)
    """Whether each request of a stranger with the same token came through."""

    @property
    def ratio(self) -> float:
        """Makespan over the ideal: the last call can leave after all windows but its own."""
        calls = sum(map(len, self.done))
        ideal = (calls - 1) // self.server.limit * self.server.window
        if self.server.kind == "token":
            ideal = (calls - self.server.limit) * self.server.window / self.server.limit
        if self.lost:
            return math.nan
        return (max(map(max, filter(None, self.done))) - self.began) / ideal

    @property
    def refused(self) -> float:
        """The share of requests that were answered with 429."""
        return self.server.refused / max(1, self.server.requests)

    @property
    def jain(self) -> float:
        """Jain's index of what each worker had when the first was done: 1 is even, 1/n is one for all."""
        first = min(max(times) for times in self.done if times)
        had = [sum(t <= first for t in times) for times in self.done]
        return sum(had) ** 2 / (len(had) * sum(n * n for n in had))


Client = Callable[[Server, int, random.Random], Awaitable[bool]]
"""(server, worker, chance) → whether the call was done in the end."""


async def race(
    server: Server, shares: list[int], client: Client, foreign: Stranger | None = None, at_once: int = AT_ONCE
) -> Race:
    """Let workers make their calls at the same time, each with a few under way."""
    found = Race(server, [[] for _ in shares])

    async def lane(worker: int, left: list[int], chance: random.Random) -> None:
        while left:
            left.pop()
            if await client(server, worker, chance):
                found.done[worker].append(now())
            else:
                found.lost += 1

    other = asyncio.create_task(_stranger(server, foreign, found)) if foreign else None
    await asyncio.sleep(foreign.ahead if foreign else 0.0)
    found.began = now()
    found.foreign.clear()
    async with asyncio.TaskGroup() as group:
        for worker, calls in enumerate(shares):
            left = list(range(calls))
            for lane_ in range(min(at_once, calls)):
                group.create_task(lane(worker, left, random.Random(f"{worker}/{lane_}")))
    if other:
        other.cancel()
    return found


@dataclass(frozen=True)
class Stranger:
    """Somebody else with the same token, who does not try again: a request each `every` seconds."""

    every: float
    ahead: float = 0.0
    """Seconds for which it has been at work before we begin."""
    even: bool = True
    """Whether the requests come evenly, or at random with that mean."""


async def _stranger(server: Server, who: Stranger, found: Race) -> None:
    chance = random.Random(7)
    while True:
        await asyncio.sleep(who.every if who.even else chance.expovariate(1 / who.every))
        found.foreign.append(server.uncounted(now()))


def sdk(retries: int | None) -> Client:
    """As the OpenAI SDK retries: `Retry-After`, else 0.5 s doubled up to 8 s, less up to a quarter."""

    async def call(server: Server, worker: int, chance: random.Random) -> bool:
        n = 0
        while True:
            status, after, _ = await server.ask()
            if status == 200:
                return True
            if n == retries:
                return False
            await asyncio.sleep(after or min(0.5 * 2.0 ** min(n, 10), 8.0) * (1 - 0.25 * chance.random()))
            n += 1

    return call


async def tenacity(server: Server, worker: int, chance: random.Random) -> bool:
    """As `wait_random_exponential(1, 60)`, without an end."""
    n = 0
    while (await server.ask())[0] != 200:
        await asyncio.sleep(chance.uniform(0, min(60.0, 2.0 ** min(n, 10))))
        n += 1
    return True


def governed(folder: Path, workers: int, window: float, limit: int = 20) -> tuple[Client, Callable[[], None]]:
    """The governor: a slot before each request, from a store that all workers share."""
    stores = [open_store(folder / "definable.db") for _ in range(workers)]
    governors = [Governor(store, {"t": Account(lambda: "o")}, asyncio.sleep, now) for store in stores]
    buckets = (Bucket("all", (Allowance(limit, window),)),)
    count = iter(range(10**9))

    async def call(server: Server, worker: int, chance: random.Random) -> bool:
        run = f"run{worker}"
        while True:
            claim = Claim("o", f"{worker}-{next(count)}", run, buckets)
            await governors[worker].admit(claim, lambda wait, waited: None)
            status, after, remaining = await server.ask()
            headers = {} if after is None else {"retry-after": f"{after:g}"}
            if remaining is not None:
                headers["ratelimit-policy"] = f'"all";q={server.limit};w={server.window:g}'
                headers["ratelimit"] = f'"all";r={remaining}'
            phase = Phase.COMMITTED if status == 200 else Phase.REJECTED
            outcome = Outcome(phase=phase, status=status, headers=headers)
            governors[worker].learn("t", "T", claim, outcome)
            if status == 200:
                return True

    def close() -> None:
        for store in stores:
            store.close()

    return call, close


def contest(
    name: str, server: Server, shares: list[int], foreign: Stranger | None = None, at_once: int = AT_ONCE
) -> Race:
    """Return how one kind of client does at one server."""
    fresh = replace(server)
    if not name.startswith("governor"):
        clients: dict[str, Client] = {"sdk": sdk(None), "sdk, 2 retries": sdk(2), "tenacity": tenacity}
        return in_virtual_time(race(fresh, shares, clients[name], foreign, at_once))
    with TemporaryDirectory() as folder:
        limit = server.limit * 3 // 4 if name.endswith("3/4") else server.limit
        client, close = governed(Path(folder), len(shares), server.window, limit)
        try:
            return in_virtual_time(race(fresh, shares, client, foreign, at_once))
        finally:
            close()


def row(name: str, kind: Kind, workers: int, window: float, header: bool) -> list[str]:
    """Return one line of the table."""
    server = Server(kind, window=window, latency=0.3 if window > 10 else 0.02, header=header)
    found = contest(name, server, [CALLS // workers] * workers)
    about = [name, kind, str(workers), f"{window:g} s", "yes" if header else "no"]
    figures = [f"{found.ratio:.3f}", f"{found.refused:.1%}", f"{found.jain:.2f}", str(found.lost)]
    return [*about, *figures]


def foreign(name: str, server: Server, who: Stranger, calls: int = 400) -> list[str]:
    """Return what becomes of a quota when a stranger uses a quarter of it."""
    found = contest(name, server, [calls // 2, calls // 2], who, AT_ONCE if calls <= 400 else FEW)
    ideal = (calls - 1) // 15 * 60.0
    took = max(map(max, found.done)) - found.began
    later = found.foreign[round(LONG * server.window / who.every) :]
    return [f"{ideal / took:.0%}", f"{found.refused:.1%}", came(found.foreign), came(later)]


def came(answers: list[bool]) -> str:
    """Return which share came through."""
    return f"{sum(answers) / max(1, len(answers)):.0%}"


def endurance(calls: int = 10_000) -> list[list[str]]:
    """Return what becomes of many calls: alone, and beside a stranger who comes when all is in use."""
    rows = []
    for name, who in (("alone", None), ("a stranger, at random times", Stranger(12.0, even=False))):
        began = time.perf_counter()
        found = contest("governor", Server("sliding"), [calls // 2] * 2, who, FEW)
        lost = calls - sum(map(len, found.done))
        theirs = came(found.foreign[50:]) if who else "-"
        took = f"{time.perf_counter() - began:.0f} s"
        rows.append([name, f"{found.ratio:.4f}", str(found.server.refused), str(lost), theirs, took])
    return rows


COLUMNS = ["client", "server", "workers", "window", "Retry-After", "makespan / ideal", "429s", "Jain", "lost"]


def main() -> None:
    """Print the tables."""
    rows = [
        row("governor", kind, workers, window, header)
        for window in (60.0, 2.0)
        for kind in KINDS
        for workers, header in ((2, True), (2, False), (8, True))
    ]
    show(f"{CALLS} calls, 20 per window: the governor", COLUMNS, rows)
    rows = [
        row(name, kind, 2, 60.0, header)
        for name in ("sdk", "sdk, 2 retries", "tenacity")
        for kind in KINDS[:3]
        for header in (True, False)
    ]
    show("The same without a governor", COLUMNS, rows)
    load = [
        [
            name,
            kind,
            "yes" if tells else "no",
            *foreign(name, Server(kind, tells=tells), Stranger(12.0, 61.0)),
        ]
        for name in ("governor", "sdk", "tenacity")
        for kind in KINDS
        for tells in (False, True)
        if name == "governor" or not (tells or kind == "rejects count")
    ]
    columns = [
        "client",
        "server",
        "RateLimit",
        "rest of the quota used",
        "429s",
        "stranger's that came through",
        "after ten windows",
    ]
    show("A stranger sends 5 a minute with the same token and was there first, 400 calls", columns, load)
    later = [
        [name, kind, "no", *foreign(name, Server(kind), Stranger(12.0))]
        for name in ("governor", "governor, 3/4")
        for kind in KINDS
    ]
    show("The same, when the stranger comes while we use all", columns, later)
    later = [
        [name, kind, "no", *foreign("governor", Server(kind), Stranger(12.0, even=even), 2000)]
        for name, even in (("governor; evenly", True), ("governor; at random", False))
        for kind in KINDS
    ]
    show(f"The same with 2,000 calls, {FEW} at once in each worker", columns, later)
    columns = ["10,000 calls", "makespan / ideal", "429s", "lost", "stranger's after ten windows", "took"]
    show("A long race at a sliding server", columns, endurance())
    even = contest("governor", Server("fixed"), [100, 100])
    uneven = contest("governor", Server("fixed"), [180, 20])
    rows = [["100 and 100", f"{even.ratio:.3f}"], ["180 and 20", f"{uneven.ratio:.3f}"]]
    show("Two workers with unequal work", ["calls", "makespan / ideal"], rows)


if __name__ == "__main__":
    main()
