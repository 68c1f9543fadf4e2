"""What handlers are given: the desk, and the caller, who has to have a level."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer
from starlette.requests import HTTPConnection

from definable.service.access import LOCAL, Caller, Level
from definable.service.desk import Desk
from definable.service.problems import Problem, Refusal

PROBLEMS = {
    "default": {
        "model": Problem,
        "description": "What is wrong, and what to do",
        "content": {"application/problem+json": {}},
    }
}
"""For every route: errors are problems."""


def desk(connection: HTTPConnection) -> Desk:
    """Return the desk of the app."""
    found: Desk = connection.app.state.desk
    return found


def caller(connection: HTTPConnection) -> Caller:
    """Return who sends a request."""
    found: Caller = getattr(connection.state, "caller", None) or LOCAL
    return found


BEARER = HTTPBearer(auto_error=False, description="A key of the service; none is needed while there is none")
"""For the description of the API: the gate has looked at the key before."""

AtDesk = Annotated[Desk, Depends(desk)]


class _Needs:
    """Refuses callers below a level."""

    def __init__(self, level: Level) -> None:
        self.level = level

    def __call__(self, request: Request, key: Annotated[object, Security(BEARER)] = None) -> Caller:
        found = caller(request)
        if not found.may(self.level):
            raise Refusal(
                403,
                f"the key {found.name!r} is for a {found.level}; this needs {self.level}",
                f"definable keys grant NAME --scope {self.level}",
            )
        return found


Viewer = Annotated[Caller, Depends(_Needs("viewer"))]
Operator = Annotated[Caller, Depends(_Needs("operator"))]
Approver = Annotated[Caller, Depends(_Needs("approver"))]
Admin = Annotated[Caller, Depends(_Needs("admin"))]
