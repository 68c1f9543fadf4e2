"""The calls that are being settled: their flows, rebuilt from the log after a crash."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from definable.calls import Exchange, Order, Outcome, Receipt, Send, ToolCall
from definable.graph.context import Context
from definable.store import EffectRow, State
from definable.verify.case import Flow
from definable.verify.classify import classify
from definable.verify.flow import advance, replay

CLOSED = (State.VERIFIED, State.NEEDS_REVIEW)
"""Where an effect has come to its end."""


@dataclass
class _Live:
    flow: Flow[Receipt]
    played: int
    step: Order | Receipt
    sent: bool
    """Whether anything was sent for the call; a question that was answered does not count."""
    bodies: dict[str, tuple[int, Any]] = field(default_factory=dict)
    """Role → the exchange of it that was answered last, and the body."""
    untold: Exchange | None = None
    """What led to the receipt; it is told when that is kept."""

    def answered(self, exchange: Exchange) -> None:
        """Note what an exchange brought."""
        if isinstance(exchange.order, Send):
            self.sent = True
            if isinstance(exchange.reply, Outcome) and exchange.reply.body is not None:
                self.bodies[exchange.order.role] = exchange.n, exchange.reply.body

    def source(self, result: Any) -> int | None:
        """Return the exchange whose body is `result`, word for word; None when it was put together."""
        return next((n for n, body in self.bodies.values() if body is result), None)


@dataclass
class Desk:
    """Turns exchanges into the next order or the receipt of each open call."""

    context: Context
    live: dict[str, _Live] = field(default_factory=dict)
    over: bool = False
    """Whether the last step is over: once the graph has come to rest, nothing goes on from there."""

    def next(self, call: ToolCall) -> tuple[int, Order | Receipt]:
        """Return how many exchanges the call has, and what is to be done now, or its receipt.

        Raises ReplayError when the log does not fit today's rules.
        """
        if (known := self.context.receipts.get(call.id)) is not None:
            return -1, known
        if (live := self.live.get(call.id)) is None:
            live = self.live[call.id] = self._replayed(call)
        while (exchange := self.context.exchange(call.id, live.played)) is not None:
            live.step = advance(live.flow, exchange.reply)
            if self.context.lessons:
                self.context.lessons.noticed(exchange)
            live.played += 1
            live.answered(exchange)
            if isinstance(live.step, Receipt):
                live.untold = exchange
            else:
                self._tell(call, exchange, live.step)
                self.context.tell()
        return live.played, live.step

    def _replayed(self, call: ToolCall) -> _Live:
        begun = self.context.is_answered(call.id, 0)
        history = self.context.store.exchanges(call.run, call.id) if begun else []
        flow, step = replay(call, self.context.catalog, history)
        live = _Live(flow, len(history), step, sent=False)
        for exchange in history:
            live.answered(exchange)
        return live

    def begun(self, call: ToolCall) -> bool:
        """Whether anything was sent for a call that `next` has looked at."""
        return self.live[call.id].sent

    def close(self, call: ToolCall, receipt: Receipt) -> Receipt:
        """Keep the receipt, and bring the ledger to its end, in one transaction."""
        if (kept := self.context.receipts.get(call.id)) is not None:
            return kept
        live, store = self.live.pop(call.id), self.context.store
        effect = store.effect(call.effect_id) if receipt.effect else None
        open_ = effect if effect and effect.attempt and effect.state not in CLOSED else None
        # What was found, or not found, by looking is not in the ledger yet: it must not get lost.
        durable = open_ is not None and (receipt.status != "verified" or open_.state is not State.COMMITTED)
        with store.together(call.run, *([open_.effect] if open_ else []), durable=durable):
            if live.untold is not None:
                self._tell(call, live.untold, receipt)
            if open_ is not None:
                self._ledger(open_, receipt)
            kept = self.context.receipts[call.id] = store.settle(
                call.run, receipt, live.source(receipt.result)
            )
        if self.context.lessons:
            self.context.lessons.settled(kept)
        self.context.tell()
        return kept

    def _ledger(self, row: EffectRow, receipt: Receipt) -> None:
        store = self.context.store
        if receipt.status == "needs_review":
            store.needs_review(row.effect, receipt.message)
        elif receipt.status == "verified" and receipt.evidence:
            if row.state is not State.COMMITTED:
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
        self.context.store.append(call.run, "verdict", data, step=call.step, call=call.id)
