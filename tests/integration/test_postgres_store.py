"""The PostgreSQL store: the contract, and what only a server can go wrong with."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

from definable.store import Server, Store, open_store
from tests.integration.store_contract import StoreContract
from tests.postgres import PostgresServer


class TestPostgresStore(StoreContract):
    """The contract, on a server."""

    @pytest.fixture(autouse=True)
    def _database(self, postgres: PostgresServer) -> None:
        url = postgres.database()

        def make(clock: Callable[[], datetime]) -> Store:
            return open_store(Server(url, "test"), clock)

        self.make = make
