"""The product that all engines write to: notes over HTTP on loopback, answered at once.

    python -m benchmarks.peers.server

It prints its port. The answer to the first write of a title that begins with `lost` never comes: the note
is there, and nobody has been told.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

LOST = "lost"


class Notes:
    """What was written."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.titled: dict[str, list[dict[str, str]]] = {}
        self.by_id: dict[str, dict[str, str]] = {}

    def answer(self, method: str, target: str, body: bytes) -> tuple[int, Any] | None:
        """Return status and JSON; None for an answer that never comes."""
        url = urlsplit(target)
        if method == "POST":
            return self._write(json.loads(body))
        if url.path == "/notes":
            return 200, {"values": self.titled.get(parse_qs(url.query)["title"][0], [])}
        note = self.by_id.get(url.path.rpartition("/")[2])
        return (200, note) if note else (404, {"message": "there is no such note"})

    def _write(self, given: dict[str, str]) -> tuple[int, Any] | None:
        note = {"id": f"note-{len(self.by_id)}", "title": given["title"], "text": given["text"]}
        same = self.titled.setdefault(note["title"], [])
        same.append(note)
        self.by_id[note["id"]] = note
        return None if note["title"].startswith(LOST) and len(same) == 1 else (201, note)


class Wire(asyncio.Protocol):
    """As much of HTTP/1.1 as the clients here speak: bodies with a length, connections that stay."""

    def __init__(self, notes: Notes) -> None:
        """Answer from these notes."""
        self.notes = notes
        self.got = b""
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each request that is whole."""
        self.got += data
        while (split := self.got.find(b"\r\n\r\n")) >= 0:
            first, *lines = self.got[:split].decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
            end = split + 4 + int(headers.get("content-length", 0))
            if len(self.got) < end:
                return
            body, self.got = self.got[split + 4 : end], self.got[end:]
            method, target, _ = first.split(" ")
            if found := self.notes.answer(method, target, body):
                status, content = found[0], json.dumps(found[1]).encode()
                head = f"HTTP/1.1 {status} x\r\ncontent-type: application/json\r\n"
                self.transport.write(f"{head}content-length: {len(content)}\r\n\r\n".encode() + content)


async def main() -> None:
    """Serve until killed."""
    notes = Notes()
    server = await asyncio.get_running_loop().create_server(lambda: Wire(notes), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
