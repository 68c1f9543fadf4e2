"""The Verifier's node: the one place that decides what happens next, by the rules in `definable.verify`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from langgraph.graph import END
from langgraph.runtime import Runtime
from langgraph.types import Command
from langgraph.types import Send as Branch

from definable.calls import Ask, Failure, Phase, Receipt, Send, Verdict, digest
from definable.errors import DefinableError, ModelError, UsageError
from definable.graph.context import Context
from definable.graph.desk import Desk
from definable.graph.judging import ended, judge, reviewed
from definable.graph.parking import RunParked
from definable.graph.proposals import allowed, declared, propose
from definable.graph.state import State, fresh, turn_key
from definable.limits import Usage
from definable.models import ToolUse, Turn
from definable.spec.model import Effect
from definable.spec.nearest import suggest
from definable.spec.paths import truth
from definable.spec.workflow import Step
from definable.store import State as Ledger
from definable.verify.plan import TRIES, Move, asked, backoff, plan

Next = Command[Any]
NOTHING = (Ledger.INTENDED, Ledger.REJECTED)
"""Where an effect stands that is not there."""
Sending = tuple[str, int, Send]
"""A call, its number of exchanges, and what is to be sent for it."""


async def verifier(state: State, runtime: Runtime[Desk]) -> Next:
    """The node reads what came in, and routes."""
    desk = runtime.context
    with desk.context.visit(state.get("open", ())):
        command = _next(desk.context, desk, {**state})
    said: dict[str, Any] = command.update or {}
    news = {name: value for name, value in said.items() if value is not state.get(name)}
    return replace(command, update=news)


def _next(context: Context, desk: Desk, work: State) -> Next:
    if "open" not in work:
        return _open_step(context, desk, work, 0)
    if context.step(work["step"]).id in context.outputs:  # the log is further on than the graph
        return _open_step(context, desk, work, work["step"] + 1)
    for item in work.get("came", []):
        if item["from"] == "agent":
            if (way := _from_agent(context, work, item)) is not None:
                return _go(work, way)
        elif item["from"] == "approval" and not item["call"]:
            if item["reason"] == "review":
                reviewed(context, work, item)
            elif not item["approve"]:
                raise DefinableError("no key for the model was given, so the run ends here")
    return _go_on(context, desk, work)


def _go(work: State, way: Any) -> Next:
    return Command(update={**work, "came": None}, goto=way)


def _from_agent(context: Context, work: State, item: dict[str, Any]) -> str | None:
    """Take in an agent's turn; return the next node when that is settled already."""
    step = context.step(work["step"])
    key = turn_key(step.id, work["history"])
    if key not in context.turns:
        return _model_failed(context, work, step, key, item)
    turn = Turn.model_validate(context.turns[key]["turn"])
    if turn.artifact is not None:
        return judge(context, work, step, key, turn.artifact)
    uses = {}
    number = sum(not c.startswith("!") for past in work["history"] for c in past["uses"].values())
    for use in turn.uses:
        uses[use.id] = _proposed(context, step, number + 1, key, use)
        number += not uses[use.id].startswith("!")
    work["history"] = [*work["history"], {"key": key, "uses": uses, "say": ""}]
    work["open"] = [call for call in uses.values() if not call.startswith("!")]
    return None


def _proposed(context: Context, step: Step, number: int, key: str, use: ToolUse) -> str:
    """Return the id of the call that a model's tool use becomes, or `!` and what is wrong with it.

    What was refused once stays refused: the log has it, so that the calls have the same ids in a replay.
    """
    if (why := context.refused.get((key, use.id))) is None:
        slugs = allowed(context, step)
        try:
            if use.name in slugs:
                return propose(context, step, number, use.name, use.arguments).id
            why = f"{use.name!r} is not on the allowlist of this step{suggest(use.name, slugs)}"
        except UsageError as error:
            why = str(error)
        context.refused[key, use.id] = why
        context.log("call.refused", {"key": key, "use": use.id, "tool": use.name, "why": why}, step=step.id)
    return f"!{why}"


def _model_failed(context: Context, work: State, step: Step, key: str, item: dict[str, Any]) -> str:
    """Wait and ask the model again, wait for a key, or end: by the same table as a tool's failures.

    A failure that the log has already, or of a run that was told to go on since, is no news.
    """
    failed, _ = context.failures.get(key, (0, 0.0))
    if item.get("at", [0, 0]) != [context.chances, failed]:
        return step.agent or ""
    error = DefinableError.from_json(item["failure"])
    assert isinstance(error, ModelError)  # noqa: S101
    verdict = Verdict(failure=Failure(error.failure), phase=Phase.REJECTED, message=error.message)
    move = plan(verdict, Effect.READ)
    if move in (Move.REFRESH, Move.PARK):
        ask = Ask(reason="auth", question=str(error), tool="", arguments={}, arguments_hash="")
        # the same question again after a crash, and another one once that was answered
        number = int(digest([key, context.unlocked])[:7], 16)
        work["asks"] = [context.ask("", number, ask, step)]
        return "approval"
    if move is Move.WAIT or (move in (Move.RETRY, Move.REREAD) and failed + 1 < TRIES):
        name = f"{context.run.id}/{step.id}"
        pause = backoff(name, failed, base=1.0, cap=60.0)
        if error.retry_after is not None:
            pause = asked(error.retry_after, name, failed)
        until = context.now() + pause
        context.failures[key] = failed + 1, until
        words = f"{error.message}; asked again in {pause:g} s"
        data = {"n": failed + 1, "move": move, "next": words, "key": key, "until": until}
        context.log("verdict", {**data, **_cost(context, step, error)}, step=step.id)
        return step.agent or ""
    raise error


def _cost(context: Context, step: Step, error: ModelError) -> dict[str, Any]:
    """Count what an answer took that could not be used, and return it for the log."""
    usage = Usage.model_validate(error.facts.get("usage") or {})
    if not usage.total:
        return {}
    model = context.models.serves(context.model(step))
    context.paid(step, model, usage)
    return {"model": model, "input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}


def _go_on(context: Context, desk: Desk, work: State) -> Next:
    """Move every open call as far as it goes; route when something has to come in, else close the turn."""
    sends, asks, left = [], [], []
    for call_id in work["open"]:
        call = context.calls[call_id]
        n, move = desk.next(call)
        if isinstance(move, Receipt):
            desk.close(call, move)
            continue
        left.append(call_id)
        if isinstance(move, Send):
            sends.append((call_id, n, move))
        else:
            asks.append((call_id, n, move))
    work["open"] = left
    now = _in_turn(context, desk, left, sends)
    if branches := [_branch(*each) for each in now if not context.is_parked(each[0])]:
        return _go(work, branches)
    if asks:
        work["asks"] = [context.ask(c, n, ask, context.step(work["step"])) for c, n, ask in asks]
    if asks and (not now or any(context.store.asked(each["id"]).decision for each in work["asks"])):
        return _go(work, "approval")
    if now:
        raise RunParked(min((context.parked[call] for call, _, _ in now), key=lambda each: each.due))
    return _turn_over(context, desk, work)


def _in_turn(context: Context, desk: Desk, left: list[str], sends: list[Sending]) -> list[Sending]:
    """Let reads go out side by side, but the writes of a turn one after the other.

    A write is looked for among what is new since it began; of two that are alike and under way together, one
    would be taken for the other.
    """
    writes = [c for c in left if context.catalog[context.calls[c].tool][1].effect.writes]
    begun = [c for c in writes if desk.begun(context.calls[c])]
    turn = next(iter(begun or [c for c, _, _ in sends if c in writes]), None)
    return [each for each in sends if each[0] == turn or each[0] not in writes]


def _branch(call: str, n: int, order: Send) -> Branch:
    return Branch("distributor", {"call": call, "n": n, "order": order.model_dump(mode="json")})


def _turn_over(context: Context, desk: Desk, work: State) -> Next:
    step = context.step(work["step"])
    if step.call is not None:
        return _declared_over(context, desk, work, step)
    for receipt in context.receipts.values():
        # A model hears of a failure and may try something else; what is in doubt it must not try again.
        if receipt.status == "needs_review" and context.calls[receipt.call].step == step.id:
            raise ended(context, step, receipt)
    if step.id not in context.outputs:
        return _go(work, step.agent or "")
    return _open_step(context, desk, work, work["step"] + 1)


def _declared_over(context: Context, desk: Desk, work: State, step: Step) -> Next:
    """End a step that declares a call, or make it once more where that is asked for and does no harm."""
    number = sum(call.step == step.id for call in context.calls.values())
    receipt = context.receipts.get(f"{step.id}.{number}")
    if receipt is not None and receipt.status == "verified":
        context.finish(step, receipt.result)
        return _open_step(context, desk, work, work["step"] + 1)
    if receipt is not None:
        if not (context.has_chance(receipt.call) and _left_nothing(context, receipt)):
            raise ended(context, step, receipt)
        number += 1
    work["open"] = [declared(context, step, number).id]
    return _go_on(context, desk, work)


def _left_nothing(context: Context, receipt: Receipt) -> bool:
    """Whether a call that failed has changed nothing for certain: it was refused, or never sent."""
    call = context.calls[receipt.call]
    effect = context.store.effect(call.effect_id)
    return receipt.status == "failed" and (effect is None or effect.state in NOTHING)


def _open_step(context: Context, desk: Desk, work: State, index: int) -> Next:
    """Go to the next step whose `when` holds; a declared call is proposed at once, an agent gets its turn."""
    while index < len(context.workflow.steps):
        step = context.step(index)
        work.update(fresh(index))
        if step.id in context.outputs:
            index += 1
            continue
        if step.when is not None and not truth(step.when, context.scope()):
            context.skip(step)
            index += 1
            continue
        context.begin(step)
        if step.agent is not None:
            return _go(work, step.agent)
        work["open"] = [declared(context, step).id]
        return _go_on(context, desk, work)
    work["step"] = index
    desk.over = True
    return _go(work, END)
