"""The door to all models: which provider answers, and whether the offline model stands in."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Protocol, cast

import httpx2

from definable.errors import CredentialsError, UsageError
from definable.models.failures import BASE_URLS, KEYS
from definable.models.neutral import Request, Turn
from definable.models.offline import transport

ADAPTERS = {"openai": "OpenAI", "anthropic": "Anthropic"}


class Adapter(Protocol):
    """What an adapter of one provider can do."""

    async def turn(self, request: Request) -> Turn:
        """Make one request."""

    async def aclose(self) -> None:
        """Close the connections."""


class Models:
    """Every model a run may ask. An async context manager; `aclose` does the same.

    `environ` has the keys (OPENAI_API_KEY, ANTHROPIC_API_KEY) and base URLs (OPENAI_BASE_URL,
    ANTHROPIC_BASE_URL). `offline`: None lets the offline model stand in for a provider without a key, True
    for all of them, False for none. `transport` takes the place of the network, for tests.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        offline: bool | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        """Read nothing yet: an SDK is imported and a key looked up when a model is first asked."""
        self._environ = environ
        self._offline = offline
        self._transport = transport
        self._adapters: dict[tuple[str, bool], Adapter] = {}

    def serves(self, model: str) -> str:
        """Return what will answer for `model`: the same, or `offline/NAME` when the offline model stands in.

        This is the name whose price counts, and which is shown.
        """
        provider, _, name = model.partition("/")
        return f"offline/{name}" if self._stands_in(provider) else model

    async def turn(self, request: Request) -> Turn:
        """Make one request to `request.model`. Raises ModelError, or CredentialsError without a key."""
        provider = request.model.partition("/")[0]
        answers = self.serves(request.model)
        offline = answers.startswith("offline/")
        turn = await self._adapter("openai" if provider == "offline" else provider, offline).turn(request)
        return turn.model_copy(update={"model": answers, "offline": offline})

    async def aclose(self) -> None:
        """Close every connection that was opened."""
        for adapter in self._adapters.values():
            await adapter.aclose()
        self._adapters.clear()

    async def __aenter__(self) -> Models:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def _stands_in(self, provider: str) -> bool:
        if provider == "offline":
            return True
        if provider not in KEYS:
            known = ", ".join([*KEYS, "offline"])
            raise UsageError(
                f"no provider {provider!r} for models", hint=f"a model is PROVIDER/NAME with {known}"
            )
        if self._offline is not None:
            return self._offline
        return not self._key(provider)

    def _key(self, provider: str) -> str:
        return self._environ.get(KEYS[provider], "").strip()

    def _adapter(self, provider: str, offline: bool) -> Adapter:
        if (provider, offline) not in self._adapters:
            # the one lazy import outside the command line: an SDK takes a second, and most runs need one
            module = importlib.import_module(f"definable.models.{provider}")
            build = getattr(module, ADAPTERS[provider])
            self._adapters[provider, offline] = cast(Adapter, build(*self._reach(provider, offline)))
        return self._adapters[provider, offline]

    def _reach(self, provider: str, offline: bool) -> tuple[str, str, httpx2.AsyncBaseTransport | None]:
        if offline:
            return "offline", "http://offline.invalid", transport(provider)
        if not (key := self._key(provider)):
            raise CredentialsError(
                f"{KEYS[provider]} is not set", hint=f"set {KEYS[provider]}, or let the offline model answer"
            )
        base = self._environ.get(BASE_URLS[provider], "").strip()
        if base and not base.startswith(("https://", "http://")):
            raise UsageError(
                f"{BASE_URLS[provider]} is {base!r}, which is no URL", hint="it starts with https://"
            )
        return key, base, self._transport
