"""Fixtures that every ring of tests shares."""

from __future__ import annotations

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """Run asynchronous tests on asyncio, which is what the product runs on."""
    return "asyncio"
