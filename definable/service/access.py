"""Who may do what: the `Host` that is meant, where a page comes from, keys and their scopes, and limits.

Without any key everybody on this machine may do everything, and nobody else is listened to. As soon as there
is one, every request needs one.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, cookie_parser
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from definable.errors import DefinableError, StoreError, UsageError
from definable.observe import logger
from definable.service.problems import Refusal, of, problem, refusal
from definable.store import ClientRow, Store
from definable.toolkits.where import is_loopback

LOG = logger("service")

Level = Literal["viewer", "operator", "approver", "admin"]

LEVELS: tuple[Level, ...] = ("viewer", "operator", "approver", "admin")
"""Each may do what those before it may: look; start, stop and retry runs; answer questions; manage keys."""

PREFIX = "dfn_"
"""What keys of the service begin with."""

NAMES = re.compile(r"[\w .@+-]{1,64}")
"""What a key may be named."""

COOKIE = "definable_key"

FRESH = 1.0
"""Seconds that what is known of the keys is good for: a revoked one is refused after that."""

OPEN = frozenset({"/healthz", "/readyz", "/favicon.svg", "/", "/runs", "/batches", "/inbox", "/contracts"})
OPEN_BELOW = ("/page/", "/hooks/", "/api/session", "/chat/", "/runs/", "/batches/")
"""What needs neither a key nor the database: it says nothing of the workspace. The page asks for the key."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

ALWAYS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
"""Headers of every answer."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request."""

    name: str
    level: Level
    id: str = ""
    client: str = ""
    """What limits count by: the key, or the address where none is needed."""

    def may(self, level: Level) -> bool:
        """Whether this level is enough for what needs `level`."""
        return LEVELS.index(self.level) >= LEVELS.index(level)


LOCAL = Caller("this machine", "admin")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may take."""

    body: int = 1_000_000
    """Bytes of a request."""
    upload: int = 200_000_000
    """Bytes of a file with items."""
    rate: float = 50.0
    """Requests a second, in the long run."""
    burst: float = 200.0
    """Requests at once."""
    streams: int = 100
    """Open streams."""


def new_key(name: str, level: Level) -> tuple[str, ClientRow]:
    """Return a new key and the row that is kept of it."""
    ident, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
    key = f"{PREFIX}{ident}_{secret}"
    return key, ClientRow(id=ident, name=name, scope=level, hash=_hash(key))


def grant(store: Store, name: str, level: Level) -> tuple[str, ClientRow]:
    """Make a key and keep what has to be kept of it; the key itself is nowhere but in what is returned.

    UsageError for a name that is in use or is none, and when the first key is not an admin's: from then on
    every request needs a key, and nobody could manage them.
    """
    if not NAMES.fullmatch(name):
        raise UsageError(f"{name!r} is no name of a key", hint="1 to 64 letters, digits, spaces and _.@+-")
    if level != "admin" and not any(row.scope == "admin" for row in store.clients()):
        raise UsageError(
            "there is no admin's key yet, and without one nobody could manage keys",
            hint="make that first: definable keys grant NAME --scope admin",
        )
    key, row = new_key(name, level)
    return key, store.grant(row)


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


class Keys:
    """The keys that are good now; looked up in the store once a second at most."""

    def __init__(self, store: Store, *, local: bool) -> None:
        """Look nothing up yet; a `local` service, which nobody else can reach, may do without any key."""
        self._store = store
        self._local = local
        self._known: dict[str, ClientRow] = {}
        self._until = 0.0

    def known(self) -> Mapping[str, ClientRow]:
        """Return the keys by their ids."""
        if time.monotonic() >= self._until:
            self._known = {row.id: row for row in self._store.clients()}
            self._until = time.monotonic() + FRESH
        return self._known

    def forget(self) -> None:
        """Look them up anew the next time."""
        self._until = 0.0

    def caller(self, key: str | None) -> Caller | None:
        """Return whose key it is; None when it is none of ours, or none is given and one is needed."""
        known = self.known()
        if not known and self._local:
            return LOCAL
        if key is None or not key.startswith(PREFIX):
            return None
        row = known.get(key.removeprefix(PREFIX).partition("_")[0])
        if row is None or not hmac.compare_digest(row.hash, _hash(key)):
            return None
        return Caller(row.name, row.scope, row.id)

    def stands(self, caller: Caller) -> bool:
        """Whether somebody who was let in would be now: the key may have been revoked since."""
        try:
            known = self.known()
        except StoreError:
            return True  # nobody can tell, and nothing new is read meanwhile
        return caller.id in known if caller.id else not known


class _Over(Exception):
    """An answer goes on, and its caller's key was revoked."""


def key_of(headers: Headers) -> str | None:
    """Return the key that a request brings: as a bearer token, as `X-API-Key`, or in the page's cookie."""
    kind, _, token = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and token:
        return token.strip()
    if key := headers.get("x-api-key"):
        return key.strip()
    # Read as browsers do: all ports of a host share them, and what others keep there may be anything.
    return cookie_parser(headers.get("cookie", "")).get(COOKIE)


@dataclass
class Bucket:
    """A token bucket: what is left of a client's requests."""

    left: float
    at: float

    def take(self, limits: Limits, now: float) -> float:
        """Take one; return 0, or the seconds until there is one."""
        self.left = min(limits.burst, self.left + (now - self.at) * limits.rate)
        self.at = now
        if self.left < 1:
            return (1 - self.left) / limits.rate
        self.left -= 1
        return 0.0


@dataclass
class Gate:
    """ASGI middleware: every request passes it before anything else looks at it."""

    app: ASGIApp
    keys: Keys
    hosts: frozenset[str]
    """Names by which the service may be called, besides loopback."""
    limits: Limits = field(default_factory=Limits)
    streams: Counter[str] = field(default_factory=Counter)
    """Client → its open streams."""
    _buckets: dict[str, Bucket] = field(default_factory=dict)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers, begun = Headers(scope=scope), False
        caller: Caller | None = None

        async def sending(message: Message) -> None:
            nonlocal begun
            if message.get("more_body") and caller is not None and not self.keys.stands(caller):
                await send({"type": "http.response.body", "body": b""})
                raise _Over
            begun = True
            await send(message)

        try:
            caller = scope.setdefault("state", {})["caller"] = self._admitted(scope, headers)
            receive = self._limited(scope, headers, receive)
            with self._counted(caller.client if caller else "") as counting:
                await self.app(scope, receive, _with_headers(sending, counting))
        except (_Over, ClientDisconnect):
            pass  # nobody is there any more who may hear of it
        except Exception as error:
            answer = _answer(error, scope)
            if begun:
                raise  # the connection is closed: what was begun is no whole answer
            await answer(scope, receive, _with_headers(send))

    def _admitted(self, scope: Scope, headers: Headers) -> Caller | None:
        self._check_host(headers)
        _check_origin(scope, headers)
        path, client = scope["path"], scope.get("client") or ("", 0)
        free = path in OPEN or path.startswith(OPEN_BELOW)
        caller = None if free else self.keys.caller(key_of(headers))
        name = (caller.id if caller else "") or str(client[0])
        self._check_rate(name)
        if caller is None and not free:
            raise Refusal(
                401,
                "a key is needed" if key_of(headers) is None else "the key is not known, or was revoked",
                "send `Authorization: Bearer dfn_…`; definable keys grant NAME makes one",
                {"www-authenticate": "Bearer"},
            )
        return replace(caller, client=name) if caller else None

    @contextmanager
    def _counted(self, client: str) -> Iterator[Callable[[], None]]:
        """Yield what counts a stream of a client, until the block ends."""
        counted = 0

        def count() -> None:
            nonlocal counted
            counted += 1
            self.streams[client] += 1

        try:
            yield count
        finally:
            self.streams[client] -= counted
            if counted and not self.streams[client]:
                del self.streams[client]

    def _check_host(self, headers: Headers) -> None:
        """Refuse names that this service does not go by: else a page could reach it by a name of its own."""
        host = headers.get("host", "")
        name = _name(host)
        if not (name in self.hosts or is_loopback(name)):
            raise Refusal(
                421, f"this service does not go by the name {host!r}", "definable serve --name NAME adds one"
            )

    def _check_rate(self, who: str) -> None:
        now = time.monotonic()
        if len(self._buckets) > 10_000:
            self._buckets.clear()
        bucket = self._buckets.setdefault(who, Bucket(self.limits.burst, now))
        if seconds := bucket.take(self.limits, now):
            after = {"retry-after": str(int(seconds) + 1)}
            raise Refusal(429, "too many requests", f"{self.limits.rate:g} a second are served", after)

    def _limited(self, scope: Scope, headers: Headers, receive: Receive) -> Receive:
        most = self.limits.upload if scope["path"] == "/api/batches" else self.limits.body
        declared = headers.get("content-length", "0")
        if declared.isdecimal() and int(declared) > most:
            raise Refusal(413, f"the request has {int(declared):,} bytes; {most:,} are taken")
        taken = 0

        async def limited() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > most:
                # FastAPI lets no other error through while it reads a body.
                raise HTTPException(413, f"the request has more than {most:,} bytes")
            return message

        return limited


def _answer(error: Exception, scope: Scope) -> JSONResponse:
    """Return the answer to a request that ends with an error; one that nobody foresaw is kept in the log."""
    path = scope["path"]
    if isinstance(error, Refusal):
        return refusal(error, path)
    if isinstance(error, DefinableError):  # the database is away
        return of(error, path)
    LOG.exception("failed", method=scope["method"], path=path)
    return problem(500, f"{type(error).__name__}, which is a bug here", "see the log", path=path)


def _name(host: str) -> str:
    """Return the name in a `Host`; nothing when there is none in it."""
    if set(host) & set("/@?#\\ "):
        return ""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:  # half an IPv6 address
        return ""


def _check_origin(scope: Scope, headers: Headers) -> None:
    """Refuse what another site's page sends: browsers say where a request comes from.

    A link that somebody follows is theirs: it opens the page, which no script of another site can read.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    kind = headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest")
    if scope["method"] in ("GET", "HEAD", "OPTIONS") and (
        site != "cross-site" or kind == ("navigate", "document")
    ):
        return
    foreign = origin is not None and origin.partition("://")[2] != headers.get("host")
    if site in ("cross-site", "same-site") or foreign:
        raise Refusal(403, f"a page of {origin or 'another site'} may not use this service")


def _with_headers(send: Send, streams: Callable[[], None] = lambda: None) -> Send:
    """Add the headers of every answer; tell `streams` when one is a stream."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=list(message.get("headers", ())))
            if headers.get("content-type", "").startswith("text/event-stream"):
                streams()
            for name, value in ALWAYS.items():
                headers.setdefault(name, value)
            message = {**message, "headers": headers.raw}
        await send(message)

    return sending
