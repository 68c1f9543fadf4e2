"""The calls that are being settled: their flows, rebuilt from the log after a crash."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from definable.calls import Exchange, Order, Outcome, Receipt, Send, ToolCall
from definable.graph.context import Context
from definable.store import EffectRow
from definable.verify.case import Flow
from definable.verify.classify import classify
from definable.verify.flow import advance, replay


@dataclass
class _Live:
    flow: Flow[Receipt]
    played: int
    step: Order | Receipt
    sent: bool
    """Whether anything was sent for the call; a question that was answered does not count."""


@dataclass
class Desk:
    """Turns exchanges into the next order or the receipt of each open call."""

    context: Context
    live: dict[str, _Live] = field(default_factory=dict)

    def next(self, call: ToolCall) -> tuple[int, Order | Receipt]:
        """Return how many exchanges the call has, and what is to be done now, or its receipt.

        Raises ReplayError when the log does not fit today's rules.
        """
        if (known := self.context.receipts.get(call.id)) is not None:
            return -1, known
        store = self.context.store
        if (live := self.live.get(call.id)) is None:
            history = store.exchanges(call.run, call.id)
            flow, step = replay(call, self.context.catalog, history)
            sent = any(isinstance(each.order, Send) for each in history)
            live = self.live[call.id] = _Live(flow, len(history), step, sent)
        while (exchange := store.exchange(call.run, call.id, live.played)) is not None:
            live.step = advance(live.flow, exchange.reply)
            if self.context.lessons:
                self.context.lessons.noticed(exchange)
            live.played += 1
            live.sent = live.sent or isinstance(exchange.order, Send)
            self._tell(call, exchange, live.step)
        return live.played, live.step

    def begun(self, call: ToolCall) -> bool:
        """Whether anything was sent for a call that `next` has looked at."""
        return self.live[call.id].sent

    def close(self, call: ToolCall, receipt: Receipt) -> Receipt:
        """Keep the receipt, and bring the ledger to its end."""
        self.live.pop(call.id, None)
        store = self.context.store
        effect = store.effect(call.effect_id) if receipt.effect else None
        if effect is not None and effect.attempt:
            self._ledger(effect, receipt)
        kept = self.context.receipts[call.id] = store.settle(call.run, receipt)
        if self.context.lessons:
            self.context.lessons.settled(kept)
        self.context.tell()
        return kept

    def _ledger(self, row: EffectRow, receipt: Receipt) -> None:
        store = self.context.store
        if row.state in ("verified", "needs_review"):
            return
        if receipt.status == "needs_review":
            store.needs_review(row.effect, receipt.message)
        elif receipt.status == "verified" and receipt.evidence:
            if row.state != "committed":
                store.reconciled(row.effect, receipt.result)
            store.verified(row.effect, receipt.evidence, receipt.message)

    def _tell(self, call: ToolCall, exchange: Exchange, step: Order | Receipt) -> None:
        """Note for people what this reply means and what happens now."""
        if isinstance(step, Send):
            what = "wait" if step.delay else "send"
            following = f"{step.role} {step.tool}" + (f" in {step.delay:g} s" if step.delay else "")
        else:
            what = "ask" if not isinstance(step, Receipt) else step.status
            following = step.question if not isinstance(step, Receipt) else step.message
        why = step.why if isinstance(step, Send) else ""
        data: dict[str, Any] = {"n": exchange.n, "move": what, "next": following, "why": why}
        if isinstance(exchange.reply, Outcome):
            toolkit, tool = self.context.catalog[exchange.order.tool]
            data["verdict"] = classify(toolkit, tool, exchange.reply).model_dump(mode="json")
        self.context.log("verdict", data, step=call.step, call=call.id)
