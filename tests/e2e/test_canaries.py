"""Secrets that are planted everywhere and searched for in everything that was written."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.e2e.test_cli_processes import definable
from tests.e2e.test_kill import sandbox, weekly

CANARIES = {
    "OPENAI_API_KEY": "sk-canary-openai-7f3a9b2c4d5e6f708192",
    "ANTHROPIC_API_KEY": "sk-ant-canary-0a1b2c3d4e5f60718293",
    "HEX_API_TOKEN_NEXT": "hxtp_canary" + "5e" * 40,
}
BY_COMMAND = "Canary-of-a-command-90817263544536271809"
"""What a command prints: it looks like no token that is known."""

COMMANDED = "canary-in-a-command-line-4455667788"


class Tattler(BaseHTTPRequestHandler):
    """Refuses every call and repeats the key it was given, as some servers do."""

    def do_GET(self) -> None:
        """Answer 401 with the key in the message."""
        self.do_POST()

    def do_POST(self) -> None:
        """Answer 401 with the key in the message."""
        self.rfile.read(int(self.headers.get("content-length", 0)))
        key = self.headers.get("authorization") or self.headers.get("x-api-key")
        body = json.dumps({"error": {"message": f"Incorrect API key provided: {key}"}}).encode()
        self.send_response(401)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


@contextmanager
def tattling() -> Iterator[str]:
    """Serve the tattler on loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Tattler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.timeout(120)
def test_no_secret_is_ever_written_down(tmp_path: Path) -> None:
    """Refused keys of Hex and of both models: in no output, no log, no database, no error, not once."""
    cell = "token: hxtp_" + "ab" * 48
    script = tmp_path.parent / f"{tmp_path.name}-issue.py"
    script.write_text(f"import sys\nprint({BY_COMMAND!r})\nprint({BY_COMMAND!r}, file=sys.stderr)\n")
    with tattling() as models, sandbox({"tool": "HEX_LIST_PROJECTS", "fault": "revoke"}) as served:
        next(iter(served.world.state["projects"].values()))["description"] = cell
        keys = {
            **CANARIES,
            "HEX_BASE_URL": served.base_url,
            "HEX_API_TOKEN": served.token,
            "OPENAI_BASE_URL": f"{models}/v1",
            "ANTHROPIC_BASE_URL": models,
            "DEFINABLE_LOG": "debug",
            "HEX_API_TOKEN_COMMAND": f"{sys.executable} -S {script} --password {COMMANDED}",
        }
        project = f"project={weekly(served)}"
        waits = definable(
            "run", "weekly-brief", "-i", project, "--json", "--data", "--no-wait", cwd=tmp_path, **keys
        )
        parked = definable("tools", "call", "HEX_LIST_PROJECTS", "--json", cwd=tmp_path, **keys)
        fresh = {**keys, "HEX_API_TOKEN": served.world.issue_token()}
        read = definable("tools", "call", "HEX_LIST_PROJECTS", "--json", cwd=tmp_path, **fresh)
        assert waits.returncode == 3, waits.stderr
        assert parked.returncode == 3, parked.stderr
        assert read.returncode == 0, read.stderr
        told = {**keys, "HEX_BASE_URL": f"{models}/api"}
        shown = [definable("tools", "call", "HEX_LIST_PROJECTS", "--json", cwd=tmp_path, **told)]
        commands = (("runs", "list"), ("doctor",), ("keys",), ("keys", "check"), ("keys", "check", "--json"))
        shown += [definable(*c, cwd=tmp_path, **told) for c in commands]
    written = {str(p): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    for done in (waits, parked, read, *shown):
        written[" ".join(done.args)] = (done.stdout + done.stderr).encode()
    secrets = [
        *CANARIES.values(),
        BY_COMMAND,
        COMMANDED,
        served.token,
        fresh["HEX_API_TOKEN"],
        cell.removeprefix("token: "),
    ]
    found = [
        (place, secret[:12])
        for place, text in written.items()
        for secret in secrets
        if secret.encode() in text
    ]
    assert found == []
    assert b"HEX_API_TOKEN_COMMAND" in written[str(tmp_path / ".definable" / "keys.json")]
    assert any(b"redacted" in text for text in written.values()), "the planted token was read and taken out"
