"""The PostgreSQL store: the contract, and what only a server can go wrong with."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from definable.calls import Receipt
from definable.errors import StoreError, StoreUnreachable, UsageError
from definable.store import Store, open_store, schema
from definable.store.postgres import Postgres
from definable.store.schema import MIGRATIONS
from definable.store.sql import SqlStore
from tests.integration.service_contract import ServiceContract
from tests.integration.store_contract import a_run
from tests.postgres import ESCAPED, PASSWORD, PostgresServer, place_of


class TestPostgresStore(ServiceContract):
    """The contract, on a server."""

    @pytest.fixture(autouse=True)
    def _database(self, postgres: PostgresServer) -> None:
        url = postgres.database()

        def make(clock: Callable[[], datetime]) -> Store:
            return open_store(place_of(url), clock)

        self.make = make


def test_our_clock_is_the_servers(postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose clock is an hour behind counts quotas by the same time as all others."""
    with open_store(place_of(postgres.database())) as store:
        right = time.time()
        with monkeypatch.context() as wrong:
            wrong.setattr(time, "time", lambda: right - 3600)
            assert store.time() == pytest.approx(right, abs=2)
            assert (
                store.create_run(a_run()).created_at[:13]
                == f"{datetime.fromtimestamp(right, UTC):%Y-%m-%dT%H}"
            )
        assert store.time() <= store.time()


def test_only_what_the_outside_may_know_of_waits_for_the_disk(postgres: PostgresServer) -> None:
    """As in the file: see test_sqlite_store.py; a server's own setting is only ever made stricter."""
    db = Postgres(place_of(postgres.database()))  # type: ignore[arg-type]
    waits = []
    for durable in (True, False):
        with db.transaction("r1", durable=durable):
            waits.append(db.read("SELECT current_setting('synchronous_commit') AS now")[0]["now"])
    db.close()
    assert waits == ["on", "off"]


ADDRESS = "check that the server runs, and that its address in DEFINABLE_DATABASE is right"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"database": "nowhere"}, "PostgreSQL database nowhere on HOST is not there .*\n  make it: createdb"),
        (
            {"password": "hunter2"},
            "does not let us in .*password authentication failed.*\n  check user and password",
        ),
        ({"user": "eve"}, "does not let us in .*\n  check user and password in DEFINABLE_DATABASE"),
    ],
)
def test_what_the_server_refuses_is_told(postgres: PostgresServer, change: dict[str, str], told: str) -> None:
    """Which database, on which host, what is wrong, and what to do; never the password."""
    url = postgres.url(**{"database": "postgres", **change})
    with pytest.raises(StoreUnreachable, match=told.replace("HOST", f"127.0.0.1:{postgres.port}")) as caught:
        open_store(place_of(url))
    assert caught.value.exit_code == 5
    assert not {"hunter2", ESCAPED, PASSWORD} & set(str(caught.value).replace(")", " ").split())
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("url", ["postgresql://a:s3cret@127.0.0.1:1/x", "postgresql:///x?host=/nonexistent"])
def test_a_server_that_is_not_there_is_told(url: str) -> None:
    """By its address, over the network or a socket."""
    with pytest.raises(StoreUnreachable, match=rf"cannot be reached .*\n  {ADDRESS}") as caught:
        open_store(place_of(url))
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://a:s3cr/et@h/x",
        "postgresql://a:s3cr%et@h/x",
        "postgresql://a:s3cr#et@h/x",
        "postgresql://a:s3cret@h:port/x",
        "postgresql://h/x?s3cret=1",
    ],
)
def test_a_url_that_cannot_be_read_is_not_quoted(url: str) -> None:
    """What is wrong with it may be a character of the password."""
    with pytest.raises(UsageError, match="cannot be read") as caught:
        open_store(place_of(url))
    assert "s3cr" not in str(caught.value)


def test_a_user_without_rights_is_told_which(postgres: PostgresServer) -> None:
    """Before the tables are made, and after that."""
    url = postgres.database()
    name = url.rpartition("/")[2]
    with postgres.admin(name) as db:
        db.execute("DROP ROLE IF EXISTS guest")
        db.execute("CREATE ROLE guest LOGIN PASSWORD 'guest'")
    guest = place_of(postgres.url(name, "guest", "guest"))
    rights = r"may not be used like that by this user .*\n  let this user CREATE in the database"
    with pytest.raises(StoreError, match=rights):
        open_store(guest)
    open_store(place_of(url)).close()
    with postgres.admin(name) as db:
        db.execute("GRANT USAGE ON SCHEMA definable TO guest")
        db.execute("GRANT SELECT ON ALL TABLES IN SCHEMA definable TO guest")
    with open_store(guest) as store, pytest.raises(StoreError, match=rights):
        store.create_run(a_run())


def test_a_database_of_a_newer_version_is_left_alone(postgres: PostgresServer) -> None:
    """An older Definable says so instead of guessing."""
    url = postgres.database()
    where = place_of(url)
    open_store(where).close()
    with postgres.admin(url.rpartition("/")[2]) as db:
        db.execute("UPDATE definable.schema_version SET version = 99")
    with pytest.raises(StoreError) as caught:
        open_store(where)
    assert str(caught.value) == (
        f"{where} has schema 99; this version of Definable knows up to {len(MIGRATIONS)}\n"
        "  upgrade Definable, or name another database in DEFINABLE_DATABASE"
    )


def test_a_schema_of_another_program_is_not_touched(postgres: PostgresServer) -> None:
    """Tables beside it are nobody's business; tables in it that are not ours are."""
    url = postgres.database()
    name = url.rpartition("/")[2]
    with postgres.admin(name) as db:
        db.execute("CREATE TABLE runs (photo TEXT)")
        db.execute("CREATE SCHEMA definable")
        db.execute("CREATE TABLE definable.photos (x TEXT)")
    with pytest.raises(
        StoreError, match=r"the schema definable in the .* belongs to another program\n  name an"
    ):
        open_store(place_of(url))
    with postgres.admin(name) as db:
        db.execute("DROP TABLE definable.photos")
    with open_store(place_of(url)) as store:
        assert store.create_run(a_run()).id == "r1"


def test_an_older_database_is_brought_up_to_date(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it holds is still there; a migration that fails changes nothing; a column may be added."""
    where = place_of(postgres.database())
    with open_store(where) as store:
        store.create_run(a_run())
        store.settle("r1", Receipt(call="s.1", tool="T", arguments={}, status="verified"))
    added = ("ALTER TABLE receipts ADD COLUMN colour TEXT", "UPDATE runs SET reason = 'moved'")
    for broken in (True, False, False):
        steps = (*added, "DROP TABLE nowhere") if broken else added
        monkeypatch.setattr(schema, "MIGRATIONS", (*MIGRATIONS, steps))
        if broken:
            with pytest.raises(StoreError, match=r"lacks one of our tables|refused \(table"):
                open_store(where)
            continue
        with open_store(where) as store:
            assert store.run("r1").reason == "moved"
    with open_store(where) as store:
        store.settle("r1", Receipt(call="s.2", tool="T", arguments={}, status="verified"))
        assert [each.call for each in store.receipts("r1")] == ["s.1", "s.2"]


def test_a_lock_that_is_held_too_long_is_told(postgres: PostgresServer) -> None:
    """Waiting for another process has an end, and what it waited for works again afterwards."""
    where = place_of(postgres.database())
    with open_store(where) as first, SqlStore(Postgres(where, patience=0.05)) as second:  # type: ignore[arg-type]
        first.create_run(a_run())
        with first._writing("r1"):  # type: ignore[attr-defined]
            with pytest.raises(StoreError, match=r"is locked by another process .*\n  end that process"):
                second.append("r1", "noted", {})
            assert second.run("r1").id == "r1"
        assert second.append("r1", "noted", {}) == 1


def test_text_that_the_server_cannot_hold_is_replaced(postgres: PostgresServer) -> None:
    """A NUL in a server's words; JSON keeps it."""
    with open_store(place_of(postgres.database())) as store:
        store.create_run(a_run())
        store.append("r1", "noted", {"text": "a\0b \ud800"}, step="s\0")
        (event,) = store.events("r1")
        assert (event.step, event.data) == ("s\ufffd", {"text": "a\0b \ud800"})


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["stopped", "crashed"])
def test_a_server_that_comes_back_is_found_again(how: signal.Signals) -> None:
    """Between runs nobody notices. Within one, every method says so until the run is let go."""
    with PostgresServer() as server, open_store(place_of(server.database())) as store:
        store.create_run(a_run())
        server.restart(how)
        assert store.run("r1").id == "r1"
        server.restart(how)
        assert store.append("r1", "noted", {}) == 1
        with store.alone("r1"):
            store.append("r1", "noted", {})
            store.intend("e1", "r1", "s.1", "T", {}, attempt=1)
            store.sent("e1", 1)
            server.restart(how)
            for _ in range(2):
                with pytest.raises(
                    StoreUnreachable, match=r"has left us .*\n  nothing that was kept is lost"
                ):
                    store.append("r1", "noted", {})
                with pytest.raises(StoreUnreachable, match="has left us"):
                    store.run("r1")
        with store.alone("r1"):
            assert [event.seq for event in store.events("r1")] == [1, 2]
            assert [row.state for row in store.effects("r1")] == ["sent"]
        server.stop(how)
        with pytest.raises(StoreUnreachable, match=rf"cannot be reached .*\n  {ADDRESS}"):
            store.run("r1")
