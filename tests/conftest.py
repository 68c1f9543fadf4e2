"""Fixtures that every ring of tests shares."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is no finding: what takes long is measured in benchmarks/.
settings.register_profile("any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-machine")


@pytest.fixture
def anyio_backend() -> str:
    """Run asynchronous tests on asyncio, which is what the product runs on."""
    return "asyncio"
