"""One attempt over HTTP: sent once, never again, and whatever happens comes back as an outcome."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from definable.calls import Outcome, Phase, Send
from definable.redaction import Redactor
from definable.spec.paths import lookup
from definable.spec.toolkit import Tool, Toolkit
from definable.toolkits.answer import hide, kept_headers, phase_of, read_body, read_closely
from definable.toolkits.connections import Connections, introduction
from definable.toolkits.credentials import Key, KeyRing
from definable.toolkits.key import moment
from definable.toolkits.refusal import why
from definable.toolkits.request import Request, build
from definable.toolkits.trouble import CAUGHT, check_location, trouble

LONGEST_NAME = 200

AT_ONCE = 100
"""Requests under way at once, at most. The key is taken by those that can leave, not in the queue."""

SHORT = 4_096
"""Bytes of an answer that is always looked through for names that stand twice in one object."""
SELDOM = 8
"""Of longer ones, the first and then every so many of an operation: it takes as long again as to parse."""

CONNECT_TIMEOUT = 10.0
"""Seconds for a connection, at most: an address that does not answer in this time does not answer."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """A response as it came; `raw` None means that it was larger than allowed."""

    status: int
    headers: list[tuple[str, str]]
    raw: bytes | None = b""
    cut: Exception | None = None


@dataclass(slots=True)
class _Departure:
    """Tells when the first byte of a request is about to leave, and remembers that it did."""

    leaving: Callable[[], object]
    left: bool = False

    def now(self) -> None:
        """Say that it leaves; what is raised keeps it here."""
        self.leaving()
        self.left = True

    async def traced(self, event: str, info: object) -> None:
        """Hear what the HTTP library does, step by step."""
        if event.endswith(".send_request_headers.started"):
            self.now()


class Adapter:
    """Performs attempts against one product.

    It never retries, follows no redirect, keeps no cookie, reads no proxy from the environment, and never
    raises for what a network or a server does. `transport` stands in for the network in tests; `clock` gives
    the time in UTC.
    """

    def __init__(
        self,
        toolkit: Toolkit,
        base_url: str,
        ring: KeyRing,
        redactor: Redactor,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Prepare a client for `base_url` (as `where.base_url` returns it); nothing is sent yet."""
        self._toolkit = toolkit
        self._base_url = base_url
        self._ring = ring
        self._redactor = redactor
        self._secret_keys = frozenset(key.lower() for key in toolkit.secret_keys)
        self._clock = clock
        self._long = Counter[str]()
        self._doubling: set[str] = set()
        self._room = asyncio.Semaphore(AT_ONCE)
        self._stand_in = transport is not None
        self._connections = Connections(transport)
        self._introduction = introduction()
        connect = min(CONNECT_TIMEOUT, toolkit.timeout)
        self._timeouts = httpx.Timeout(toolkit.timeout, connect=connect).as_dict()

    async def attempt(self, send: Send, leaving: Callable[[], object] = lambda: None) -> Outcome:
        """Perform one attempt, with the key in use; one that is refused is left behind for all at once.

        So a `send.fresh`, which follows a refusal, has another key, or is not sent for want of one. Where the
        ring asks about refused keys, that is done with the role `check`, which uses just that key. `leaving`
        is called when the connection is there and the next thing is the first byte. Raises what it raises,
        and UsageError for arguments that make no request; they were not normalised then.
        """
        tool = self._toolkit.tools[send.tool]
        request = build(self._toolkit, tool, send.arguments, send.changes)
        if send.role == "check":
            # Those who wait for what comes of it may have taken all the room.
            return await self._attempted(send.role, tool, request, leaving)
        async with self._room:
            return await self._attempted(send.role, tool, request, leaving)

    async def _attempted(
        self, role: str, tool: Tool, request: Request, leaving: Callable[[], object]
    ) -> Outcome:
        key = self._ring.suspect if role == "check" else await self._ring.ready()
        started = self._clock()
        if key is None:
            facts: dict[str, Any] = {
                "phase": Phase.NOT_SENT,
                "cause": "no_credentials",
                "error": self._ring.explain(),
            }
        else:
            facts = await self._perform(tool, request, key, leaving)
            self._note(key, role, facts)
        ended = self._clock()
        return Outcome(
            **facts,
            credential=key.name if key else "",
            seconds=round((ended - started).total_seconds(), 6),
            at=ended.isoformat().replace("+00:00", "Z"),
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._connections.aclose()

    def _note(self, key: Key, role: str, facts: dict[str, Any]) -> None:
        """Let the ring know what came of an attempt; put into words what a refusal means."""
        status = facts.get("status")
        words = ""
        if status == 401:
            known = self._ring.book.facts(key.mark)
            now, expires = self._ring.book.clock(), self._ring.expires(key)
            variable = self._toolkit.base_url.env
            words = why(key.name, self._base_url, known, expires, facts["headers"], now, variable)
            facts["error"] = "; ".join(filter(None, [words, facts.get("error")]))
        if status != 401 or role not in ("who", "check"):
            # That a question about the key itself is refused must not stop a run, or is what was asked.
            self._ring.answered(key, status, words)

    async def _perform(
        self, tool: Tool, request: Request, key: Key, leaving: Callable[[], object]
    ) -> dict[str, Any]:
        departure = _Departure(leaving)
        self._redactor.learn(key.secret.get_secret_value())
        try:
            # A server that drips a byte now and then never runs into a read timeout.
            async with asyncio.timeout(2 * self._toolkit.timeout):
                answer = await self._exchange(request, key, departure)
        except CAUGHT as error:
            what = trouble(error)
            phase = what.phase if departure.left else Phase.NOT_SENT
            return {"phase": phase, "cause": what.cause, "error": self._redactor.text(what.words)}
        self._told(tool, key, answer)
        return self._facts(tool, answer)

    def _told(self, tool: Tool, key: Key, answer: _Answer) -> None:
        """Note what the product says of the key: a time and a name, read before secrets are taken out.

        They stand under names whose values are never kept, such as `token`; nothing else of it is looked at.
        """
        kit = self._toolkit
        if kit.who is None or tool is not kit.tools[kit.who] or answer.status not in tool.success:
            return
        body, _ = read_body(answer.raw or b"", "application/json")
        if not isinstance(body, dict):
            return
        whose = next((text for path in kit.whose if isinstance(text := lookup(body, path), str) and text), "")
        expires = moment(lookup(body, kit.expiry)) if kit.expiry else None
        self._ring.book.told(key.mark, key.name, expires, self._redactor.text(whose)[:LONGEST_NAME])

    async def _exchange(self, request: Request, key: Key, departure: _Departure) -> _Answer:
        if self._stand_in:
            departure.now()  # what stands in for the network tells of no steps
        secret = key.secret.get_secret_value()
        ready = httpx.Request(
            request.method,
            f"{self._base_url}{request.path}",
            params=request.params,
            json=request.json,
            headers=[*self._introduction, (b"authorization", f"Bearer {secret}".encode("ascii"))],
            extensions={"timeout": self._timeouts, "trace": departure.traced},
        )
        async with self._connections.one() as transport:
            response = await transport.handle_async_request(ready)
            try:
                check_location(response)
                head = response.status_code, response.headers.multi_items()
                try:
                    return _Answer(*head, await _read(response, self._toolkit.max_response))
                except CAUGHT as error:
                    return _Answer(*head, cut=error)
            finally:
                await response.aclose()

    def _facts(self, tool: Tool, answer: _Answer) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "phase": phase_of(tool, answer.status),
            "status": answer.status,
            "headers": self._redactor.json(kept_headers(answer.headers)),
        }
        if answer.cut is not None or answer.raw is None:
            return {**facts, **self._incomplete(answer, facts["phase"])}
        kind = str(facts["headers"].get("content-type", ""))
        body, media, doubled = read_closely(answer.raw, kind, self._closely(tool, len(answer.raw)))
        if doubled:
            self._doubling.add(tool.operation)
        body = hide(self._redactor.json(body), self._secret_keys)
        return {**facts, "body": body, "media": media, "doubled": doubled}

    def _closely(self, tool: Tool, size: int) -> bool:
        """Whether to look for doubled names: in what is short, and in long answers now and then."""
        if size <= SHORT or tool.operation in self._doubling:
            return True
        self._long[tool.operation] += 1
        return self._long[tool.operation] % SELDOM == 1

    def _incomplete(self, answer: _Answer, phase: Phase) -> dict[str, Any]:
        """A yes without its body is no response: it has no status, only words that tell of it."""
        lost = {"status": None} if phase is Phase.COMMITTED else {}
        if answer.cut is None:
            words = f"the answer is larger than {self._toolkit.max_response:,} bytes and was not read"
            return {**lost, "cause": "too_large", "error": f"after status {answer.status}, {words}"}
        what = trouble(answer.cut)
        phase = Phase.UNKNOWN if phase is Phase.COMMITTED else phase
        words = self._redactor.text(f"after status {answer.status}, {what.words}")
        return {**lost, "phase": phase, "cause": what.cause, "error": words}


async def _read(response: httpx.Response, limit: int) -> bytes | None:
    """Return the whole body, or None as soon as it is longer than `limit` bytes (after decompression)."""
    parts: list[bytes] = []
    size = 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > limit:
            return None
        parts.append(part)
    return b"".join(parts)
