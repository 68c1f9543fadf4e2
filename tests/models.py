"""A server of models on loopback: real sockets, the providers' own JSON, tokens that cost what they cost.

What it answers is the offline model's; to the SDKs that ask it, and to the prices, it is the provider.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from definable.models.offline import answer, wire

PATHS = {"/responses": "openai", "/v1/messages": "anthropic"}
"""How a provider's SDK ends the address that it asks."""


@dataclass
class ModelServer:
    """Where it listens, and which models were asked, in order."""

    url: str
    asked: list[str] = field(default_factory=list)

    @property
    def environ(self) -> dict[str, str]:
        """The environment in which both SDKs ask it, with keys that it does not look at."""
        return {
            "OPENAI_BASE_URL": self.url,
            "OPENAI_API_KEY": "k",
            "ANTHROPIC_BASE_URL": self.url,
            "ANTHROPIC_API_KEY": "k",
        }


@contextmanager
def model_server() -> Iterator[ModelServer]:
    """Serve until left."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            provider = next(name for end, name in PATHS.items() if self.path.split("?")[0].endswith(end))
            read, write = wire.PROVIDERS[provider]
            found.asked.append(f"{provider}/{body['model']}")
            text = json.dumps(write(body, answer(read(body)))).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        found = ModelServer(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()
