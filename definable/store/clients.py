"""The keys of the service, in SQL (see contract.py)."""

from __future__ import annotations

from definable.errors import UsageError
from definable.store.batches import SqlBatches
from definable.store.orders import SqlOrders
from definable.store.outbox import SqlOutbox
from definable.store.records import columns, insert, known
from definable.store.rows import ClientRow
from definable.store.search import SqlSearch
from definable.store.threads import SqlThreads
from definable.store.turns import SqlTurns

LIVE = "SELECT * FROM clients WHERE revoked_at IS NULL"


class SqlClients(SqlSearch, SqlBatches, SqlThreads, SqlTurns, SqlOrders, SqlOutbox):
    """The part of a `Store` that the service asks for: who may use it, what there is, and what was said."""

    def grant(self, client: ClientRow) -> ClientRow:
        """Keep a new key."""
        row = client.model_copy(update={"created_at": self._now()})
        with self._writing("clients") as db:
            if db.execute(f"{LIVE} AND name = ?", (row.name,)).fetchone():
                raise UsageError(
                    f"there is a key named {row.name!r} already", hint="give another name, or revoke that one"
                )
            values = columns(row)
            db.execute(insert("clients", values), values)
        return row

    def clients(self) -> list[ClientRow]:
        """Return the keys that are good."""
        return [known(ClientRow, row) for row in self._read(f"{LIVE} ORDER BY created_at, id")]

    def revoke(self, client: str) -> ClientRow:
        """Take a key back."""
        with self._writing("clients") as db:
            found = db.execute(f"{LIVE} AND (id = ? OR name = ?)", (client, client)).fetchone()
            if found is None:
                names = ", ".join(each.name for each in self.clients()) or "none"
                raise UsageError(f"there is no key {client!r}", hint=f"there are: {names}")
            row = known(ClientRow, found).model_copy(update={"revoked_at": self._now()})
            db.execute("UPDATE clients SET revoked_at = ? WHERE id = ?", (row.revoked_at, row.id))
        return row
