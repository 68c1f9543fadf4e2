"""Restate: a handler with four `ctx.run_typed`, behind its own server on this machine."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import httpx
import restate
from hypercorn.asyncio import serve
from hypercorn.config import Config

from benchmarks.peers import work

SERVER = Path("build/peers/npm/node_modules/.bin/restate-server")
HERE, INGRESS, ADMIN, FABRIC = (int(os.environ.get("PEERS_RESTATE", "9607")) + more for more in range(4))

briefs = restate.Service("Briefs")


async def research() -> str:
    """Ask the Researcher's model."""
    return work.ask("researcher")


async def write(findings: str) -> str:
    """Ask the Writer's model."""
    return work.ask("writer")


async def verify(draft: str) -> str:
    """Check the draft."""
    return work.check(draft)


async def distribute(title: str, draft: str) -> str:
    """Make the write."""
    return await work.post(_client, title, draft)


async def look(title: str) -> list[str]:
    """See what is there before the write."""
    return await work.look(_client, title)


async def distribute_once(title: str, draft: str, before: list[str]) -> str:
    """Make the write unless it is there."""
    return await work.post_once(_client, title, draft, before)


async def confirm(found: str, title: str, draft: str) -> str:
    """Read it back."""
    return await work.confirm(_client, found, title, draft)


@briefs.handler()
async def brief(ctx: restate.Context, title: str) -> str:
    """One run."""
    findings = await ctx.run_typed("research", research)
    draft = await ctx.run_typed("write", write, findings=findings)
    checked = await ctx.run_typed("verify", verify, draft=draft)
    if not work.CAREFUL:
        return str(await ctx.run_typed("distribute", distribute, title=title, draft=checked))
    before = await ctx.run_typed("look", look, title=title)
    made = await ctx.run_typed("distribute", distribute_once, title=title, draft=checked, before=before)
    return str(await ctx.run_typed("confirm", confirm, found=made, title=title, draft=checked))


_client = work.client()


def _start_server() -> subprocess.Popen[bytes]:
    own = {
        "RESTATE_INGRESS__BIND_ADDRESS": f"127.0.0.1:{INGRESS}",
        "RESTATE_ADMIN__BIND_ADDRESS": f"127.0.0.1:{ADMIN}",
        "RESTATE_BIND_ADDRESS": f"127.0.0.1:{FABRIC}",
        "RESTATE_ADVERTISED_ADDRESS": f"http://127.0.0.1:{FABRIC}",
        "RESTATE_BASE_DIR": str(work.FOLDER / "restate"),
        "RESTATE_NODE_NAME": "one",
        "DO_NOT_TRACK": "1",
        "RESTATE_LOG_FILTER": "error",
    }
    with (work.FOLDER / "server.log").open("ab") as log:
        return subprocess.Popen(
            [str(SERVER)], env={**os.environ, **own}, stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )


async def _register(asking: httpx.AsyncClient) -> None:
    """Tell the server where the handler is, once both are there."""
    while True:
        try:
            body = {"uri": f"http://127.0.0.1:{HERE}", "force": True}
            (await asking.post(f"http://127.0.0.1:{ADMIN}/deployments", json=body)).raise_for_status()
            (await asking.get(f"http://127.0.0.1:{INGRESS}/restate/health")).raise_for_status()
        except httpx.HTTPError:
            await asyncio.sleep(0.2)
        else:
            return


async def main() -> None:
    """Start the server and the handler, and do what is asked for."""
    config, ended = Config(), asyncio.Event()
    config.bind = [f"127.0.0.1:{HERE}"]
    config.accesslog = config.errorlog = None
    handler = asyncio.create_task(serve(restate.app([briefs]), config, shutdown_trigger=ended.wait))
    server = _start_server()
    try:
        async with work.client() as asking:
            await _register(asking)

            async def run(title: str) -> None:
                answer = await asking.post(
                    f"http://127.0.0.1:{INGRESS}/Briefs/brief", json=title, headers={"idempotency-key": title}
                )
                answer.raise_for_status()

            async def stands() -> str:
                query = {"query": "SELECT status FROM sys_invocation"}
                url, kind = f"http://127.0.0.1:{ADMIN}/query", {"accept": "application/json"}
                rows = (await asking.post(url, json=query, headers=kind)).json()["rows"]
                return " ".join(row["status"] for row in rows)

            await work.drive(run, stands)
    finally:
        ended.set()
        server.terminate()
        server.wait()
        await handler


if __name__ == "__main__":
    asyncio.run(main())
    sys.exit(0)
