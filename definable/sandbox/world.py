"""The simulated workspace: its state as plain JSON, its clock, its tokens and what really changed in it."""

from __future__ import annotations

import copy
import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from definable.errors import UsageError
from definable.sandbox.answers import Json
from definable.sandbox.auth import ROLES, check_scopes
from definable.sandbox.clock import Clock, stamp
from definable.sandbox.ids import make_id
from definable.sandbox.quota import Quota
from definable.sandbox.seed import plant
from definable.spec.nearest import suggest

LIFETIME = 90 * 86_400.0
"""Seconds until the default token ends: Hex's personal tokens always do."""
FORMAT = 1
"""Version of a snapshot."""


class World:
    """One Hex workspace. Everything that lasts is in `state`; hold `lock` to touch it from another thread.

    The same `seed` and the same time give the same ids, tokens and content. `quotas=False` switches rate
    limits off, for load tests.
    """

    def __init__(self, seed: int = 1, clock: Clock | None = None, quotas: bool = True) -> None:
        """Plant the seeded workspace and issue the default token: personal, of the seed's administrator."""
        self.seed = seed
        self.clock = clock or Clock()
        self.lock = threading.RLock()
        self.quota = Quota(enabled=quotas)
        self.requests: dict[str, dict[str, int]] = {}
        self.served = 0
        self.settler: Callable[[World], None] | None = None
        self._moment: float | None = None
        self.state: dict[str, Json] = plant(seed, self.clock.now())
        self.token = self.issue_token(expires=self.clock.now() + LIFETIME)

    def now(self) -> float:
        """Return the sandbox's time in seconds since the epoch; it stands still inside `moment`."""
        return self.clock.now() if self._moment is None else self._moment

    @contextmanager
    def moment(self, at: float | None = None) -> Iterator[None]:
        """Let time stand still, now or at a time that has passed."""
        kept = self._moment
        self._moment = self.now() if at is None else at
        try:
            yield
        finally:
            self._moment = kept

    def settle(self) -> None:
        """Do what was put off until now, as of the time when it was due."""
        with self.lock:
            if self.settler is not None:
                self.settler(self)

    def new_id(self) -> str:
        """Return the next UUID; the same calls in the same order give the same ids."""
        self.state["serial"] += 1
        return make_id(self.seed, "made", str(self.state["serial"]))

    def effect(self, tool: str, key: str) -> None:
        """Record that `tool` has really changed the object `key`. Called only where state changes."""
        self.state["effects"].append({"tool": tool, "id": key, "at": stamp(self.now())})

    @property
    def effects(self) -> list[dict[str, str]]:
        """Every real change made by a tool call, in the order in which it happened."""
        with self.lock:
            self.settle()
            return list(copy.deepcopy(self.state["effects"]))

    def saw(self, tool: str, status: str) -> None:
        """Count one request of `tool` that ended in `status`: an HTTP status, or `none` for no answer."""
        counts = self.requests.setdefault(tool, {})
        counts[status] = counts.get(status, 0) + 1

    def trace(self) -> str:
        """Return the next trace id."""
        self.served += 1
        return hashlib.sha256(f"{self.seed}/trace/{self.served}".encode()).hexdigest()[:32]

    def issue_token(
        self,
        user: str | None = None,
        kind: Literal["personal", "workspace"] = "personal",
        scopes: tuple[str, ...] = (),
        expires: float | None = None,
    ) -> str:
        """Return a new token. `user` is an id or an e-mail (personal; the seed's administrator when None).

        `scopes` are a workspace token's, `expires` is in epoch seconds. Raises UsageError for an unknown
        user, for one below Editor, and for unknown scopes.
        """
        with self.lock:
            self.state["tokens_issued"] += 1
            value = hashlib.sha384(f"{self.seed}/token/{self.state['tokens_issued']}".encode()).hexdigest()
            token = ("hxtp_" if kind == "personal" else "hxtw_") + value
            self.state["tokens"][token] = {
                "kind": kind,
                "user": self._holder(user) if kind == "personal" else None,
                "scopes": list(check_scopes(tuple(scopes))),
                "expires": expires,
                "revoked": False,
            }
            return token

    def revoke(self, token: str) -> None:
        """Refuse the token from now on, for good. Raises UsageError when it was never issued."""
        self._token(token)["revoked"] = True

    def expire(self, token: str) -> None:
        """Let the token's time end now. Raises UsageError when it was never issued."""
        self._token(token)["expires"] = self.now()

    def snapshot(self) -> dict[str, Json]:
        """Return everything that lasts as plain JSON. Running quota windows are not kept."""
        with self.lock:
            return copy.deepcopy(
                {
                    "format": FORMAT,
                    "seed": self.seed,
                    "token": self.token,
                    "served": self.served,
                    "clock": self.clock.snapshot(),
                    "quotas": self.quota.enabled,
                    "requests": self.requests,
                    "state": self.state,
                }
            )

    @classmethod
    def restore(cls, data: dict[str, Json], clock: Clock | None = None) -> World:
        """Return the world that `snapshot` saved, with its clock unless one is given."""
        if data.get("format") != FORMAT:
            raise UsageError(
                f"this sandbox snapshot has format {data.get('format')!r}, known is {FORMAT}",
                hint="start a new sandbox, or restore it with the version that saved it",
            )
        world = cls.__new__(cls)
        saved = copy.deepcopy(data)
        world.seed, world.token, world.served = saved["seed"], saved["token"], saved["served"]
        world.clock = clock or Clock()
        if clock is None:
            world.clock.restore(saved["clock"])
        world.lock = threading.RLock()
        world.settler, world._moment = None, None
        world.quota = Quota(enabled=saved["quotas"])
        world.requests, world.state = saved["requests"], saved["state"]
        return world

    @contextmanager
    def rehearsal(self) -> Iterator[None]:
        """Let what happens inside leave no trace in the state: the answer of a change that was not made."""
        kept = copy.deepcopy(self.state)
        try:
            yield
        finally:
            self.state = kept

    def _holder(self, user: str | None) -> str:
        users = self.state["users"]
        names = {u["email"]: u["id"] for u in users.values()}
        key = self.state["admin"] if user is None else names.get(user, user)
        if key not in users:
            raise UsageError(f"no user {user!r} in the sandbox{suggest(str(user), names)}")
        if ROLES.index(users[key]["role"]) < ROLES.index("EDITOR"):
            raise UsageError(
                f"{users[key]['email']!r} is {users[key]['role']}: API tokens need Editor or higher"
            )
        return str(key)

    def _token(self, token: str) -> dict[str, Json]:
        with self.lock:
            if token not in self.state["tokens"]:
                raise UsageError("that token was never issued by this sandbox")
            return self.state["tokens"][token]  # type: ignore[no-any-return]
