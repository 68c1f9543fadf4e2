"""What a PostgreSQL server refuses, and what a person can do about it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from definable.errors import StoreError, StoreRefused, StoreUnreachable
from definable.store.place import Server

LOST = (psycopg.OperationalError, psycopg.InterfaceError)
"""What the driver raises when the connection is gone, or was never there."""

ADDRESS = "check that the server runs, and that its address in DEFINABLE_DATABASE is right"
LOGIN = "check user and password in DEFINABLE_DATABASE (special characters as %40 and so on)"
RIGHTS = "let this user CREATE in the database, and give it all rights on the schema definable"
CALM = "nothing that was kept is lost; when the server is there again, go on: definable runs resume ID"
FULL = "end other programs, or raise its max_connections"

UNREACHABLE = (
    (
        r"permission denied for database",
        "does not let us in",
        "let this user CONNECT to it, and CREATE in it",
    ),
    (r"no pg_hba\.conf entry", "does not let us in", "allow this machine and user in its pg_hba.conf"),
    (r"no password supplied", "asks for a password", LOGIN),
    (r"authentication failed|role .* (does not exist|is not permitted)", "does not let us in", LOGIN),
    (
        r"database .* does not exist",
        "is not there",
        "make it: createdb; or name another in DEFINABLE_DATABASE",
    ),
    (r"too many |remaining connection slots", "has no connection left", FULL),
    (r"starting up|in recovery mode|not yet accepting", "is not ready yet", "try again in a moment"),
    (r"connection is (lost|closed)|closed the connection|terminating|shutting down", "has left us", CALM),
    (r"", "cannot be reached", ADDRESS),
)
"""Words of libpq, which has no codes for these → what is so, and what to do. The first that fits."""

STATES = {
    "42501": ("may not be used like that by this user", RIGHTS),
    "55P03": ("is locked by another process", "end that process, or try again"),
    "40P01": ("is locked by another process", "try again"),
    "25006": ("can only be read", "name the primary server in DEFINABLE_DATABASE, not a copy"),
    "0A000": ("cannot do that", "name the primary server in DEFINABLE_DATABASE, not a copy"),
    "53100": ("cannot grow: its disk is full", "free some space; nothing that was kept is lost"),
    "XX001": ("is damaged", "restore a copy"),
    "XX002": ("is damaged", "restore a copy"),
    "42P01": ("lacks one of our tables", "restore a copy, or name another database"),
}
"""PostgreSQL's code → what is so, and what to do."""


@contextmanager
def explained(server: Server) -> Iterator[None]:
    """Turn every error of the driver's into a StoreError that names the database."""
    try:
        yield
    except psycopg.Error as error:
        # Not `from error`: it holds on to the connection, and with that to the password.
        raise explain(error, server) from None


def explain(error: psycopg.Error, server: Server) -> StoreError:
    """Return what a person can do about an error of the driver's. It never quotes the URL."""
    said = " ".join(str(error).split())[:400]
    code = error.sqlstate or ""
    if code in STATES:
        what, hint = STATES[code]
        return StoreError(f"the {server} {what} ({said})", hint=hint, code=code)
    if isinstance(error, LOST) and (not code or code.startswith(("08", "57P", "25P", "53", "28", "3D"))):
        what, hint = next((what, hint) for words, what, hint in UNREACHABLE if re.search(words, said))
        return StoreUnreachable(f"the {server} {what} ({said})", hint=hint)
    return StoreRefused(f"the {server} refused ({said})", code=code)
