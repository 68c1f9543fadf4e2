"""What a client is told when something is wrong: problem details for HTTP APIs, RFC 9457."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match

from definable.errors import (
    CredentialsError,
    DefinableError,
    DefinitionError,
    LimitReached,
    ModelError,
    RunBusy,
    StoreError,
    UpstreamError,
    UsageError,
)
from definable.redaction import Redactor

MEDIA = "application/problem+json"

OPENAI = "/v1/"
"""Where OpenAI's API is spoken."""

KINDS = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
"""What OpenAI calls them."""

REDACTOR = Redactor()


class Problem(BaseModel):
    """What went wrong, for people and programs."""

    model_config = ConfigDict(extra="allow")

    type: str = "about:blank"
    title: str
    """The kind of problem, such as `Not Found`."""
    status: int
    detail: str = ""
    """What happened, with the value."""
    hint: str = ""
    """What to do next."""
    errors: list[dict[str, Any]] = Field(default_factory=list)
    """Where there are several: each with `where` and `message`."""


class OpenAIProblem(BaseModel):
    """The same, as OpenAI's clients know it."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class OpenAIError(BaseModel):
    """An error of OpenAI's API."""

    error: OpenAIProblem


class Answer(JSONResponse):
    """JSON, in which half a character that somebody sent is an escape."""

    def render(self, content: Any) -> bytes:
        """Return the body."""
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode(
            "utf-8", "backslashreplace"
        )


class Refusal(Exception):
    """A request that is answered with a problem."""

    def __init__(
        self,
        status: int,
        detail: str,
        hint: str = "",
        headers: dict[str, str] | None = None,
        errors: list[dict[str, Any]] | None = None,
        code: str = "",
    ) -> None:
        """Keep what the client is told."""
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.hint = hint
        self.headers = headers or {}
        self.code = code
        """What OpenAI's clients know it by."""
        self.errors = errors


STATUS: tuple[tuple[type[DefinableError], int], ...] = (
    (RunBusy, 409),
    (UsageError, 422),
    (DefinitionError, 422),
    (LimitReached, 409),
    (CredentialsError, 503),
    (UpstreamError, 502),
    (ModelError, 502),
    (StoreError, 503),
    (DefinableError, 500),
)
"""The first that fits is the status."""


def problem(
    status: int,
    detail: str = "",
    hint: str = "",
    errors: list[dict[str, Any]] | None = None,
    headers: dict[str, str] | None = None,
    *,
    path: str = "",
    code: str = "",
) -> JSONResponse:
    """Return a problem as a response; on paths that speak OpenAI's API, in its shape."""
    if path.startswith(OPENAI):
        return _openai(status, f"{detail}; {hint}" if hint else detail, code, headers)
    body = Problem(
        title=HTTPStatus(status).phrase, status=status, detail=detail, hint=hint, errors=errors or []
    )
    return Answer(REDACTOR.json(body.model_dump()), status, headers=headers, media_type=MEDIA)


def _openai(status: int, message: str, code: str, headers: dict[str, str] | None) -> JSONResponse:
    """Return an error as OpenAI's API gives it: there a request that cannot be processed is a bad one."""
    kind = next(
        (kind for known, kind in KINDS.items() if status == known),
        "server_error" if status >= 500 else "invalid_request_error",
    )
    body = OpenAIError(error=OpenAIProblem(message=message, type=kind, code=code or None))
    return Answer(REDACTOR.json(body.model_dump()), 400 if status == 422 else status, headers=headers)


def of(error: DefinableError, path: str = "") -> JSONResponse:
    """Return an error of ours as a response."""
    status = next(code for kind, code in STATUS if isinstance(error, kind))
    errors = []
    if isinstance(error, DefinitionError):
        errors = [
            {"where": f"{each.file}:{each.line}:{each.column}", "message": each.message}
            for each in error.problems
        ]
    if isinstance(error, DefinitionError) and path.startswith(OPENAI):
        return problem(status, "; ".join(map(str, error.problems)), error.hint, path=path)
    return problem(status, error.message, error.hint, errors, path=path)


def _invalid(error: RequestValidationError, path: str) -> JSONResponse:
    errors = [
        {"where": ".".join(str(part) for part in each["loc"]), "message": each["msg"]}
        for each in error.errors()
    ]
    said = "; ".join(f"{each['where']}: {each['message']}" for each in errors[:5])
    return problem(422, said, "see /docs for what is expected", errors, path=path)


def refusal(error: Refusal, path: str = "") -> JSONResponse:
    """Return a refusal as a response."""
    return problem(
        error.status, error.detail, error.hint, error.errors, error.headers, path=path, code=error.code
    )


def _methods(app: FastAPI, request: Request) -> set[str]:
    """The methods that an address takes: it may have a route for each."""
    found: set[str] = set()
    for route in app.routes:
        if route.matches(request.scope)[0] is not Match.NONE:
            found |= getattr(route, "methods", None) or set()
    return found


def install(app: FastAPI) -> None:
    """Have every error of the app answered with a problem."""

    @app.exception_handler(Refusal)
    async def refused(request: Request, error: Refusal) -> JSONResponse:
        return refusal(error, request.url.path)

    @app.exception_handler(DefinableError)
    async def ours(request: Request, error: DefinableError) -> JSONResponse:
        return of(error, request.url.path)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return _invalid(error, request.url.path)

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        headers = dict(error.headers) if error.headers else None
        if error.status_code == 405:
            headers = {"allow": ", ".join(sorted(_methods(app, request)))}
        return problem(error.status_code, str(error.detail), headers=headers, path=request.url.path)
