"""Tells a run from its log, one line per thing worth saying. Pure: the same live and years later."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from definable.cli import ahead, words
from definable.cli.trouble import ORDER, trouble

if TYPE_CHECKING:
    from definable.store.rows import Event

Tone = Literal["plain", "good", "trouble", "bad", "ask"]


class Line(NamedTuple):
    """One line: which step it is about, what happened, and how it feels."""

    step: str
    text: str
    tone: Tone = "plain"


class Narrator:
    """Turns events, in order, into lines. It remembers what things are called and which call spoke last."""

    def __init__(self, names: Mapping[str, str] | None = None) -> None:
        """Start with nothing said; `names` are names of ids that are known already."""
        self.names = dict(names or {})
        self._calls: dict[str, Mapping[str, Any]] = {}
        self._exchanges: dict[str, Mapping[str, Any]] = {}
        self._models: dict[str, list[Mapping[str, Any]]] = {}
        self._polled: set[str] = set()
        self._speaking: str | None = None
        self._reviewed = ""
        self._tell: dict[str, Callable[[Event], list[Line]]] = {
            "run.started": self._run_started,
            "run.ahead": self._ahead,
            "run.resumed": self._resumed,
            "step.started": self._step_started,
            "step.skipped": self._step_skipped,
            "step.done": self._step_done,
            "model.called": self._model_called,
            "call.proposed": self._proposed,
            "exchange": self._exchange,
            "quota.waits": self._quota,
            "breaker.waits": self._breaker,
            "place.waits": self._place,
            "breaker.opened": self._breaker,
            "verdict": self._verdict,
            "receipt": self._receipt,
            "artifact": self._artifact,
            "artifact.rejected": self._rejected,
            "artifact.accepted": self._accepted,
            "ask": self._ask,
            "decision": self._decision,
            "run.waiting": self._waiting,
            "key.awaited": self._awaited,
            "key.expires": self._expires,
            "run.done": lambda event: [Line("", "done", "good")],
            "run.failed": self._ended_badly("failed"),
            "run.limited": self._ended_badly("stopped at a limit"),
            "run.cancelled": lambda event: [Line("", "cancelled", "bad")],
        }

    def __call__(self, event: Event) -> list[Line]:
        """Return the lines for one event; none for what is not worth a line, or not known."""
        tell = self._tell.get(event.type)
        return tell(event) if tell else []

    def _run_started(self, event: Event) -> list[Line]:
        lines = [Line("", f"{event.data['workflow']}: run {event.run} started")]
        if inputs := event.data.get("inputs"):
            shown = ", ".join(f"{key}={words.compact(value)}" for key, value in inputs.items())
            lines.append(Line("", f"  with {shown}"))
        return lines

    def _ahead(self, event: Event) -> list[Line]:
        tone: Tone = "trouble" if ahead.late(event.data) else "plain"
        return [Line("", f"  {text}", tone) for text in ahead.lines(event.data)]

    def _resumed(self, event: Event) -> list[Line]:
        self._speaking = None
        reason = event.data.get("reason")
        return [Line("", f"goes on{f' (it had stopped for: {reason})' if reason else ''}")]

    def _step_started(self, event: Event) -> list[Line]:
        self._speaking = None
        agent = event.data.get("agent")
        return [Line(event.step or "", f"{agent} starts")] if agent else []

    def _step_skipped(self, event: Event) -> list[Line]:
        return [Line(event.step or "", f"skipped, since this does not hold: {event.data.get('when', '')}")]

    def _model_called(self, event: Event) -> list[Line]:
        self._models.setdefault(event.step or "", []).append(event.data)
        return []

    def _step_done(self, event: Event) -> list[Line]:
        calls = self._models.pop(event.step or "", [])
        if not calls:
            return []
        tokens = sum((c.get("input_tokens") or 0) + (c.get("output_tokens") or 0) for c in calls)
        names = ", ".join(sorted({str(c.get("model", "")) for c in calls}))
        text = f"done ({words.plural(len(calls), 'turn')} of {names}, {tokens:,} tokens)"
        return [Line(event.step or "", text)]

    def _proposed(self, event: Event) -> list[Line]:
        call = event.data.get("call", event.data)
        call = call if isinstance(call, Mapping) else event.data
        self._calls[event.call or call["id"]] = call
        return []

    def _exchange(self, event: Event) -> list[Line]:
        exchange = event.data.get("exchange", event.data)
        self._exchanges[event.call or ""] = exchange
        words.learn(exchange.get("reply", {}).get("body"), self.names)
        return []

    def _verdict(self, event: Event) -> list[Line]:
        if event.call is None:
            return [Line(event.step or "", f"  {event.data.get('next', '')}", "trouble")]
        text = trouble(event.data, self._exchanges.get(event.call or "", {}))
        if text:
            return [*self._about(event), Line(self._where(event), f"  {text}", "trouble")]
        order = ORDER.match(str(event.data.get("next", "")))
        if order is None or order[1] != "poll" or event.call in self._polled:
            return []
        self._polled.add(event.call)
        said = f"  accepted and under way; asks {order[2]} until it has ended"
        return [*self._about(event), Line(self._where(event), said)]

    def _quota(self, event: Event) -> list[Line]:
        data = event.data
        text = (
            f"  waits about {words.duration(data['seconds'])} for its turn: quota {data['bucket']} is used up"
        )
        return [*self._about(event), Line(self._where(event), text)]

    def _place(self, event: Event) -> list[Line]:
        text = f"  waits until run {event.data['run']} knows what it wrote in the same place"
        return [*self._about(event), Line(self._where(event), text)]

    def _breaker(self, event: Event) -> list[Line]:
        gate, seconds = event.data["gate"], words.duration(event.data["seconds"])
        if event.type == "breaker.opened":
            text = f"  most of the last {gate} failed: no more are sent for {seconds}, then one tries"
            return [*self._about(event), Line(self._where(event), text, "trouble")]
        text = f"  waits {seconds}: most of the last {gate} failed, and one has to get through first"
        return [*self._about(event), Line(self._where(event), text)]

    def _receipt(self, event: Event) -> list[Line]:
        receipt = event.data.get("receipt", event.data)
        quiet = self._speaking != event.call
        status, healed = receipt["status"], words.heals(receipt)
        tone: Tone = "good" if status == "verified" else "bad"
        text = status.replace("_", " ")
        if receipt.get("attempts", 0) > 1:
            text += f" on attempt {receipt['attempts']}"
        elif status == "verified" and not receipt.get("attempts", 1):
            text += " with nothing sent"
        if said := self._why(receipt):
            text += f": {said}"
        where = self._where(event)
        lines = [Line(where, f"{self._head(event)} → {text}" if quiet else f"  → {text}", tone)]
        lines += [Line(where, f"    healed: {heal}", "good") for heal in healed]
        if receipt.get("link") and receipt.get("effect"):
            lines.append(Line(where, f"    {receipt['link']}"))
        self._speaking = None
        return lines

    def _why(self, receipt: Mapping[str, Any]) -> str:
        if receipt["status"] != "verified":
            # The server's own words; advice and trace ids are in the receipt and in the run's error.
            said = str(receipt.get("message") or "").partition("; ")[0]
            return words.short(said or words.failure(receipt.get("failure", "")), 300)
        if not receipt.get("effect"):
            return ""
        return words.CHECKED.get(receipt.get("evidence") or "", "")

    def _artifact(self, event: Event) -> list[Line]:
        artifact = event.data.get("artifact") or {}
        shape = str(event.data.get("shape", "artifact"))
        points = artifact.get("points")
        what = artifact.get("title") or artifact.get("caption") or artifact.get("explanation") or ""
        text = f"hands in {shape}{f' “{words.short(what, 60)}”' if what else ''}"
        if isinstance(points, list):
            text += f", {words.plural(len(points), 'point')}"
        return [Line(event.step or "", text)]

    def _rejected(self, event: Event) -> list[Line]:
        where, reasons = event.step or "", event.data.get("reasons") or []
        said = "the Verifier sends it back: not all of it can be traced to a receipt"
        if event.data.get("last"):
            said = "not all of it can be traced to a receipt, and it has gone back as often as it may"
        head = Line(where, said, "trouble")
        return [head, *(Line(where, f"  - {words.short(str(r), 200)}", "trouble") for r in reasons)]

    def _accepted(self, event: Event) -> list[Line]:
        said = f"taken as it is by {event.data['by']}, though not all of it traces"
        return [Line(event.step or "", said, "ask")]

    def _ask(self, event: Event) -> list[Line]:
        ask = event.data.get("ask", event.data)
        if "artifact" in (ask.get("arguments") or {}):
            self._reviewed = str(ask["arguments"]["step"])
            return [Line(self._reviewed, f"  a person must decide: {ask['question']}", "ask")]
        where = self._where(event)
        who = "it waits for a key" if ask.get("reason") == "auth" else "a person must decide"
        lines = [*self._about(event), Line(where, f"  {who}: {ask['question']}", "ask")]
        named = (f"    candidate {candidate.get('id')}" for candidate in ask.get("candidates") or ())
        return [*lines, *(Line(where, text, "ask") for text in named)]

    def _decision(self, event: Event) -> list[Line]:
        decision = event.data.get("decision", event.data)
        answer = "approved" if decision["approve"] else "denied"
        why = f": {decision['reason']}" if decision.get("reason") else ""
        tone: Tone = "good" if decision["approve"] else "bad"
        if not event.call and self._reviewed:
            return [Line(self._reviewed, f"  {answer} by {decision['by']}{why}", tone)]
        return [*self._about(event), Line(self._where(event), f"  {answer} by {decision['by']}{why}", tone)]

    def _waiting(self, event: Event) -> list[Line]:
        data = event.data
        if "until" not in data:
            return [Line("", f"waiting: {data.get('reason', '')}", "ask")]
        left = words.duration(float(data.get("seconds", 0.0)))
        text = f"parked for {left}, until {words.clock(data['until'])}: {data.get('what', '')}"
        more = ahead.parked(data["ahead"], float(data["seconds"])) if data.get("ahead") else []
        return [Line("", line, "trouble") for line in (text, *more)]

    def _awaited(self, event: Event) -> list[Line]:
        sources = event.data.get("sources") or {}
        return [
            Line(
                "",
                "goes on by itself when there is a key; ctrl-C ends the wait and keeps the run",
                "ask",
            ),
            *(Line("", f"  {name}: {state}", "ask") for name, state in sources.items()),
        ]

    def _expires(self, event: Event) -> list[Line]:
        data = event.data
        return [Line("", f"{data['source']} {words.lasts(data['seconds'], soon=True)}", "trouble")]

    def _ended_badly(self, word: str) -> Callable[[Event], list[Line]]:
        return lambda event: [Line("", f"{word}: {words.because(event.data.get('error'))}", "bad")]

    def _where(self, event: Event) -> str:
        """The step of an event; what the store logs itself has only the call."""
        call = event.call or ""
        known = self._calls.get(call, {}).get("step")
        return event.step or str(known or call.rpartition(".")[0])

    def _head(self, event: Event) -> str:
        call = self._calls.get(event.call or "", {})
        receipt = event.data.get("receipt", event.data)
        tool = call.get("tool") or receipt.get("tool") or event.call or "call"
        about = words.subject(call.get("arguments") or {}, self.names)
        return f"{tool} ({about})" if about else str(tool)

    def _about(self, event: Event) -> list[Line]:
        """The line that says which call is spoken of, unless it is still the same one."""
        if self._speaking == event.call:
            return []
        self._speaking = event.call
        return [Line(self._where(event), self._head(event))]


class Page:
    """Lays lines out as text: the step's name in front, once for as long as it stays the same."""

    def __init__(self, width: int = 12) -> None:
        """Keep the width of the column with the steps' names."""
        self.width = width
        self._last: str | None = None

    def indent(self, line: Line) -> int:
        """Return the column at which a line's text begins."""
        inner = len(line.text) - len(line.text.lstrip())
        return (self.width + 1 if line.step else 0) + inner

    def __call__(self, line: Line) -> str:
        """Return the line as text."""
        shown = line.step if line.step != self._last else ""
        self._last = line.step
        if not line.step:
            return line.text
        return f"{shown:<{self.width}} {line.text}".rstrip()
