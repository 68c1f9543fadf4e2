"""What a run leaves behind in the products: done, in doubt, going on, never sent; and what undoes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from definable.calls import Exchange, Fact, Failure, Json, Outcome, Phase, Receipt, Send, ToolCall, digest
from definable.errors import UsageError
from definable.spec.paths import MISSING, render
from definable.spec.toolkit import Tool
from definable.spec.workflow import Step, Workflow
from definable.store import EffectRow, RunRow, State, Store

GONE = "the tool is not in the workspace any more"
DOUBT = "nobody knows yet whether it happened: look first"


class Left(Fact):
    """What became of one write of a run."""

    call: str
    tool: str
    state: Literal["done", "in_doubt", "going_on", "refused", "not_sent"]
    message: str = ""
    """What is known of it, for people."""
    link: str = ""
    undo: dict[str, Json] | None = None
    """The call that takes it back, `{tool, arguments}`; None where there is none."""
    why_not: str = ""
    """Why nothing takes it back."""


def left_behind(store: Store, row: RunRow, tools: Mapping[str, Tool]) -> list[Left]:
    """Return what became of each write of a run, in the order in which they were proposed.

    A write that was refused, as a look bears out, or found to be so already, has left nothing and is not
    among them.
    """
    asked = [each for each in store.open_asks(row.id) if each.ask.reason == "review"]
    doubted = {each.call for each in asked if not each.ask.diff}  # a diff is asked about the request's form
    receipts = {receipt.call: receipt for receipt in store.receipts(row.id)}
    effects = {effect.call: effect for effect in store.effects(row.id)}
    if row.pruned:  # what is kept are the receipts of its effects
        settled = (_settled(each, effects.get(each.call), tools) for each in receipts.values())
        return [each for each in settled if each is not None]
    log = [event for event in store.events(row.id) if event.type == "call.proposed"]
    calls = [ToolCall.model_validate(event.data) for event in log]
    found = []
    for call in calls:
        tool = tools.get(call.tool)
        if tool is not None and not tool.effect.writes:
            continue
        receipt, effect = receipts.get(call.id), effects.get(call.id)
        exchanges = store.exchanges(row.id, call.id) if receipt is None and effect is not None else []
        each = (
            _settled(receipt, effect, tools)
            if receipt
            else _open(call, effect, exchanges, tools, call.id in doubted)
        )
        found += [each] if each is not None else []
    return [*found, *_never_begun(row, {call.step for call in calls}, tools)]


def _settled(receipt: Receipt, effect: EffectRow | None, tools: Mapping[str, Tool]) -> Left | None:
    if effect is None or not effect.attempt or receipt.status == "denied":
        return None
    facts = {"call": receipt.call, "tool": receipt.tool, "link": receipt.link, "message": receipt.message}
    if receipt.status == "verified":
        tool = tools.get(receipt.tool)
        if tool is not None and tool.poll is not None:
            return Left(**facts, state="done", why_not="it has ended, so there is nothing to stop")
        way = _undo(tool, receipt.arguments, receipt.result)
        return Left(**facts, state="done", **way)
    if effect.state is State.REJECTED and not _looked(receipt):
        return Left(**facts, state="refused", why_not=DOUBT)
    if effect.state in (State.INTENDED, State.REJECTED):
        return None
    return Left(**facts, state="in_doubt", why_not=DOUBT)


def _looked(receipt: Receipt) -> bool:
    """Whether a look was answered after the last attempt: then a refusal is not the server's word alone."""
    calls = [n for n, each in enumerate(receipt.trail) if each.role == "call"]
    after = receipt.trail[calls[-1] + 1 :] if calls else ()
    return any(each.verdict.failure is Failure.OK for each in after)


def _open(
    call: ToolCall,
    effect: EffectRow | None,
    exchanges: list[Exchange],
    tools: Mapping[str, Tool],
    doubted: bool,
) -> Left:
    if effect is not None and effect.state is State.REJECTED and doubted:
        words = "it was refused, and whether it was done all the same was asked"
        return Left(call=call.id, tool=effect.tool, state="in_doubt", message=words, why_not=DOUBT)
    if effect is None or effect.state in (State.INTENDED, State.REJECTED):
        return Left(call=call.id, tool=call.tool, state="not_sent")
    tool = tools.get(effect.tool)
    result = _answer(exchanges)
    if effect.state is not State.COMMITTED or result is None:
        words = "it was sent, and no answer was noted"
        return Left(call=call.id, tool=effect.tool, state="in_doubt", message=words, why_not=DOUBT)
    goes_on = tool is not None and tool.poll is not None
    words = "it was started, and may still be at work" if goes_on else "it was accepted, and not verified yet"
    link = render(tool.link, {"result": result}, missing="drop") if tool and tool.link else ""
    return Left(
        call=call.id,
        tool=effect.tool,
        state="going_on" if goes_on else "done",
        message=words,
        link=link if isinstance(link, str) and "${{" not in link else "",
        **_undo(tool, effect.sending, result),
    )


def _answer(exchanges: list[Exchange]) -> Json:
    """The body with which the write itself was accepted."""
    bodies = [
        e.reply.body
        for e in exchanges
        if isinstance(e.order, Send) and e.order.role == "call" and isinstance(e.reply, Outcome)
        if e.reply.phase is Phase.COMMITTED
    ]
    return bodies[-1] if bodies else None


def _undo(tool: Tool | None, arguments: Mapping[str, Json], result: Json) -> dict[str, Any]:
    """How a write is taken back, as its tool's file says: `{undo}` or `{why_not}`."""
    if tool is None:
        return {"why_not": GONE}
    rule = tool.undo
    if rule is None or rule.call is None:
        return {"why_not": rule.says if rule else "the toolkit names nothing that takes it back"}
    filled = {
        name: render(value, {"arguments": arguments, "result": result}, missing="drop")
        for name, value in rule.arguments.items()
    }
    if MISSING in filled.values():
        return {"why_not": f"its answer does not say what {rule.call} would have to name"}
    return {"undo": {"tool": rule.call, "arguments": filled}}


def _never_begun(row: RunRow, begun: set[str], tools: Mapping[str, Tool]) -> list[Left]:
    """The declared writes of steps that the run never came to."""
    steps = row.definition.get("steps", ())
    return [
        Left(call=step["id"], tool=step["call"], state="not_sent")
        for step in steps
        if row.status != "done" and step.get("call") and step["id"] not in begun
        if step["call"] in tools and tools[step["call"]].effect.writes
    ]


def undoing(row: RunRow, left: Sequence[Left], tried: Sequence[Receipt], approve: bool) -> Workflow:
    """Return the workflow that takes back what a run left, the newest first.

    `tried` are the receipts of those before it, the latest first: what they took back is left out, and what
    they failed at comes last, so that it keeps nothing else from being taken back. UsageError when nothing is
    to be done.
    """
    past = {digest([r.tool, r.arguments]): r.status for r in reversed(tried) if r.effect}
    wanted = [(digest([u["tool"], u["arguments"]]), u) for each in left if (u := each.undo) is not None]
    ways = [(mark in past, u) for mark, u in reversed(wanted) if past.get(mark) != "verified"]
    if not ways:
        reasons = "".join(f"\n  - {each.call} {each.tool}: {each.why_not}" for each in left if each.why_not)
        done = (
            "everything that can be taken back was" if wanted else "there is nothing that can be taken back"
        )
        raise UsageError(f"run {row.id}: {done}{reasons}")
    steps = tuple(
        Step(
            id=f"undo-{number}",
            call=str(way["tool"]),
            arguments=way["arguments"],
            approve=False if approve else None,
        )
        for number, (_, way) in enumerate(sorted(ways, key=lambda each: each[0]), start=1)
    )
    return Workflow(name=f"undo-{row.workflow}", description=f"Takes back what {row.id} did", steps=steps)
