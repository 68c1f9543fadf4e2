"""The real AG-UI client on Node, installed once per lock file into build/."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent / "clients" / "agui"
BUILD = Path(__file__).parent.parent / "build" / "clients"
FILES = ("package.json", "package-lock.json", ".npmrc", "run.mjs")


def installed() -> Path:
    """Return the folder with the client, installed from its lock file unless it was before.

    Without npm it is skipped, and says so; in CI that is a failure.
    """
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("Node and npm are needed for the AG-UI client")
        pytest.skip("NOT CHECKED: there is no Node here, so the AG-UI door was not tried with its client")
    mark = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in FILES)).hexdigest()[:16]
    folder = BUILD / f"agui-{mark}"
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD / "agui.lock").open("w") as lock:  # several processes test at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            for name in FILES:
                shutil.copy(HERE / name, folder / name)
            told = subprocess.run(
                [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=300,
            )
            assert told.returncode == 0, told.stderr
            (folder / "ready").touch()
    return folder


def turns(
    client: Path, url: str, thread: str, *script: dict[str, Any], key: str = ""
) -> list[dict[str, Any]]:
    """Let the client take turns with the agent at `url`, and return what it made of each."""
    headers = {"authorization": f"Bearer {key}"} if key else {}
    wish = {"url": url, "thread": thread, "headers": headers, "turns": list(script)}
    told = subprocess.run(
        ["node", "run.mjs"], input=json.dumps(wish), cwd=client, capture_output=True, text=True, timeout=120
    )
    assert told.returncode == 0, told.stderr
    found: list[dict[str, Any]] = json.loads(told.stdout)
    return found
