"""Between rows of the database and the data of rows.py. JSON columns hold any text, broken ones escaped."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic_core import PydanticSerializationError

from definable.calls import Fact, Json, Receipt
from definable.store.database import Row
from definable.store.rows import AskRow, EffectRow, Event, RunRow

Kind = TypeVar("Kind", bound=Fact)

JSON_COLUMNS = frozenset(
    {
        "definition",
        "inputs",
        "outputs",
        "error",
        "options",
        "data",
        "arguments",
        "sending",
        "adopted",
        "ask",
        "decision",
        "missing",
        "asks",
        "terms",
        "progress",
        "events",
    }
)


_ENCODER = json.JSONEncoder(separators=(",", ":"))


def dump(value: Json) -> str:
    """Return `value` as JSON text, lone surrogates escaped: a broken response is recorded as it came."""
    return _ENCODER.encode(value)


def insert(table: str, values: Mapping[str, object]) -> str:
    """Return the statement that puts a row into a table; its columns are the names in `values`."""
    marks = ", ".join(f":{name}" for name in values)
    return f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})"  # noqa: S608 - our names


def load(row: Row) -> dict[str, Any]:
    """Return a row as a dict, its JSON columns parsed."""
    return {
        name: json.loads(row[name]) if name in JSON_COLUMNS and row[name] is not None else row[name]
        for name in row.keys()  # noqa: SIM118 - SQLite's rows iterate over their values
        if name != "rowid"
    }


def whole(fact: Fact, without: str | None = None) -> str:
    """Return all of a fact as JSON text, but for one name; a broken response as it came, like `dump`."""
    exclude = {without} if without else None
    try:
        return fact.model_dump_json(by_alias=True, exclude=exclude)
    except PydanticSerializationError:  # a lone surrogate is no UTF-8
        return dump(fact.model_dump(mode="json", by_alias=True, exclude=exclude))


ELSEWHERE = {"worker"}
"""Fields of a row that stand in another table."""


def columns(row: Fact) -> dict[str, Any]:
    """Return the columns of a row."""
    return as_columns(row.model_dump(mode="json", exclude=ELSEWHERE))


def as_columns(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as they stand in columns: what is JSON as text."""
    return {k: dump(v) if k in JSON_COLUMNS and not _absent(k, v) else v for k, v in values.items()}


def _absent(name: str, value: Any) -> bool:
    return value is None and name != "adopted"


def known(kind: type[Kind], row: Row) -> Kind:
    """Return what is in a row, without columns that only queries know, or a newer version beside this one."""
    fields = kind.model_fields
    return kind.model_validate({name: value for name, value in load(row).items() if name in fields})


def run_row(row: Row) -> RunRow:
    """Return the run in a row."""
    return known(RunRow, row)


def event(row: Row) -> Event:
    """Return the event in a row."""
    return known(Event, row)


def effect_row(row: Row) -> EffectRow:
    """Return the effect in a row."""
    return known(EffectRow, row)


def ask_row(row: Row) -> AskRow:
    """Return the question in a row."""
    return known(AskRow, row)


RECEIPTS = (
    "SELECT receipts.receipt, log.data AS exchange FROM receipts "
    "LEFT JOIN exchanges ON exchanges.run = receipts.run AND exchanges.call = receipts.call "
    "AND exchanges.n = receipts.n LEFT JOIN log ON log.run = exchanges.run AND log.seq = exchanges.seq "
    "WHERE receipts.run = ?"
)
"""The receipts of a run, each with the exchange that has its result, when it is not in the receipt."""


def receipt(row: Row) -> Receipt:
    """Return the receipt in a row, with its result from the exchange that has it."""
    found = json.loads(row["receipt"])
    if row["exchange"] is not None:
        found["result"] = json.loads(row["exchange"])["reply"]["body"]
    return Receipt.model_validate(found)


def stamp(moment: datetime) -> str:
    """Return a time in UTC as text, in milliseconds; such texts sort as the times do."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


RECENT = "SELECT id FROM runs ORDER BY created_at DESC LIMIT 200"


def nearby(run: str, recent: Iterable[Row]) -> str:
    """Return what was probably meant by the id of no run."""
    if close := get_close_matches(run, [row["id"] for row in recent], n=3):
        return f"did you mean {', '.join(close)}? `definable runs list` shows all"
    return "`definable runs list` shows all"
