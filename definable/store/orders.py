"""What was ordered of batches over HTTP, in SQL (see contract.py)."""

from __future__ import annotations

from collections.abc import Sequence

from definable.calls import Json
from definable.errors import UsageError
from definable.store.database import Row
from definable.store.part import Part
from definable.store.records import columns, dump, insert, known
from definable.store.rows import BatchRow, OrderRow, OrderState


class SqlOrders(Part):
    """The part of a `Store` that keeps orders of batches."""

    def place_order(self, order: OrderRow, batch: BatchRow) -> OrderRow:
        """Keep a new order with its batch, or return the one of its key."""
        with self._writing("orders") as db:
            if order.key and (found := db.read("SELECT * FROM orders WHERE key = ?", (order.key,))):
                return _same(_row(found[0]), order)
            if db.read("SELECT 1 FROM batches WHERE id = ?", (order.batch,)):
                raise UsageError(
                    f"there is a batch {order.batch!r} already", hint="resume that one, or give another name"
                )
            made = batch.model_copy(update={"created_at": batch.created_at or self._now()})
            for table, values in (("batches", columns(made)), ("orders", columns(order))):
                db.execute(insert(table, values), values)
        return order

    def orders(self, *states: OrderState) -> dict[str, OrderRow]:
        """Return orders, by their batches."""
        marks = ", ".join("?" * len(states))
        where = f"WHERE state IN ({marks})" if states else ""
        return {row["batch"]: _row(row) for row in self._read(f"SELECT * FROM orders {where}", *states)}  # noqa: S608

    def ordered(self, batch: str = "", *, key: str = "") -> OrderRow | None:
        """Return the order of a batch, or of a key."""
        found = self._read("SELECT * FROM orders WHERE batch = ? OR key = ?", batch, key or None)
        return _row(found[0]) if found else None

    def move_order(
        self,
        batch: str,
        known: Sequence[OrderState],
        state: OrderState,
        why: str = "",
        terms: dict[str, Json] | None = None,
    ) -> bool:
        """Change where an order stands."""
        marks = ", ".join("?" * len(known))
        changes = "state = ?, why = ?, terms = coalesce(?, terms)"
        values = (state, why, None if terms is None else dump(terms), batch, *known)
        with self._writing("orders") as db:
            query = f"UPDATE orders SET {changes} WHERE batch = ? AND state IN ({marks})"  # noqa: S608
            return bool(db.execute(query, values).rowcount)

    def note_progress(self, batch: str, progress: dict[str, Json]) -> OrderState | None:
        """Keep how far a batch is."""
        query = "UPDATE orders SET progress = ? WHERE batch = ? RETURNING state"
        with self._writing(f"batch {batch}", durable=False) as db:
            row = db.execute(query, (dump(progress), batch)).fetchone()
        state: OrderState | None = row["state"] if row else None
        return state


def _row(row: Row) -> OrderRow:
    return known(OrderRow, row)


def _same(kept: OrderRow, order: OrderRow) -> OrderRow:
    if kept.mark != order.mark:
        raise UsageError(
            f"the key {kept.key!r} belongs to the batch {kept.batch!r}, of other items or another workflow",
            hint="give each batch a key of its own",
        )
    return kept
