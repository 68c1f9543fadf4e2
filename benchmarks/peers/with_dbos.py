"""DBOS: a workflow of four steps in one process, as its documentation begins.

Each step's result is a row that waits for the disk (SQLite is switched to its write-ahead log, which its
default is not and which is faster).
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing

from dbos import DBOS, SetWorkflowID

from benchmarks.peers import work


@DBOS.step()
async def research() -> str:
    """Ask the Researcher's model."""
    return work.ask("researcher")


@DBOS.step()
async def write(findings: str) -> str:
    """Ask the Writer's model."""
    return work.ask("writer")


@DBOS.step()
async def verify(draft: str) -> str:
    """Check the draft."""
    return work.check(draft)


@DBOS.step()
async def distribute(title: str, draft: str) -> str:
    """Make the write."""
    return await work.post(_client, title, draft)


@DBOS.step()
async def look(title: str) -> list[str]:
    """See what is there before the write."""
    return await work.look(_client, title)


@DBOS.step()
async def distribute_once(title: str, draft: str, before: list[str]) -> str:
    """Make the write unless it is there."""
    return await work.post_once(_client, title, draft, before)


@DBOS.step()
async def confirm(found: str, title: str, draft: str) -> str:
    """Read it back."""
    return await work.confirm(_client, found, title, draft)


@DBOS.workflow()
async def brief(title: str) -> str:
    """One run."""
    checked = await verify(await write(await research()))
    if not work.CAREFUL:
        return await distribute(title, checked)
    made = await distribute_once(title, checked, await look(title))
    return await confirm(made, title, checked)


_client = work.client()


def _url() -> str:
    if url := os.environ.get("PEERS_DATABASE"):
        return url
    file = work.FOLDER / "dbos.db"
    with closing(sqlite3.connect(file)) as db:
        db.execute("PRAGMA journal_mode = WAL")
    return f"sqlite:///{file}"


async def run(title: str) -> None:
    """Do one run; one that was killed goes on by itself when DBOS is launched."""
    with SetWorkflowID(title):
        await brief(title)


async def stands() -> str:
    """Return where all runs stand."""
    return " ".join(each.status for each in await DBOS.list_workflows_async())


async def main() -> None:
    """Do what is asked for."""
    DBOS(config={"name": "peers", "system_database_url": _url(), "log_level": "ERROR", "executor_id": "one"})
    DBOS.launch()
    await work.drive(run, stands)
    DBOS.destroy()


if __name__ == "__main__":
    asyncio.run(main())
