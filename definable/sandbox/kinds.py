"""Every fault that there is: its name, what it does, and its parameters."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field

from definable.spec.model import FileModel

Where = Annotated[str, Field(pattern=r"[^.\[\]]")]
"""A path that names something, such as values[*].id."""


class Stage(StrEnum):
    """When a fault strikes. Of `EDGE` and `COMMIT` together at most one hits a request; the others add up."""

    EDGE = "instead of the handler"
    COMMIT = "around the commit"
    REQUEST = "on the request"
    RESPONSE = "on the response"


class Plain(FileModel):
    """A fault without parameters."""


class RateLimit(FileModel):
    """`rate_limit`."""

    retry_after: float | Literal["date", "none", "garbage"] = Field(
        "none", description="seconds, date, none for no header, or garbage"
    )
    seconds: float = Field(2.0, ge=0, description="how far ahead the date lies")
    skew: float = Field(
        0.0, description="how many seconds the server's own clock is ahead (Date and Retry-After)"
    )


class Status(FileModel):
    """A fault that answers with an error status."""

    status: int = Field(500, ge=400, le=599, description="status of the answer")


class Refused(FileModel):
    """`refused_but_done`."""

    status: Literal[400, 401, 403, 404, 409, 422, 429, 503] = Field(
        403, description="status of the refusal: 400, 401, 403, 404, 409, 422, 429 or 503"
    )
    retry_after: float | None = Field(None, ge=0, description="seconds; no header when not given")


class Seconds(FileModel):
    """A fault that takes time."""

    seconds: float = Field(30.0, ge=0, description="real seconds")


class Stall(Seconds):
    """`stall`."""

    commit: bool = Field(True, description="whether the request is performed all the same")


class Late(FileModel):
    """`late_commit`."""

    seconds: float = Field(5.0, ge=0, description="sandbox seconds until it commits")
    looks: int | None = Field(
        None, ge=0, description="commit after so many reads were answered, whatever the time"
    )
    answer: Literal["lost", "error"] = Field("lost", description="lost: no answer; error: a 500")


class Rename(FileModel):
    """`drift_rename` and `drift_move`."""

    from_: Where = Field(alias="from", description="path, such as values[*].id")
    to: Where = Field(description="new last name, or a path")


class Cut(FileModel):
    """`cut`."""

    after: int | None = Field(
        None, ge=0, description="bytes of the body that still arrive; half of it when not given"
    )


class At(FileModel):
    """A drift of one place."""

    path: Where = Field(description="path, such as values[*].id")


class Retype(At):
    """`drift_retype`."""

    to: Literal["string", "number", "boolean", "list", "object", "null"] = Field(
        "string", description="string, number, boolean, list, object or null"
    )


class Add(At):
    """`drift_add`."""

    value: Any = Field("new", description="what appears there")


class Enum_(At):
    """`drift_enum`."""

    to: str = Field("NEW_VALUE", description="value that nobody knows yet")


class Key(FileModel):
    """`drift_wrap` and `drift_unwrap`."""

    key: str = Field("data", description="name of the envelope")


class Success(FileModel):
    """`drift_status`."""

    status: int | None = Field(
        None, ge=200, le=299, description="new status; 201 and 200 change places when not given"
    )


class Body(FileModel):
    """`drift_body`."""

    body: Any = Field(
        None, description="the body that appears where there was none; {success: true} when not given"
    )


class Paging(FileModel):
    """`drift_paging`."""

    to: Where = Field("nextCursor", description="new path of the cursor")


class Errors(FileModel):
    """`drift_errors`."""

    form: Literal["nested", "list", "text"] = Field("nested", description="nested, list or text")


class Wish(FileModel):
    """A server that wants something else of a request, and says so."""

    status: Literal[400, 422] = Field(400, description="status of the refusal")
    words: Literal["issues", "sentences", "text", "keys", "loc", "fields"] = Field(
        "issues", description="how it says so: issues, sentences, text, keys, loc or fields"
    )


class RequestRename(Wish):
    """`request_rename`."""

    from_: Where = Field(
        alias="from", description="field that the server no longer takes, a path in body or query"
    )
    to: Where = Field(description="field that it wants instead")


class RequestRequired(Wish):
    """`request_required`."""

    field: Where = Field(description="field that the server now demands, a path in body or query")


class RequestRetype(Wish):
    """`request_retype`."""

    field: Where = Field(description="field whose type is another, a path in the body")
    to: Literal["string", "array"] = Field("array", description="string or array")


class RequestWord(Wish):
    """`request_word`."""

    field: Where = Field(description="field whose words are in lower case now, a path in body or query")


class Huge(FileModel):
    """`huge`."""

    bytes: int = Field(30_000_000, ge=1, description="size of the body")


class Partial(FileModel):
    """`partial`."""

    entries: int = Field(1, ge=1, description="how many entries, from the first, are refused")


@dataclass(frozen=True, slots=True)
class Kind:
    """One fault: what it does, when it strikes, and the model of its parameters."""

    description: str
    stage: Stage
    params: type[FileModel] = Plain


E, C, Q, R = Stage.EDGE, Stage.COMMIT, Stage.REQUEST, Stage.RESPONSE

FAULTS: dict[str, Kind] = {
    "rate_limit": Kind("429; nothing is done", E, RateLimit),
    "unauthorized": Kind("401 for this request; the token stays good", E),
    "revoke": Kind("the token that was used is revoked: 401 from now on", E),
    "expire": Kind("the token that was used ends now: 401 from now on", E),
    "forbidden": Kind("403; nothing is done", E),
    "not_found": Kind("404; nothing is done", E),
    "capacity": Kind("503, no kernel free; nothing is done", E),
    "error_before": Kind("a 5xx before the commit; nothing is done", E, Status),
    "reset": Kind("the connection is reset before the commit; nothing is done", E),
    "error_after": Kind("it is done, and the answer is a 5xx", C, Status),
    "refused_but_done": Kind("it is done, and the answer says that it was refused", C, Refused),
    "lost_answer": Kind("it is done, then the connection is closed without an answer", C),
    "late_commit": Kind(
        "the answer is lost or an error, and it is done only later, after the client has looked", C, Late
    ),
    "stall": Kind("no answer for a while, then the connection is closed", C, Stall),
    "slow": Kind("the right answer, late", C, Seconds),
    "cut": Kind("it is done, and the connection is cut in the middle of the body", C, Cut),
    "garbage": Kind("it is done, and the answer is a 200 with HTML", C),
    "truncated": Kind("it is done, and the answer is JSON that stops half-way", C),
    "empty": Kind("it is done, and the answer has no body", C),
    "huge": Kind("it is done, and the answer is very large", C, Huge),
    "noop": Kind("the answer says that it was done, and nothing was", C),
    "partial": Kind(
        "a success that lists failures: the first entries are refused, or all if there are no entries",
        C,
        Partial,
    ),
    "request_rename": Kind(
        "the server wants another name for a field, and refuses the old one, naming both", Q, RequestRename
    ),
    "request_required": Kind(
        "the server demands a field, and refuses requests without it, naming it", Q, RequestRequired
    ),
    "request_case": Kind(
        "the server wants the names at the top of a request in snake_case, and refuses others", Q, Wish
    ),
    "request_retype": Kind("the server wants a field in another type, and says which", Q, RequestRetype),
    "request_word": Kind(
        "the server wants a word of an enumeration in lower case, and lists what it takes", Q, RequestWord
    ),
    "drift_rename": Kind("a field has a new name", R, Rename),
    "drift_move": Kind("a field stands elsewhere", R, Rename),
    "drift_retype": Kind("a value has another type", R, Retype),
    "drift_null": Kind("a value is null", R, At),
    "drift_remove": Kind("a field is gone", R, At),
    "drift_add": Kind("a field is new", R, Add),
    "drift_enum": Kind("a value is one that nobody knows", R, Enum_),
    "drift_case": Kind("all keys are in snake_case", R),
    "drift_wrap": Kind("the body stands in an envelope", R, Key),
    "drift_unwrap": Kind("the body is only what stood under a key", R, Key),
    "drift_status": Kind("another success code", R, Success),
    "drift_body": Kind("the body has vanished, or one has appeared", R, Body),
    "drift_paging": Kind("the cursor to the next page has another name or place", R, Paging),
    "drift_errors": Kind("errors have another envelope; strikes where the answer is an error", R, Errors),
}
"""Every fault by name."""


def describe() -> list[tuple[str, str, str]]:
    """Return name, description and parameters (`name=default: what it is`) of every fault."""
    return [(name, kind.description, _parameters(kind.params)) for name, kind in FAULTS.items()]


def _parameters(model: type[FileModel]) -> str:
    parts = []
    for name, field in model.model_fields.items():
        default = (
            ""
            if field.is_required() or field.default is None
            else f"={field.default}".replace("True", "true")
        )
        needed = " (required)" if field.is_required() else ""
        parts.append(f"{field.alias or name}{default}{needed}: {field.description}")
    return "; ".join(parts)
