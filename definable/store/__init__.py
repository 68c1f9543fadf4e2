"""What outlives a process: runs, the run log, receipts, the effect ledger, questions to people."""

from __future__ import annotations

from definable.errors import UsageError
from definable.store.connection import Sqlite
from definable.store.contract import Store
from definable.store.database import Database
from definable.store.ledger import State
from definable.store.place import Place, Server, place
from definable.store.rows import (
    AskRow,
    BatchRow,
    ClientRow,
    DeliveryRow,
    EffectRow,
    Event,
    HookRow,
    MessageRow,
    OrderRow,
    OrderState,
    Reservation,
    RunRow,
    RunStatus,
    Standing,
    Tallied,
    TallyRow,
    ThreadRow,
    TriggerRow,
    TurnRow,
    WorkerRow,
)
from definable.store.sql import Clock, SqlStore

__all__ = [
    "AskRow",
    "BatchRow",
    "ClientRow",
    "Clock",
    "DeliveryRow",
    "EffectRow",
    "Event",
    "HookRow",
    "MessageRow",
    "OrderRow",
    "OrderState",
    "Place",
    "Reservation",
    "RunRow",
    "RunStatus",
    "Server",
    "Standing",
    "State",
    "Store",
    "Tallied",
    "TallyRow",
    "ThreadRow",
    "TriggerRow",
    "TurnRow",
    "WorkerRow",
    "open_store",
    "place",
]


def open_store(where: Place, clock: Clock | None = None) -> Store:
    """Open the store in a file or on a server, and make its tables when they are not there.

    `clock` gives the times that are written down: by default the clock that all who share the store go by.
    StoreError, with the place and what to do, when the database is damaged, not ours, of a newer version,
    cannot be reached, or does not let us in.
    """
    return SqlStore(_server(where) if isinstance(where, Server) else Sqlite(where), clock)


def _server(where: Server) -> Database:
    try:
        from definable.store.postgres import Postgres
    except ImportError as error:
        raise UsageError(
            f"the driver for the {where} is not installed ({error})",
            hint="pip install 'definable-workflows[postgres]'",
        ) from error
    return Postgres(where)
