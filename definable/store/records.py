"""Between rows of the database and the data of rows.py. JSON columns are ASCII, so any text survives them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from definable.calls import Json, Receipt
from definable.store.database import Row
from definable.store.rows import AskRow, EffectRow, Event, RunRow

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
    }
)


def dump(value: Json) -> str:
    """Return `value` as JSON text, lone surrogates escaped: a broken response is recorded as it came."""
    return json.dumps(value, separators=(",", ":"))


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


def facts(run: RunRow) -> dict[str, Any]:
    """Return the columns of a run."""
    values = run.model_dump(mode="json")
    return {k: dump(v) if k in JSON_COLUMNS and v is not None else v for k, v in values.items()}


def run_row(row: Row) -> RunRow:
    """Return the run in a row."""
    return RunRow.model_validate(load(row))


def event(row: Row) -> Event:
    """Return the event in a row."""
    return Event.model_validate(load(row))


def effect_row(row: Row) -> EffectRow:
    """Return the effect in a row."""
    return EffectRow.model_validate(load(row))


def ask_row(row: Row) -> AskRow:
    """Return the question in a row."""
    return AskRow.model_validate(load(row))


def receipt(row: Row) -> Receipt:
    """Return the receipt in a row."""
    return Receipt.model_validate(json.loads(row["receipt"]))


def stamp(moment: datetime) -> str:
    """Return a time in UTC as text, in milliseconds; such texts sort as the times do."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
