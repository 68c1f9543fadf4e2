"""Who is told of what by webhooks, and each delivery until it arrived, in SQL (see contract.py).

A delivery is written in the transaction that changes where its run stands: none is lost, none made up.
"""

from __future__ import annotations

from definable.errors import UsageError
from definable.store.database import Database, Row
from definable.store.part import Part
from definable.store.records import as_columns, columns, dump, insert, known
from definable.store.rows import DeliveryRow, HookRow, RunRow

POST = """
INSERT INTO deliveries (id, hook, event, subject, data, at, state, tries, due, wrong)
SELECT 'msg_' || hooks.id || :tail {seq}, hooks.id, :event, :subject, :data, :at, 'pending', 0, :due, ''
FROM hooks WHERE hooks.disabled_at IS NULL AND hooks.events LIKE :wanted
ON CONFLICT (id) DO NOTHING
"""

LAST = "|| CAST((SELECT coalesce(max(seq), 0) FROM log WHERE log.run = :subject) AS TEXT)"
"""What tells one event of a run from another of the same kind."""

DUE = """
SELECT deliveries.* FROM deliveries JOIN hooks ON hooks.id = deliveries.hook
WHERE deliveries.state = 'pending' AND deliveries.due <= ? AND hooks.disabled_at IS NULL
ORDER BY deliveries.due, deliveries.id LIMIT ?
"""

WELL = "UPDATE hooks SET failing_since = NULL WHERE id = :id AND failing_since IS NOT NULL"

ILL = "UPDATE hooks SET failing_since = :now WHERE id = :id AND failing_since IS NULL"

TOLD = ("done", "failed", "limited", "cancelled")
"""Ends of runs that are told of."""

PEOPLE = ("approval", "auth", "review")
"""Waits that are told of: they end by somebody, not by themselves."""


class SqlOutbox(Part):
    """The part of a `Store` that keeps webhooks and what is to be delivered to them."""

    def subscribe(self, hook: HookRow) -> HookRow:
        """Keep a new webhook."""
        row = hook.model_copy(update={"created_at": self._now()})
        values = columns(row)
        with self._writing("hooks") as db:
            db.execute(insert("hooks", values), values)
        return row

    def hooks(self) -> list[HookRow]:
        """Return all webhooks."""
        return [_hook(row) for row in self._read("SELECT * FROM hooks ORDER BY created_at, id")]

    def change_hook(self, hook: str, **changes: object) -> HookRow:
        """Change a webhook."""
        names = ", ".join(f"{name} = :{name}" for name in changes)
        with self._writing("hooks") as db:
            query = f"UPDATE hooks SET {names} WHERE id = :id RETURNING *"  # noqa: S608 - our names
            row = db.execute(query, {**as_columns(changes), "id": hook}).fetchone()
        if row is None:
            raise UsageError(f"there is no webhook {hook!r}", hint="see /api/webhooks")
        return _hook(row)

    def unsubscribe(self, hook: str) -> None:
        """Forget a webhook."""
        with self._writing("hooks") as db:
            db.execute("DELETE FROM deliveries WHERE hook = ?", (hook,))
            db.execute("DELETE FROM hooks WHERE id = ?", (hook,))

    def batch_ended(self, batch: str, status: str) -> None:
        """Post that a batch has ended."""
        with self._writing(f"batch {batch}") as db:
            self._post(db, "batch.ended", batch, {"status": status}, f"_{batch}_{int(self.time() * 1000)}")

    def try_hook(self, hook: str, lease: float) -> DeliveryRow:
        """Make a delivery that tries a webhook, and take it."""
        row = DeliveryRow(
            id=f"msg_{hook}_test_{int(self.time() * 1000)}",
            hook=hook,
            event="webhook.test",
            at=self._now(),
            tries=1,
            due=self.time() + lease,
        )
        values = columns(row)
        with self._writing("hooks") as db:
            db.execute(insert("deliveries", values), values)
        return row

    def deliveries(self, hook: str, limit: int) -> list[DeliveryRow]:
        """Return deliveries to a webhook, the newest first."""
        rows = self._read(
            "SELECT * FROM deliveries WHERE hook = ? ORDER BY at DESC, id DESC LIMIT ?", hook, limit
        )
        return [_delivery(row) for row in rows]

    def claim(self, limit: int, lease: float) -> list[DeliveryRow]:
        """Take deliveries that are due."""
        if not self._read(DUE, self.time(), 1):
            return []
        with self._writing("deliveries", durable=False) as db:
            now = self.time()
            found = [_delivery(row) for row in db.read(DUE, (now, limit))]
            for each in found:
                query = "UPDATE deliveries SET tries = tries + 1, due = ? WHERE id = ?"
                db.execute(query, (now + lease, each.id))
        return [each.model_copy(update={"tries": each.tries + 1, "due": now + lease}) for each in found]

    def delivery_went(self, delivery: DeliveryRow) -> None:
        """Keep how a try went."""
        names = ("state", "due", "body", "code", "wrong", "ended_at")
        changes = as_columns(delivery.model_dump(mode="json", include=set(names)))
        assignments = ", ".join(f"{name} = :{name}" for name in names)
        with self._writing("deliveries", durable=False) as db:
            query = f"UPDATE deliveries SET {assignments} WHERE id = :id"  # noqa: S608 - our names
            db.execute(query, {**changes, "id": delivery.id})
            db.execute(
                WELL if delivery.state == "delivered" else ILL, {"id": delivery.hook, "now": self.time()}
            )

    def forget_deliveries(self, before: str) -> None:
        """Forget what was delivered, or given up, before a time."""
        with self._writing("deliveries", durable=False) as db:
            db.execute("DELETE FROM deliveries WHERE state <> 'pending' AND at < ?", (before,))

    def _stands(self, db: Database, before: RunRow, row: RunRow) -> None:
        """Post where a run stands now, when that is something to be told, in the transaction that says so."""
        told = row.status.value in TOLD or (row.status.value == "waiting" and row.reason in PEOPLE)
        if told and (before.status, before.reason) != (row.status, row.reason):
            data = {"status": row.status.value, "reason": row.reason}
            self._post(db, f"run.{row.status.value}", row.id, data, f"_{row.id}_{row.status.value}_", LAST)

    def _post(
        self, db: Database, event: str, subject: str, data: dict[str, str], tail: str, seq: str = ""
    ) -> None:
        values = {
            "tail": tail,
            "event": event,
            "subject": subject,
            "data": dump(data),
            "at": self._now(),
            "due": self.time(),
            "wanted": f'%"{event}"%',
        }
        db.execute(POST.format(seq=seq), values)


def _hook(row: Row) -> HookRow:
    return known(HookRow, row)


def _delivery(row: Row) -> DeliveryRow:
    return known(DeliveryRow, row)
