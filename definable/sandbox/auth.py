"""Tokens, scopes and who may see what.

Personal tokens (`hxtp_`) mirror their user, who is an Editor or higher; workspace tokens (`hxtw_`) have
scopes and see every project.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from definable.errors import UsageError
from definable.sandbox.answers import Json, Refusal, forbidden
from definable.spec.nearest import nearest

ROLES = ("GUEST", "MEMBER", "EXPLORER", "EDITOR", "MANAGER", "ADMIN")
ACCESS = ("NONE", "APP_ONLY", "CAN_VIEW", "CAN_EDIT", "FULL_ACCESS")
SCOPES = (
    "projects:read",
    "projects:run",
    "projects:write",
    "users:read",
    "users:write",
    "groups:read",
    "groups:write",
    "collections:read",
    "collections:write",
    "data-connections:read",
    "data-connections:write",
    "guides:write",
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request: a user (personal token), or the workspace itself (`user` is None)."""

    token: str
    user: str | None
    role: str
    scopes: frozenset[str] = field(default_factory=frozenset)

    @property
    def owner(self) -> str:
        """Whose quota and kernels it uses: the user over all its tokens, else the token."""
        return self.user or self.token

    def demand(self, scope: str, role: str) -> None:
        """Raise a 403 when the token lacks the scope, or its user the role."""
        if self.user is None:
            if not self.holds(scope):
                raise forbidden(f"This workspace token lacks the scope {scope!r}")
        elif ROLES.index(self.role) < ROLES.index(role):
            raise forbidden(f"This needs the role {role} or higher; the token's user is {self.role}")

    def holds(self, scope: str) -> bool:
        """Return whether a workspace token has the scope; write includes read."""
        area, _, verb = scope.partition(":")
        return not scope or scope in self.scopes or (verb == "read" and f"{area}:write" in self.scopes)


def identify(state: dict[str, Json], header: str | None, now: float) -> Caller | None:
    """Return who the `Authorization` header belongs to, or None when nobody accepts it (any more)."""
    kind, _, value = (header or "").partition(" ")
    token = state["tokens"].get(value.strip()) if kind.lower() == "bearer" else None
    if token is None or token["revoked"] or (token["expires"] is not None and token["expires"] <= now):
        return None
    if token["kind"] == "workspace":
        return Caller(value.strip(), None, "ADMIN", frozenset(token["scopes"]))
    user = state["users"][token["user"]]
    if not user["active"]:
        return None
    return Caller(value.strip(), user["id"], user["role"])


def check_scopes(scopes: tuple[str, ...]) -> tuple[str, ...]:
    """Return the scopes; raise UsageError that names each unknown one and the nearest known."""
    for scope in scopes:
        if scope not in SCOPES:
            near = nearest(scope, SCOPES)
            hint = f"did you mean {near!r}?" if near else f"known scopes: {', '.join(SCOPES)}"
            raise UsageError(f"unknown scope {scope!r}", hint=hint)
    return scopes


def access(state: dict[str, Json], caller: Caller, project: dict[str, Json]) -> int:
    """Return how far the caller may go in a project, as an index into ACCESS."""
    if caller.user is None:
        return 4 if caller.holds("projects:write") else 2
    if caller.role == "ADMIN" or caller.user in (project["owner"], project["creator"]):
        return 4
    sharing = project["sharing"]
    granted = [sharing["users"].get(caller.user, "NONE"), sharing["workspace"]]
    granted += [level for group, level in sharing["groups"].items() if is_member(state, group, caller.user)]
    granted += [level for key, level in sharing["collections"].items() if _collects(state, key, caller.user)]
    return max(ACCESS.index(level) for level in granted)


def is_member(state: dict[str, Json], group: str, user: str) -> bool:
    """Return whether the user is in the group; a deleted group has no members."""
    return group in state["groups"] and user in state["groups"][group]["members"]


def _collects(state: dict[str, Json], key: str, user: str) -> bool:
    sharing = state["collections"][key]["sharing"]
    if sharing["members"] != "NONE" or sharing["users"].get(user, "NONE") != "NONE":
        return True
    return any(is_member(state, group, user) for group, level in sharing["groups"].items() if level != "NONE")


def unauthorized(presented: bool) -> tuple[int, dict[str, str], bytes]:
    """Return the 401 of Hex's edge: plain text, before any route is looked at."""
    challenge = 'Bearer error="invalid_token"' if presented else "Bearer"
    return 401, {"content-type": "text/plain; charset=utf-8", "www-authenticate": challenge}, b"Unauthorized"


def needs(level: int, wanted: str, what: str) -> None:
    """Raise a 403 when `level` is below `wanted`."""
    if level < ACCESS.index(wanted):
        raise Refusal(403, f"{what} needs {wanted} on the project; this token has {ACCESS[level]}")
