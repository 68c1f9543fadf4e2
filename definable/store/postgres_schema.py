"""The tables of schema.py on PostgreSQL, in a schema of their own, with their version in it."""

from __future__ import annotations

import re
from typing import Any

import psycopg

from definable.errors import StoreError
from definable.store.place import Server
from definable.store.schema import missing

SCHEMA = "definable"
"""The schema in the database that is ours alone; LangGraph's checkpoints are in it too."""

ELSEWHERE = "name another database in DEFINABLE_DATABASE"

KEY = 0x44464E42
"""The lock of whoever makes the tables: `DFNB`."""

COUNTERPARTS = (
    (r"\bINTEGER PRIMARY KEY AUTOINCREMENT\b", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"),
    (r"\bINTEGER\b", "BIGINT"),
    (r"\bREAL\b", "DOUBLE PRECISION"),
)
"""What SQLite calls it → what it is called here."""

Connection = psycopg.Connection[dict[str, Any]]


def migrate(db: Connection, server: Server) -> None:
    """Bring the tables up to date, in one transaction; whoever comes second finds it done.

    StoreError for a schema of a newer Definable, or of another program.
    """
    if not missing(_version(db, server), str(server), ELSEWHERE):
        return
    with db.transaction():
        db.execute(f"SELECT pg_advisory_xact_lock({KEY})".encode())
        version = _version(db, server)
        statements = missing(version, str(server), ELSEWHERE)
        db.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}".encode())
        db.execute("CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL)")
        for migration in statements:
            for statement in migration:
                db.execute(here(statement).encode())
        db.execute("DELETE FROM schema_version")
        db.execute("INSERT INTO schema_version VALUES (%s)", (version + len(statements),))


def here(statement: str) -> str:
    """Return a statement of schema.py in PostgreSQL's words; tables with a `rowid` get one."""
    bare = statement.removesuffix(" WITHOUT ROWID")
    if statement.startswith("CREATE TABLE") and bare == statement and "AUTOINCREMENT" not in statement:
        bare = f"{statement.rstrip().removesuffix(')')}, rowid INTEGER GENERATED ALWAYS AS IDENTITY)"
    for theirs, ours in COUNTERPARTS:
        bare = re.sub(theirs, ours, bare)
    return bare


def _version(db: Connection, server: Server) -> int:
    if encoding := _foreign_encoding(db):
        raise StoreError(f"the {server} is encoded in {encoding}", hint="make one that is encoded in UTF8")
    found = db.execute(
        "SELECT relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace "
        "WHERE nspname = %s AND relkind IN ('r', 'v', 'm', 'p', 'f')",
        (SCHEMA,),
    ).fetchall()
    if not found:
        return 0
    if "schema_version" not in {row["relname"] for row in found}:
        raise StoreError(f"the schema {SCHEMA} in the {server} belongs to another program", hint=ELSEWHERE)
    row = db.execute("SELECT version FROM schema_version").fetchone()
    return int(row["version"]) if row else 0


def _foreign_encoding(db: Connection) -> str:
    encoding = db.info.parameter_status("server_encoding") or ""
    return "" if encoding == "UTF8" else encoding
