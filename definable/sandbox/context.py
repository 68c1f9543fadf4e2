"""One request as a handler sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

from pydantic import BaseModel, ValidationError

from definable.sandbox.answers import Json, bad, missing
from definable.sandbox.auth import Caller, access, needs
from definable.sandbox.params import Read, read_params
from definable.sandbox.world import World

Body = TypeVar("Body", bound=BaseModel)


@dataclass
class Context:
    """A request that was let in: by whom, for which tool, with what. The first `refuse` entries fail."""

    world: World
    caller: Caller
    tool: str
    path: dict[str, str] = field(default_factory=dict)
    query: Mapping[str, list[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    base: str = "http://sandbox"
    trace: str = ""
    refuse: int = 0

    @property
    def state(self) -> dict[str, Json]:
        """The world's state, as it is now."""
        return self.world.state

    def params(
        self, spec: Mapping[str, tuple[Read, Json]], required: tuple[str, ...] = ()
    ) -> dict[str, Json]:
        """Return the query parameters. Raises a 400 that names every wrong one."""
        return read_params(spec, self.query, required)

    def read(self, model: type[Body], optional: bool = False) -> Body:
        """Return the JSON body. Raises a 400 that names every wrong field; empty is `{}` when `optional`."""
        raw = self.body or (b"{}" if optional else b"")
        try:
            return model.model_validate_json(raw)
        except ValidationError as error:
            issues = [f"{'.'.join(map(str, e['loc'])) or 'body'}: {e['msg']}" for e in error.errors()]
            raise bad("Invalid request body", *issues) from None

    def id(self, name: str) -> str:
        """Return an id of the path. Raises a 400 when it is not a UUID."""
        return uuid_of(self.path[name], name)

    def changed(self, key: str) -> None:
        """Record that this tool call has really changed the object `key`."""
        self.world.effect(self.tool, key)

    def project(self, key: str, wanted: str = "APP_ONLY", what: str = "This") -> dict[str, Json]:
        """Return a project. 404 when the caller may not see it, 403 when it may do less than `wanted`."""
        project = self.state["projects"].get(uuid_of(key, "projectId"))
        level = access(self.state, self.caller, project) if project else 0
        if project is None or level == 0:
            raise missing("Project", key)
        needs(level, wanted, what)
        return project  # type: ignore[no-any-return]

    def find(self, table: str, what: str, key: str) -> dict[str, Json]:
        """Return one object of a table. Raises a 404."""
        if key not in self.state[table]:
            raise missing(what, key)
        return self.state[table][key]  # type: ignore[no-any-return]


def uuid_of(value: str, name: str) -> str:
    """Return the UUID in its usual writing. Raises a 400 that names the field."""
    try:
        return str(UUID(value))
    except ValueError:
        raise bad(f"Invalid {name}", f"{name}: {value!r} is not a UUID") from None


def email(state: dict[str, Json], user: str) -> dict[str, str]:
    """Return `{email}` of a user, the form in which Hex names people."""
    return {"email": state["users"][user]["email"]}
