"""Where a store is: a SQLite file, or a PostgreSQL database by its URL."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from definable.errors import UsageError

FILE = "definable.db"
"""The store's file in the folder for state, unless a server has the store; the checkpoints are in it too."""

HOSTS = re.compile(
    r"(?:[\w.%-]*|\[[\da-fA-F:.]+\])(?::\d{1,5})?(?:,(?:[\w.%-]*|\[[\da-fA-F:.]+\])(?::\d{1,5})?)*"
)


@dataclass(frozen=True, slots=True)
class Server:
    """A PostgreSQL database. Its text is the host and the database; the URL may hold a password."""

    url: str = field(repr=False)
    shown: str

    def __str__(self) -> str:
        return self.shown


Place = Path | Server


def place(home: Path, database: str | None = None) -> Place:
    """Return where the store is: at the URL `database`, else in a file in `home`.

    UsageError for a URL that is not understood; a password in it is not shown.
    """
    return home / FILE if database is None else Server(database, _shown(database))


def _shown(url: str) -> str:
    parts = urlsplit(url)
    hosts = parts.netloc.rpartition("@")[2]
    if not HOSTS.fullmatch(hosts) or "@" in parts.path or parts.fragment:
        raise UsageError(
            "DEFINABLE_DATABASE is a URL that cannot be read",
            hint="write postgresql://USER:PASSWORD@HOST:PORT/DATABASE, and / as %2F, @ as %40, # as %23",
        )
    given = parse_qs(parts.query)
    host = hosts or given.get("host", ["localhost"])[0]
    name = unquote(parts.path.lstrip("/")) or given.get("dbname", ["its default"])[0]
    return f"PostgreSQL database {name} on {host}"
