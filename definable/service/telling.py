"""What a conversation is told of a run, as Markdown: its progress, its questions, and what it came to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from definable.calls import Receipt
from definable.service import views
from definable.service.desk import Desk
from definable.service.views import AskView, RunView
from definable.store import Event, RunRow

SHORT = 120
"""Characters of an output that is told in one line."""

PERSONS = ("approval", "review", "auth")
"""Waits that somebody has to end."""


def progress(event: Event) -> str:
    """Return a line for a step that begins, a call that is settled or a turn that came back; else nothing."""
    data = event.data
    if event.type == "step.started" and data.get("agent"):
        return f"- **{event.step}**: {data['agent']} begins\n"
    if event.type == "step.skipped":
        return f"- **{event.step}**: skipped\n"
    if event.type == "receipt":
        return _settled(data.get("receipt", data))
    if event.type == "artifact.rejected":
        return f"- **{event.step}**: the Verifier sends it back\n"
    if event.type == "run.waiting" and data.get("reason") not in PERSONS:
        until = f" until {data['until']}" if data.get("until") else ""
        return f"- waits{until}: {data.get('what') or data.get('reason', '')}\n"
    return ""


def _settled(receipt: Mapping[str, Any]) -> str:
    text = str(receipt["status"]).replace("_", " ")
    if receipt.get("attempts", 0) > 1:
        text += f" on attempt {receipt['attempts']}"
    if heals := receipt.get("heals"):
        text += f", healed by {', '.join(dict.fromkeys(each['rule'] for each in heals))}"
    return f"- `{receipt['tool']}` {text}\n"


def standing(desk: Desk, row: RunRow, base: str = "/") -> str:
    """Return where a run stands: its questions, or what it came to with the evidence, and where to look."""
    view = views.whole(desk, row)
    link = f"[Run {row.id}]({base.rstrip('/')}{view.link})"
    if view.status == "waiting" and view.asks:
        return f"{_questions(view)}\n\n{link}"
    if not view.status.ended:
        return f"{_under_way(view)}\n\n{link}"
    parts = [_ended(view), _outputs(view.outputs or {}), evidence(desk.store.receipts(row.id))]
    if view.offline:
        parts.append(
            "_Offline models took the agents' turns: what they wrote is quoted and counted, no more._"
        )
    return "\n\n".join([*filter(None, parts), link])


def _under_way(view: RunView) -> str:
    why = f" for {view.reason}" if view.status == "waiting" else ""
    return (
        f"**{view.workflow}** is {view.status.value}{why}. Say `status` in this conversation to look again, "
        "or look at the run:"
    )


def _ended(view: RunView) -> str:
    if view.status == "done":
        return f"**{view.workflow}** is done."
    error = view.error or {}
    why = f": {error['message']}" if error.get("message") else "."
    hint = f"\n\n{error['hint']}" if error.get("hint") else ""
    left = "".join(
        f"\n- left behind by `{each.tool}` ({each.call}), {each.state.replace('_', ' ')}: {each.message}"
        for each in view.left
    )
    return f"**{view.workflow}** is {view.status.value}{why}{hint}{left}"


def _outputs(outputs: Mapping[str, Any]) -> str:
    """The long texts as they are, the rest one line each."""
    texts = {name: text(value) for name, value in outputs.items() if value is not None}
    long = [text for text in texts.values() if _long(text)]
    rows = [f"- {name}: {text}" for name, text in texts.items() if not _long(text)]
    return "\n\n".join([*long, *(["\n".join(rows)] if rows else [])])


def _long(text: str) -> bool:
    return "\n" in text or len(text) > SHORT


def text(value: Any) -> str:
    """Return a value as it stands in a sentence."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def evidence(receipts: list[Receipt]) -> str:
    """Return how it is known what was done: each write with its evidence, reads together."""
    if not receipts:
        return ""
    reads = [each for each in receipts if each.effect is None and each.status == "verified"]
    rows = [_proof(each) for each in receipts if each not in reads]
    if reads:
        healed = sum(bool(each.heals) for each in reads)
        rows.append(f"- {len(reads)} reads verified{f', {healed} of them healed' if healed else ''}")
    return "Evidence:\n\n" + "\n".join(rows)


def _proof(receipt: Receipt) -> str:
    text = f"- `{receipt.tool}` ({receipt.call}) {receipt.status.replace('_', ' ')}"
    if receipt.evidence is not None:
        text += f", evidence: {receipt.evidence.value}"
    if receipt.heals:
        text += f", healed by {', '.join(dict.fromkeys(each.rule for each in receipt.heals))}"
    return f"{text}: {receipt.message}" if receipt.status != "verified" and receipt.message else text


def _questions(view: RunView) -> str:
    told = "\n\n".join(map(_question, view.asks))
    if all(each.reason == "auth" for each in view.asks):
        return told
    call = " CALL" if len(view.asks) > 1 else ""
    return f"{told}\n\nAnswer `approve{call}` or `deny{call}: why`; nothing is sent before that."


def _question(ask: AskView) -> str:
    given = json.dumps(ask.arguments, indent=1, ensure_ascii=False)
    rows = [f"- {line}" for line in ask.diff]
    rows += [f"- candidate {each.get('id')}" for each in ask.candidates]
    rows += [f"- {word}: {what}" for word, what in (("approve", ask.yes), ("deny", ask.no)) if what]
    more = "\n\n" + "\n".join(rows) if rows else ""
    return (
        f"**{ask.call}** needs a person: {ask.question}\n\n`{ask.tool}` with\n\n```json\n{given}\n```{more}"
    )
