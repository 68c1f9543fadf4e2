"""AG-UI 1.0: each workflow is an agent, and so is the concierge, who chooses one.

Threads are conversations, runs are turns of them. A turn is named by the client, and is an answer in words or
one stretch of one run's log: asked for again under the same name, it is the same one, from its beginning.
Nobody who leaves stops a run.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Annotated

from ag_ui.core import BaseEvent, RunAgentInput, RunErrorEvent, RunStartedEvent
from fastapi import APIRouter, Path, Request, Response
from starlette.responses import StreamingResponse

from definable.engine.decide import editable
from definable.errors import ModelError, UsageError
from definable.service import agui_concierge, agui_turns
from definable.service.agui_concierge import Taken
from definable.service.agui_events import Projection, Turn
from definable.service.agui_turns import Refused
from definable.service.compatible import CONCIERGE
from definable.service.desk import Desk
from definable.service.door import AtDesk, Operator
from definable.service.problems import REDACTOR, Refusal
from definable.store import MessageRow, TurnRow

router = APIRouter(include_in_schema=False)
"""Described by its own specification, not by our API's."""

MEDIA = "text/event-stream"

HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


@router.post("/agui/{workflow}", response_class=Response)
async def take_turn(
    workflow: Annotated[str, Path(max_length=200)],
    wish: RunAgentInput,
    desk: AtDesk,
    who: Operator,
    request: Request,
) -> Response:
    """Run a workflow as an AG-UI agent, or go on with what a person was asked; the answer is a stream.

    Inputs come from `forwardedProps.inputs`, or else the last message (JSON, or `name: value` lines); what
    they do not say, `state.inputs` does. `definable` is the concierge: it is told the last message.
    """
    desk.refuse_crowd(who)
    found = None if workflow == CONCIERGE else await desk.workflow(workflow)
    if wish.resume and not who.may("approver"):
        raise Refusal(403, f"the key {who.name!r} is for a {who.level}; to answer needs approver")
    turn = Turn(wish.thread_id, wish.run_id, wish.protocol_version is not None, _known(wish))
    try:
        if found is None:
            taken = await agui_concierge.take(desk, wish, who, str(request.base_url))
        else:
            taken = Taken(shows=await agui_turns.take(desk, found, wish, who))
    except Refused as error:
        return _stream(_refused(turn, error.code, str(error)))
    except UsageError as error:
        return _stream(_refused(turn, "invalid_input", str(error)))
    except ModelError as error:
        return _stream(_refused(turn, error.failure, REDACTOR.text(str(error))))
    return _stream(_told(desk, turn, taken))


def _stream(events: AsyncIterator[bytes]) -> Response:
    return StreamingResponse(events, media_type=MEDIA, headers=HEADERS)


def _known(wish: RunAgentInput) -> frozenset[str]:
    """Return what the client has already, as far as it has come whole."""
    ids: set[str] = set()
    for message in wish.messages:
        if message.role in ("assistant", "tool") and message.content:
            ids.add(message.id)
        if message.role == "assistant":
            ids.update(each.id for each in message.tool_calls or () if each.function.arguments)
    return frozenset(ids)


async def _told(desk: Desk, turn: Turn, taken: Taken) -> AsyncIterator[bytes]:
    """Yield a turn as server-sent events, to its end."""
    if taken.shows is not None:
        async with aclosing(_shown(desk, turn, taken.shows, taken.said)) as chunks:
            async for chunk in chunks:
                yield chunk
    elif taken.said is not None:
        yield _lines(agui_concierge.whole(turn, taken.said))


async def _shown(desk: Desk, turn: Turn, shows: TurnRow, said: MessageRow | None) -> AsyncGenerator[bytes]:
    """Yield a stretch of a run's log, after what was said of it."""
    row = desk.store.run(shows.run)
    if row.pruned:
        async for chunk in _refused(turn, "pruned", f"the log of run {row.id} was deleted"):
            yield chunk
        return
    log = desk.store.events(row.id) if shows.since else []
    told = Projection(
        turn,
        row,
        lambda call: desk.store.receipt(row.id, call),
        lambda ask: editable(desk.store, desk.store.asked(ask), desk.workspace),
    )
    begun = told.opening(event for event in log if event.seq <= shows.since)
    if said is not None:
        told.usage.update(agui_concierge.usage(said))
        begun += agui_concierge.words(turn, said)
    yield _lines(begun)
    async with aclosing(desk.feed.watch(row.id, shows.since)) as news:
        async for events in news:
            found = [each for event in events for each in told.take(event)]
            if found or not events:
                yield _lines(found) or b": still here\n\n"
            if told.ended:
                return


async def _refused(turn: Turn, code: str, message: str) -> AsyncIterator[bytes]:
    begun = RunStartedEvent(thread_id=turn.thread, run_id=turn.name)
    yield _lines([begun, RunErrorEvent(code=code, message=message)])


def _lines(events: list[BaseEvent]) -> bytes:
    """Return events as they are sent; all but ASCII escaped, so that a broken text breaks nothing."""
    return "".join(
        f"data: {json.dumps(each.model_dump(mode='json', by_alias=True), separators=(',', ':'))}\n\n"
        for each in events
    ).encode()
