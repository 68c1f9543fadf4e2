"""What a command says of a run once it has stopped: for people, and as one JSON object."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from definable import errors
from definable.cli import receipts, reviews, words

if TYPE_CHECKING:
    from definable.calls import Receipt
    from definable.cli.screen import Screen
    from definable.engine.left import Left
    from definable.store.rows import AskRow, RunRow

CODES = {"done": 0, "failed": 1, "cancelled": 1, "waiting": 3, "queued": 3, "running": 3, "limited": 4}
"""Run status → exit code. What is still open counts as waiting."""


@dataclass(frozen=True)
class Report:
    """Everything that is said of a run."""

    run: RunRow
    receipts: Sequence[Receipt]
    spent: Mapping[str, Any]
    asks: Sequence[AskRow] = field(default=())
    offline: bool = False
    places: Mapping[str, str] = field(default_factory=dict)
    """Product → where its tools worked."""
    left: Sequence[Left] = field(default=())
    """What became of its writes, when it has not come to its end."""
    ahead: Mapping[str, Any] | None = None
    """What is known of the requests to come, while it waits for its turn or a time; an `Ahead` as JSON."""
    inside: str = ""
    """The command that serves the sandbox, so that links into it open; empty when it was the real thing."""

    @property
    def exit_code(self) -> int:
        """What the command ends with: by status, and for a failed run by what made it fail."""
        if self.run.status == "failed" and self.run.error:
            kind = getattr(errors, str(self.run.error.get("error")), None)
            if isinstance(kind, type) and issubclass(kind, errors.DefinableError):
                return max(kind.exit_code, 1)
        return CODES[self.run.status.value]

    @property
    def waiting(self) -> list[dict[str, Any]]:
        """What waits for a person, with the commands that answer."""
        return [
            {
                "call": row.call,
                "reason": row.ask.reason,
                "question": row.ask.question,
                "tool": row.ask.tool,
                "arguments": row.ask.arguments,
                "candidates": list(row.ask.candidates),
                "expires_at": row.expires_at,
                "answer_with": answers(row),
            }
            for row in self.asks
        ]

    def to_json(self, *, data: bool = False) -> dict[str, Any]:
        """Return the run as one object; results of the calls only with `data`."""
        run = self.run
        return {
            "run_id": run.id,
            "workflow": run.workflow,
            "status": run.status.value,
            "reason": run.reason or None,
            "until": run.until,
            "ahead": dict(self.ahead) if self.ahead else None,
            "inputs": run.inputs,
            "outputs": run.outputs,
            "receipts": [receipt.brief(data) for receipt in self.receipts],
            "waiting": self.waiting,
            "spent": dict(self.spent),
            "left": [each.model_dump(mode="json") for each in self.left],
            "error": run.error,
            "sandbox": bool(run.options.get("sandbox")),
            "offline": self.offline,
            "dry": bool(run.options.get("dry")),
            "places": dict(self.places),
            "created_at": run.created_at,
            "ended_at": run.ended_at,
            "pruned_at": run.pruned_at,
        }

    def show(self, screen: Screen, *, data: bool = False) -> None:
        """Write the report to stdout."""
        if screen.json:
            screen.data(self.to_json(data=data))
            return
        outputs(screen, self.run.outputs or {})
        if self.receipts:
            screen.result(f"What was done, and how it is known: {receipts.summary(self.receipts)}")
            table(screen, self.receipts)
            for note in receipts.notes(self.receipts):
                screen.result(note)
            screen.result("")
        if data:
            results(screen, self.receipts)
        for line in self.footer():
            screen.result(line)

    def footer(self) -> list[str]:
        """Return the last lines: cost, what was real and what was not, how the run ended, what to do next."""
        run = self.run
        lines = [f"Spent: {spent(self.spent)}"]
        if self.offline:
            lines.append("Models: offline. What was written was put together without a language model.")
        lines += [f"{product}: {where}" for product, where in self.places.items()]
        if self.inside:
            lines.append(f"  its links open while this runs: {self.inside}")
        if run.pruned:
            lines = ["Its log was deleted; what is kept are its outputs, its effects and their receipts."]
        lines.append(f"Run {run.id}: {self._ending()}")
        return [*lines, *left_lines(self.left), *self._next()]

    def _ending(self) -> str:
        status = self.run.status.value
        if status == "waiting":
            return words.standing(status, self.run.reason, self.run.until)
        return f"{status}: {words.because(self.run.error)}" if self.run.error else status

    def _next(self) -> list[str]:
        run = self.run
        lines = []
        if run.error and (hint := run.error.get("hint")):
            lines += [f"  {line}" for line in str(hint).splitlines()]
        for row in self.asks:
            if reviews.is_review(row.ask):
                lines += [
                    f"  {row.ask.question}",
                    *(f"    {line}" for line in reviews.lines(row.ask.arguments)),
                ]
                lines += [f"    {command}" for command in answers(row)]
                continue
            lines.append(f"  {row.call} {row.ask.tool}: {row.ask.question}")
            lines.append(f"    with {words.compact(row.ask.arguments, 400)}")
            seen = ((c.get("id"), words.compact(c.get("seen"), 200)) for c in row.ask.candidates)
            lines += [f"    candidate {name}: {what}" for name, what in seen]
            lines += [f"    {words.short(line, 200)}" for line in row.ask.diff]
            lines += [f"    {command}" for command in answers(row)]
        settled = bool((run.error or {}).get("facts", {}).get("receipt"))  # going on would end the same
        if (
            run.status in ("waiting", "running", "queued", "failed", "limited")
            and not self.asks
            and not settled
            and not run.pruned
        ):
            lines.append(f"  go on: definable runs resume {run.id}")
        if run.status in ("done", "cancelled") or settled:
            lines.append(f"  look again: definable runs show {run.id}")
        if run.status.ended and any(each.undo for each in self.left):
            lines.append(f"  take back what can be: definable runs undo {run.id}")
        return lines


LEFT = {
    "done": "done, and stays",
    "in_doubt": "in doubt",
    "going_on": "still going on there",
    "refused": "refused, by the server's word alone",
    "not_sent": "never sent",
}
"""What became of a write, in words."""


def left_lines(left: Sequence[Left]) -> list[str]:
    """Return what a run leaves behind, a line or two for each of its writes."""
    lines = ["What it leaves behind:"] if left else []
    for each in left:
        note = f": {each.message}" if each.message and each.state != "done" else ""
        lines.append(f"  {LEFT[each.state]}: {each.call} {each.tool}{note}")
        lines += [f"    {each.link}"] if each.link else []
        if each.undo is not None:
            lines.append(
                f"    taken back by {each.undo['tool']} {words.compact(each.undo['arguments'], 200)}"
            )
        elif each.why_not and each.state not in ("in_doubt", "refused"):
            lines.append(f"    cannot be taken back: {each.why_not}")
    return lines


def answers(row: AskRow) -> list[str]:
    """Return the exact commands that answer a question."""
    if row.ask.reason == "auth":
        return [f"definable runs resume {row.run}    once a key is set"]
    if reviews.is_review(row.ask):
        return reviews.commands(row.run)
    if row.ask.reason == "review":
        approve = f"definable runs approve {row.run} {row.call}"
        if row.ask.again:
            choices = {approve: row.ask.yes, f"{approve} --send-again": row.ask.again}
            choices[f"definable runs deny {row.run} {row.call}"] = row.ask.no
            return [f"{command}    {does}" for command, does in choices.items()]
        adopt = [f"{approve} --adopt {candidate.get('id')}" for candidate in row.ask.candidates]
        deny = f"definable runs deny {row.run} {row.call}"
        again = f"{approve}    {row.ask.yes or 'it did not happen: send it again'}"
        return [*adopt, again, f"{deny}    {row.ask.no}" if row.ask.no else deny]
    return [f"definable runs {word} {row.run} {row.call}" for word in ("approve", "deny")]


def spent(amounts: Mapping[str, Any]) -> str:
    """Return what was spent, in words; a price that is not known is said to be unknown."""
    parts = []
    if (calls := amounts.get("calls")) is not None:
        parts.append(words.plural(int(calls), "tool call"))
    if (tokens := amounts.get("tokens")) is not None:
        parts.append(words.plural(int(tokens), "token"))
    usd = amounts.get("usd")
    parts.append("dollars unknown" if usd is None else f"${float(usd):,.4f}".rstrip("0").rstrip("."))
    if (seconds := amounts.get("seconds")) is not None:
        parts.append(words.duration(float(seconds)))
    return ", ".join(parts)


def outputs(screen: Screen, values: Mapping[str, Any]) -> None:
    """Write a run's outputs: text with several lines as Markdown, anything else as a line."""
    for name, value in values.items():
        if isinstance(value, str) and "\n" in value:
            _markdown(screen, name, value)
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            screen.result(f"{name}: {text}")
    if values:
        screen.result("")


def _markdown(screen: Screen, name: str, text: str) -> None:
    screen.result(f"{name}:")
    screen.result("")
    if screen.rich:
        from rich.markdown import Markdown

        from definable.cli.screen import harmless

        screen.console().print(Markdown(harmless(text)))
    else:
        screen.result(text.rstrip("\n"))
    screen.result("")


def table(screen: Screen, rows: Sequence[Receipt]) -> None:
    """Write the table of receipts."""
    if screen.rich:
        screen.console().print(receipts.table(rows))
        return
    for line in receipts.plain(rows):
        screen.result(line)


def results(screen: Screen, rows: Sequence[Receipt]) -> None:
    """Write the verified result of each call."""
    for receipt in rows:
        screen.result(f"{receipt.call} {receipt.tool}:")
        screen.result(json.dumps(receipt.result, ensure_ascii=False, indent=2))
        screen.result("")
