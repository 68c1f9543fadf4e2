"""MCP, over HTTP and over a pipe: for programs in which a model chooses what is called.

Protocol 2026-07-28 knows no sessions: each request stands for itself. Clients of 2025-11-25 have one, since
their people are asked over it.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types import CallToolRequestParams, ListToolsResult, PaginatedRequestParams
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from definable import __version__
from definable.service import mcp_tools
from definable.service.access import LOCAL
from definable.service.concierge import offered
from definable.service.desk import Desk
from definable.service.door import caller
from definable.service.mcp_calls import Answered, Calls, Context

PATH = "/mcp"

SESSIONS = 1_000
"""Sessions that may be open at a time."""

LONGEST = 16_000_000
"""Bytes of one message over a pipe."""

INSTRUCTIONS = """Definable runs workflows, and single calls of the tools of {products}, in which every call
is verified and, where it fails, healed.
The answer to a call says how its success is known: `known_by` is `state` when what was written was read back,
`existence` when it was looked up, `response` when nobody can look. `verified` means that it is done, once:
never send a call again to be sure. When a call is not over in the answer (`waiting`, `running`, `queued`), go
on with {run}. Where a person has to decide, your user is asked, or the answer says where.{place}{offline}"""

SANDBOX = "\nThis is the sandbox: calls go to a simulator, and touch nothing real."


def server(desk: Desk, connection: str = "") -> Server:
    """Return the server over a desk; `connection` names a pipe, over which one client talks alone."""
    calls = Calls(desk, connection)

    async def list_tools(context: Context, params: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(tools=mcp_tools.offered(desk.workspace, (await offered(desk)).values()))

    async def call_tool(context: Context, params: CallToolRequestParams) -> Answered:
        who = LOCAL if context.request is None else caller(context.request)
        return await calls(who, context, params)

    return Server(
        "definable",
        version=__version__,
        title="Definable",
        instructions=_instructions(desk),
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        get_tool_input_schema=lambda name: None,  # none of ours is sent in a header
    )


def _instructions(desk: Desk) -> str:
    products = ", ".join(kit.title for kit in desk.workspace.toolkits().values())
    place = (
        "\nThis is the sandbox: calls go to a simulator, and touch nothing real."
        if desk.options.sandbox
        else ""
    )
    who = ", ".join(desk.offline)
    offline = f"\nNo language model is asked for {who}: an offline one takes their turns." if who else ""
    return INSTRUCTIONS.format(products=products, run=mcp_tools.RUN, place=place, offline=offline)


@asynccontextmanager
async def sessions(desk: Desk) -> AsyncIterator[None]:
    """Answer MCP requests at the desk's door until the end of the block."""
    manager = StreamableHTTPSessionManager(
        server(desk),
        # The service's own gate has looked at `Host` and `Origin`, and knows the names it goes by.
        security_settings=TransportSecuritySettings(enable_dns_rebinding_protection=False),
        max_request_body_size=desk.limits.body,
        max_sessions=SESSIONS,
    )
    async with manager.run():
        desk.mcp = manager.handle_request
        yield


async def pipe(desk: Desk) -> None:
    """Serve one client over standard input and output, until it closes its end."""
    serving = server(desk, secrets.token_hex(16))
    async with _input() as lines, stdio_server(stdin=lines) as (read, write):
        await serving.run(read, write, serving.create_initialization_options())


@asynccontextmanager
async def _input() -> AsyncIterator[Any]:
    """Yield the lines of standard input, as they come; a file is left to the library.

    A library that reads in a thread cannot be told to stop while its client says nothing.
    """
    if not stat.S_ISFIFO(os.fstat(0).st_mode) and not stat.S_ISSOCK(os.fstat(0).st_mode):
        yield None
        return
    reader = asyncio.StreamReader(limit=LONGEST)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(os.dup(0), "rb", buffering=0)
    )
    try:
        yield (line.decode("utf-8", "replace") async for line in reader)
    finally:
        transport.close()


class _Door:
    """Hands requests to the desk's MCP sessions, as they come."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # A session is its key's alone: with another one it is as if there were none.
        whose = AccessToken(token="", client_id=caller(Request(scope)).id, scopes=[])
        await scope["app"].state.desk.mcp({**scope, "user": AuthenticatedUser(whose)}, receive, send)


router = APIRouter()
router.routes.append(Route(PATH, _Door(), include_in_schema=False))
