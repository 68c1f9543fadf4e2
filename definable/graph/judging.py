"""What the Verifier makes of an artifact: it passes, goes back with the reasons, or a person decides."""

from __future__ import annotations

from typing import Any

from definable.calls import Ask, Failure, Receipt, digest
from definable.errors import CredentialsError, DefinableError, UpstreamError
from definable.graph.context import Context
from definable.graph.state import State
from definable.spec.artifacts import SHAPES
from definable.spec.workflow import Step
from definable.verify.grounding import ground
from definable.verify.known import Read

ENDINGS = {
    Failure.NETWORK: UpstreamError,
    Failure.WRONG_HOST: UpstreamError,
    Failure.AUTH_EXPIRED: CredentialsError,
}
"""Failures of a declared call that are nobody's mistake in the workflow."""


def judge(context: Context, work: State, step: Step, key: str, artifact: dict[str, Any]) -> str | None:
    """Ground an artifact; return the next node, or None when it passed."""
    last = work["revision"] >= step.revisions
    if (reasons := context.judged.get(key)) is None:
        shape = context.agent(step).hands_in
        reasons = _reasons(context, step, artifact)
        context.log("artifact", {"shape": shape, "artifact": artifact}, step=step.id)
        if not reasons:
            context.finish(step, artifact)
            work["open"] = []
            return None
        context.judged[key] = reasons
        told = {"key": key, "reasons": reasons, "revision": work["revision"], "last": last}
        context.log("artifact.rejected", told, step=step.id)
    if last:
        work["asks"] = [_asked(context, work, step, artifact, reasons)]
        work["review"] = key
        return "approval"
    say = "This does not trace to verified results; hand it in again without what does not:\n- "
    work["history"] = [*work["history"], {"key": key, "uses": {}, "say": say + "\n- ".join(reasons)}]
    work["revision"] += 1
    return step.agent


def _reasons(context: Context, step: Step, artifact: dict[str, Any]) -> list[str]:
    receipts = [r for r in context.receipts.values() if r.status == "verified"]
    results = {r.call: {"tool": r.tool, "arguments": r.arguments, "result": r.result} for r in receipts}
    tried = [r for r in context.receipts.values() if context.calls[r.call].step == step.id]
    if tried and not results:
        raise ended(context, step, tried[0])  # handed in from nothing: not one call of this run came through
    scope = context.scope()
    links = [*context.catalog.web.values(), *(r.link for r in receipts if r.link)]
    constants = {"inputs": scope["inputs"], "run": scope["run"], "prompt": step.prompt, "links": links}
    sources = [o for s, o in context.outputs.items() if o is not None and context.is_agent(s)]
    if context.read is None or list(context.read.results) != list(results):
        context.read = Read(results)  # a receipt never changes
    handed = SHAPES[context.agent(step).hands_in].model_validate(artifact)
    return ground(handed, results, constants, sources, context.words, context.read)


def _asked(
    context: Context, work: State, step: Step, artifact: dict[str, Any], reasons: list[str]
) -> dict[str, Any]:
    """Put what does not trace before a person: the artifact as it is, and each reason."""
    often = {0: "and may not go back", 1: "after going back once"}
    revised = often.get(step.revisions, f"after going back {step.revisions} times")
    ask = Ask(
        reason="review",
        question=f"what {step.agent} handed in for step {step.id!r} does not trace to verified results, "
        f"{revised}: take it as it is?",
        tool="",
        arguments={"step": step.id, "artifact": artifact, "reasons": reasons},
        arguments_hash=digest(artifact)[:32],
    )
    # the same question again after a crash: its number comes from what is asked, not from the log's length
    number = int(digest([step.id, work["revision"], ask.arguments_hash])[:7], 16)
    return context.ask("", number, ask, step)


def reviewed(context: Context, work: State, item: dict[str, Any]) -> None:
    """Take in a person's answer: the artifact passes as it is and is marked so, or the run ends."""
    step = context.step(work["step"])
    artifact = context.turns[work["review"]]["turn"]["artifact"]
    if step.id in context.outputs:
        return
    reasons = item["arguments"]["reasons"]
    if not item["approve"] or item["arguments_hash"] != digest(artifact)[:32]:
        listed = "".join(f"\n  - {reason}" for reason in reasons)
        why = f" ({item['why']})" if item["why"] else ""
        raise DefinableError(
            f"what {step.agent} handed in for step {step.id!r} was denied by {item['by']}{why}; "
            f"it does not trace to verified results:{listed}",
            hint="allow more with `revisions`, or ask for less in the step's prompt",
            receipt="denied",
        )
    marked = {"by": item["by"], "why": item["why"], "hash": item["arguments_hash"], "reasons": reasons}
    context.log("artifact.accepted", marked, step=step.id)
    context.finish(step, artifact, accepted_by=item["by"])
    work["open"] = []


def ended(context: Context, step: Step, receipt: Receipt) -> DefinableError:
    """Return the error with which a call that did not come through ends its run."""
    ways = {"denied": "was denied", "needs_review": "needs a person to look"}
    kind = ENDINGS.get(receipt.failure, DefinableError)
    return kind(
        f"step {step.id!r}: {receipt.tool} {ways.get(receipt.status, 'failed')}: {receipt.message}",
        hint=f"what was tried: definable runs show {context.run.id}",
        receipt=receipt.status,
    )
