"""A call over MCP is a run: submitted, followed until it ends or a person has to decide, and told.

Whoever goes away stops nothing. A call with the same `definable/idempotency-key` in its `_meta`, or sent
again in its session, is the same run.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
    TextContent,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from definable.calls import digest
from definable.engine.single import single
from definable.errors import DefinableError, UsageError
from definable.service import report
from definable.service.access import Caller
from definable.service.answers import BY_PEOPLE, answer, denial, form, question
from definable.service.desk import Desk
from definable.service.follow import rests
from definable.service.mcp_tools import RUN
from definable.service.problems import Refusal
from definable.service.report import OneTold, RunTold
from definable.spec.inputs import complete
from definable.store import AskRow, RunRow, RunStatus

KEY = "definable/idempotency-key"
"""In a request's `_meta`: however often it is sent under this key, there is one run."""

Context = ServerRequestContext[Any, Any]
Answered = CallToolResult | InputRequiredResult


@dataclass(frozen=True)
class Job:
    """What is called: the run that it is to be, and how its end is told."""

    name: str
    inputs: Mapping[str, Any]
    """As the run has them."""
    submit: Callable[[str], Awaitable[RunRow]]
    """Takes the key."""
    tell: Callable[[RunRow], RunTold | OneTold]


class Calls:
    """Answers the calls of one desk's clients."""

    def __init__(self, desk: Desk, connection: str = "") -> None:
        """`connection` names what request ids belong to where the transport has no sessions: a pipe."""
        self.desk = desk
        self.connection = connection

    async def __call__(self, who: Caller, context: Context, params: CallToolRequestParams) -> Answered:
        """Answer a call. What is wrong with it is told as its result, so that a model can do better."""
        try:
            return await self._call(who, context, params)
        except Refusal as error:
            return _wrong(f"{error.detail}\n{error.hint}".strip())
        except DefinableError as error:
            return _wrong(str(error))

    async def _call(self, who: Caller, context: Context, params: CallToolRequestParams) -> Answered:
        arguments = dict(params.arguments or {})
        if params.name == RUN:
            row = self._found(arguments)
            return await self._carried(who, context, params, row, lambda row: report.run(self.desk, row))
        if not who.may("operator"):
            return _wrong(f"the key {who.name!r} is for a {who.level}; to call {params.name} needs operator")
        job = await self._job(params.name, arguments)
        if params.request_state:
            row = self._resumed(who, job, params.request_state)
        else:
            row = await job.submit(self._key(who, context))
        return await self._carried(who, context, params, row, job.tell)

    def _found(self, arguments: dict[str, Any]) -> RunRow:
        run = arguments.get("run")
        if not isinstance(run, str) or set(arguments) != {"run"}:
            raise UsageError(f"{RUN} takes one argument: run, the id of a run as a text")
        return self.desk.run(run)

    async def _job(self, name: str, arguments: dict[str, Any]) -> Job:
        desk = self.desk
        tools = desk.workspace.tools()
        if name in tools and not tools[name].internal:
            workflow, exact = single(desk.workspace.toolkit_of(name), name, arguments, approve=False)
            return Job(
                workflow.name,
                exact,
                lambda key: desk.engine.call(workflow, exact, key=key),
                lambda row: report.one(desk, row, name),
            )
        try:
            found = await desk.workflow(name)
        except Refusal as error:
            raise MCPError(INVALID_PARAMS, f"there is no tool {name!r}: tools/list has them all") from error
        return Job(
            found.name,
            complete(found, arguments),
            lambda key: desk.submit(found, arguments, key=key),
            lambda row: report.run(desk, row),
        )

    def _key(self, who: Caller, context: Context) -> str:
        """Return the key of a request's run: its client's, that of its session, or one of its own."""
        given = (context.meta or {}).get(KEY)
        headers = getattr(context.request, "headers", None) or {}
        session = headers.get("mcp-session-id") or self.connection
        if given is not None:
            mark: Any = ["key", given]
        elif session:
            mark = ["request", session, context.request_id]
        else:
            mark = ["none", secrets.token_hex(16)]
        return f"mcp:{who.id}:{digest(mark)[:32]}"

    def _resumed(self, who: Caller, job: Job, state: str) -> RunRow:
        """Return the run that an answer is about. A client can say anything: it must be of this very call."""
        row: RunRow | None
        try:
            row = self.desk.store.run(str(json.loads(state)["run"]))
        except (ValueError, KeyError, TypeError, RecursionError, UsageError):
            row = None
        own = row is not None and (row.key or "").startswith(f"mcp:{who.id}:")
        if row is None or not own or (row.workflow, row.inputs) != (job.name, dict(job.inputs)):
            raise MCPError(
                INVALID_PARAMS, "this requestState is of another call: send back what you were given"
            )
        return row

    async def _carried(
        self,
        who: Caller,
        context: Context,
        params: CallToolRequestParams,
        row: RunRow,
        tell: Callable[[RunRow], RunTold | OneTold],
    ) -> Answered:
        """Follow a run to its end, asking the client's person where one has to decide."""
        seen = 0
        if params.input_responses:
            seen = self.desk.store.events(row.id)[-1].seq
            await self._take(who, row, params.input_responses)
        while True:
            row, seen = await self._followed(context, row, seen)
            asks = self._open(row)
            if not asks or not (_can_ask(context) and who.may("approver")):
                return _result(tell(row))
            if context.protocol_version in MODERN_PROTOCOL_VERSIONS:
                requests = {ask.id: ElicitRequest(params=_form(ask)) for ask in asks}
                return InputRequiredResult(input_requests={**requests}, request_state=_state(row))
            if not await self._elicited(who, context, asks):
                return _result(tell(self.desk.store.run(row.id)))

    def _open(self, row: RunRow) -> list[AskRow]:
        if row.status is not RunStatus.WAITING:
            return []
        return [each for each in self.desk.store.open_asks(row.id) if each.ask.reason in BY_PEOPLE]

    async def _followed(self, context: Context, row: RunRow, seen: int) -> tuple[RunRow, int]:
        """Wait until a run has ended or waits for somebody, and report what it does after `seen`.

        Returns the run, and the last event of it that was seen.
        """
        store, more = self.desk.store, 0.0
        async with aclosing(self.desk.feed.watch(row.id, seen)) as news:
            row = store.run(row.id)
            while not rests(row):
                events = await anext(news, None)
                if events is None:
                    break  # the service stops; the run goes on
                for event in events:
                    seen = event.seq
                    if said := report.progress(event):
                        await context.session.report_progress(seen + more, message=said)
                row = store.run(row.id)
                if not events:
                    if row.status is RunStatus.QUEUED and not any(each.alive for each in store.workers()):
                        break
                    more += 0.001
                    await context.session.report_progress(seen + more, message=f"still {row.status.value}")
        return row, seen

    async def _elicited(self, who: Caller, context: Context, asks: list[AskRow]) -> bool:
        """Ask the client's person over a session; False when one question was left open."""
        for ask in asks:
            wanted = _form(ask)
            said = await context.session.elicit_form(
                wanted.message, wanted.requested_schema, context.request_id
            )
            if not await self._decided(who, ask, said):
                return False
        return True

    async def _take(self, who: Caller, row: RunRow, responses: Mapping[str, Any]) -> None:
        """Take in the answers that come with a call that is sent again."""
        if not who.may("approver"):
            raise UsageError(f"the key {who.name!r} is for a {who.level}; to answer needs approver")
        asks = {each.id: each for each in self._open(row)}
        for name, said in responses.items():
            if name in asks and isinstance(said, ElicitResult):
                await self._decided(who, asks[name], said)

    async def _decided(self, who: Caller, ask: AskRow, said: ElicitResult) -> bool:
        """Keep what a person said; False when it is no answer."""
        if said.action == "cancel":
            return False
        if said.action == "decline":
            decision = denial(who.name, "it was declined")
        else:
            filled = {key: value for key, value in (said.content or {}).items() if value is not None}
            decision = answer(self.desk, ask, filled, who.name)
        await self.desk.decide(ask, decision)
        return True


def _can_ask(context: Context) -> bool:
    """Whether the client can show a form to a person."""
    able = context.session.client_capabilities
    if able is None or able.elicitation is None:
        return False
    if able.elicitation.form is None and able.elicitation.url is not None:
        return False
    return context.protocol_version in MODERN_PROTOCOL_VERSIONS or context.session.can_send_request


def _form(ask: AskRow) -> ElicitRequestFormParams:
    return ElicitRequestFormParams(message=question(ask.ask), requested_schema=form(ask.ask, flat=True))


def _state(row: RunRow) -> str:
    return json.dumps({"run": row.id})


def _result(told: RunTold | OneTold) -> CallToolResult:
    """Return what is told as a result: as data, and as text for models that see no data."""
    data = report.sound(told.model_dump(mode="json"))
    bad = told.status in ("failed", "limited", "cancelled", "denied", "needs_review")
    texts = [report.words(told), report.as_json(data)]
    return CallToolResult(
        content=[TextContent(text=text) for text in texts], structured_content=data, is_error=bad
    )


def _wrong(text: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(text=text)], is_error=True)
