"""The API against its own description: what fits it is taken, what does not is refused, nothing breaks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service import Service, serving


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Serve an empty workspace, which has the built-in workflows; nobody works on what is submitted."""
    with serving(tmp_path_factory.mktemp("schema"), slots=0) as up:
        yield up


@pytest.mark.timeout(240)
def test_the_api_is_as_it_is_described(service: Service, tmp_path: Path) -> None:
    """All checks of schemathesis, with an admin's key: made-up requests, broken ones, and chains of them."""
    made = service.http.post("/api/keys", json={"name": "tester", "level": "admin"})
    key = made.raise_for_status().json()["key"]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{service.url}/api/openapi.json"),
            *("--checks", "all", "--max-examples", "2", "--seed", "7", "--request-timeout", "10"),
            *("--header", f"Authorization: Bearer {key}", "--no-color"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "found" not in done.stdout.partition("Test cases:")[2] or ", 0 found" in done.stdout
    described = service.http.get("/api/openapi.json", headers={"authorization": f"Bearer {key}"}).json()
    assert len(described["paths"]) >= 20
