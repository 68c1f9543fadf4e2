"""The ledger of effects, in SQL (see contract.py and ledger.py)."""

from __future__ import annotations

from definable.calls import Exchange, Json, Outcome, Phase, Send
from definable.errors import LedgerError
from definable.spec.model import Evidence
from definable.store import ledger
from definable.store.ledger import OUTCOMES, State, Verb
from definable.store.part import Part
from definable.store.records import as_columns, columns, effect_row, insert
from definable.store.rows import EffectRow


class SqlEffects(Part):
    """The part of a `Store` that is the ledger."""

    _joined: bool
    _seen: dict[str, EffectRow]

    def intend(
        self,
        effect: str,
        run: str,
        call: str,
        tool: str,
        arguments: dict[str, Json],
        attempt: int | None = None,
    ) -> EffectRow:
        """Put the intent to send on disk."""
        with self._writing(effect, durable=False):
            if (row := self.effect(effect)) is None:
                return self._intended(effect, run, call, tool, arguments)
            if attempt is not None:
                ledger.fence(effect, row.attempt, attempt)
            return self._step(row, Verb.INTEND, sending=arguments)

    def sent(self, effect: str, attempt: int) -> EffectRow:
        """Let one attempt out."""
        with self._writing(effect):
            row = self._effect(effect)
            if row.state is State.INTENDED:
                ledger.fence(effect, row.attempt, attempt)
            return self._step(row, Verb.SEND, attempt=attempt)

    def outcome(self, effect: str, phase: Phase) -> EffectRow:
        """Take in how far an attempt got."""
        with self._writing(effect):
            return self._step(self._effect(effect), OUTCOMES[phase])

    def reconciled(self, effect: str, adopted: Json = None) -> EffectRow:
        """Take in that the effect was found."""
        with self._writing(effect):
            return self._step(self._effect(effect), Verb.RECONCILE, adopted=adopted)

    def needs_review(self, effect: str, note: str) -> EffectRow:
        """Leave the effect to a person."""
        with self._writing(effect):
            return self._step(self._effect(effect), Verb.REVIEW, note=note)

    def verified(self, effect: str, evidence: Evidence, note: str = "") -> EffectRow:
        """Close the effect."""
        with self._writing(effect, durable=False):
            return self._step(self._effect(effect), Verb.VERIFY, evidence=evidence, note=note)

    def effect(self, effect: str) -> EffectRow | None:
        """Return an effect."""
        if effect not in self._seen:
            found = self._read("SELECT * FROM effects WHERE effect = ?", effect)
            return effect_row(found[0]) if found else None
        return self._seen[effect]

    def effects(self, run: str) -> list[EffectRow]:
        """Return the effects of a run."""
        return [
            effect_row(row) for row in self._read("SELECT * FROM effects WHERE run = ? ORDER BY rowid", run)
        ]

    # Inside a transaction

    def _intended(self, effect: str, run: str, call: str, tool: str, arguments: dict[str, Json]) -> EffectRow:
        at = self._now()
        row = EffectRow(
            effect=effect,
            run=run,
            call=call,
            tool=tool,
            arguments=arguments,
            sending=arguments,
            state=State.INTENDED,
            created_at=at,
            at=at,
        )
        values = columns(row)
        self._db.execute(insert("effects", values), values)
        return self._saw(row)

    def _conclude(self, exchange: Exchange) -> None:
        order, reply = exchange.order, exchange.reply
        if not (isinstance(order, Send) and order.effect and isinstance(reply, Outcome)):
            return
        row = self.effect(order.effect)
        if row and row.state is State.SENT and row.attempt == order.attempt:
            self._step(row, OUTCOMES[reply.phase])

    def _effect(self, effect: str) -> EffectRow:
        if row := self.effect(effect):
            return row
        raise LedgerError(
            f"effect {effect!r} was never intended",
            hint="its intent must be on disk before it is sent",
            effect=effect,
        )

    def _step(self, row: EffectRow, verb: Verb, **changes: object) -> EffectRow:
        changes |= {"state": ledger.move(row.effect, row.state, verb), "at": self._now()}
        names = ", ".join(f"{name} = :{name}" for name in changes)
        values = {**as_columns(changes), "effect": row.effect}
        self._db.execute(f"UPDATE effects SET {names} WHERE effect = :effect", values)  # noqa: S608 - our names
        return self._saw(row.model_copy(update=changes))

    def _saw(self, row: EffectRow) -> EffectRow:
        if self._joined:
            self._seen[row.effect] = row
        return row
