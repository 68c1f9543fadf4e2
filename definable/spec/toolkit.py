"""What a toolkit's files may say. A toolkit is one product: `tools/NAME.yaml`, or `tools/NAME/*.yaml` merged.

Nothing here knows a product. Text in `${{ }}` is a path over these names: `arguments` (as sent), `result`
(the accepted response), each name under `before` and `after` (what a look saw), `item` (one entry of a list).
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from definable.spec.model import Duration, Effect, Evidence, FileModel


class Source(FileModel):
    """Where a key comes from: exactly one of an environment variable, or a file or a command named by one."""

    env: str | None = None
    file_env: str | None = Field(
        None, description="Environment variable that holds the path of a file with the key"
    )
    command_env: str | None = Field(
        None, description="Environment variable that holds a command line that prints the key; no shell"
    )

    @model_validator(mode="after")
    def _one(self) -> Source:
        if [self.env, self.file_env, self.command_env].count(None) != 2:
            raise ValueError("a credential source is one of env, file_env and command_env")
        return self

    @property
    def variable(self) -> str:
        """The environment variable that it starts from."""
        return self.env or self.file_env or self.command_env or ""

    @property
    def name(self) -> str:
        """What the source is called in receipts and messages."""
        kind = " (file)" if self.file_env else " (command)" if self.command_env else ""
        return f"{self.variable}{kind}"


class BaseUrl(FileModel):
    """Where the product is: the environment variable wins over the default."""

    env: str
    default: str
    path: str = Field("", description="What the base URL must end in, such as /api; added when it is missing")


class ErrorEnvelope(FileModel):
    """One shape of the product's error bodies: paths into the body."""

    message: str
    details: str | None = None
    issues: str | None = Field(
        None, description="Path to texts about single fields, such as issues[*].message"
    )
    trace: str | None = None


class Window(FileModel):
    """A quota: `limit` requests in any `window`."""

    limit: int = Field(ge=1)
    window: Duration


class Format(FileModel):
    """A kind of text argument: what it looks like, and what people paste instead."""

    pattern: str
    extract: tuple[str, ...] = Field(
        (), description="Regular expressions whose first group is the value, for pasted URLs"
    )
    lower: bool = Field(False, description="Upper and lower case mean the same; the product shows lower case")
    hint: str = ""


class Paging(FileModel):
    """How a list goes on. `cursor`: the value at `next` is sent as `into`. `offset`: `into` counts items."""

    kind: Literal["cursor", "offset"]
    items: str = Field(description="Path of the list in a response")
    next: str = Field(description="Path whose null says that this was the last page")
    into: str = Field(description="Argument that asks for the next page")
    size: str = Field(
        "limit",
        description="Argument that sets the page size; when a caller gives it, only that page is read",
    )
    largest: int = Field(description="The largest page size that the product allows")


class Look(FileModel):
    """A read made to find out what is so."""

    call: str
    arguments: dict[str, Any] = Field(default_factory=dict, alias="with")
    when: str | None = None
    one_page: bool = Field(False, description="Read the first page only, as for newest-first lists")


class Expect(FileModel):
    """One condition on what was seen. Exactly one form.

    It is skipped when a path in `is`, `where` or `entries` leads to an argument that was not given.

    `at` + `is`: the value there equals this (and when this equals `gone`, nothing there does too).
    `at` + `empty`: nothing there, or an empty list. `at` + `one_of`: it is one of these.
    `in` + `where` + `count`: this many entries of the list match.
    `entries`: each wanted entry (whose subject is at `id`, or which is the subject where `id` is empty) is
    shown in the list at `shown` (whose subject is at `name`) with the same `value`; a value equal to `gone`
    means that it must not be shown. `named` translates ids into shown names through a list that was read.
    """

    at: str | None = None
    is_: Any = Field(None, alias="is")
    empty: bool | None = None
    one_of: tuple[Any, ...] | None = None
    in_: str | None = Field(None, alias="in")
    where: dict[str, Any] | None = None
    count: int | None = None
    entries: str | None = None
    id: str | None = None
    shown: str | None = None
    name: str | None = None
    value: str | None = None
    gone: str | None = None
    absent: bool = Field(False, description="Every entry must not be shown, as for members removed")
    named: Named | None = None
    says: str = Field("", description="What is wrong when it does not hold, for people")


class Named(FileModel):
    """A list in which ids stand beside the names under which they are shown elsewhere."""

    in_: str = Field(alias="in")
    id: str
    name: str


class Lost(FileModel):
    """What to do when an answer was lost.

    `new`: look for an entry that matches and was not there before; one → `adopt` it; none after the settle
    time → send again; several → a person. `state`: the `after` looks say whether it happened. `resend`:
    sending it twice is harmless. `ask`: nobody can look; a person.
    """

    how: Literal["new", "state", "resend", "ask"]
    look: str | None = Field(None, description="Name of the `before` look to repeat")
    in_: str | None = Field(None, alias="in")
    id: str | None = None
    where: dict[str, Any] = Field(default_factory=dict)
    adopt: Any = Field(None, description="The result, when the effect is found to have happened")
    foreign: str = Field(
        "", description="Others could have made the match: adopt only with an exclusive token; says why"
    )
    warn: str = Field("", description="What a person should know of the resend")


class Poll(FileModel):
    """The call only started something: look until it has ended. Values not named are waited on."""

    call: str
    arguments: dict[str, Any] = Field(alias="with")
    when: str | None = None
    at: str
    done: tuple[str, ...]
    failed: tuple[str, ...]
    every: Duration


class Ensure(FileModel):
    """How to make sure that something exists once: what to look at, and how to bring it up to date."""

    look: Look
    in_: str = Field(alias="in")
    match: dict[str, str] = Field(description="Argument → path in an entry of the list")
    update: Look = Field(description="The call that brings the entry found (`item`) to the wanted state")


class Undo(FileModel):
    """What takes a write back: a call of this toolkit, or why there is none."""

    call: str | None = Field(None, description="The tool that takes it back")
    arguments: dict[str, Any] = Field(
        default_factory=dict, alias="with", description="Its arguments, from `arguments` and `result`"
    )
    says: str = Field("", description="Why nothing takes it back, for people")

    @model_validator(mode="after")
    def _one(self) -> Undo:
        if (self.call is None) != bool(self.says):
            raise ValueError("undo names either a call, or in `says` why there is none")
        return self


class Rewrite(FileModel):
    """Before sending, arguments that are too wide are replaced by exact ones, from what was looked at."""

    when: str
    arguments: dict[str, Any]
    drop: tuple[str, ...] = ()
    empty: str = Field("", description="Argument that, when it ends up empty, means there is nothing to do")


class Rule(FileModel):
    """What several arguments must keep to together; checked before anything is sent."""

    schema_: dict[str, Any] = Field(alias="schema", description="JSON Schema of all arguments as one object")
    says: str = Field(description="What is wrong when it does not hold, and what to give instead")


class Tool(FileModel):
    """One operation of the product."""

    title: str
    description: str
    operation: str = Field(description="The product's own name of the operation")
    request: str = Field(description="Method and path, such as GET /v1/cells/{cellId}")
    effect: Effect
    arguments: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="JSON Schema of each argument, in the product's names"
    )
    required: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    query: tuple[str, ...] = Field(
        (), description="Arguments that go into the query though the method has a body"
    )
    optional_body: bool = False
    success: tuple[int, ...] = (200,)
    response: dict[str, Any] | None = Field(
        None, description="JSON Schema of the response; none when there is no body"
    )
    rejects: tuple[int, ...] = Field((), description="5xx statuses that promise that nothing was done")
    quota: tuple[str, ...] = ()
    holds: str | None = Field(None, description="Semaphore held until the call has ended, such as kernels")
    needs: str = Field("", description="Permission or scope that it takes")
    asks: bool = Field(False, description="A person is asked unless told otherwise")
    internal: bool = Field(False, description="Needed to verify others; not offered as a tool")
    targets: tuple[str, ...] = Field((), description="Arguments that say where an effect lands")
    identity: tuple[str, ...] = Field(
        (), description="Paths in the response that are ids and may become targets"
    )
    paging: Paging | None = None
    before: dict[str, Look] = Field(default_factory=dict)
    rewrite: Rewrite | None = None
    poll: Poll | None = None
    after: dict[str, Look] = Field(default_factory=dict)
    expect: tuple[Expect, ...] = ()
    evidence: Evidence | None = None
    basis: str = Field("", description="What the evidence rests on, and what it does not cover")
    lost: Lost | None = None
    settle: Duration = Field(0.0, description="After this time, what is not seen is not there")
    ensure: Ensure | None = None
    undo: Undo | None = None
    link: str | None = Field(None, description="Where a person can look at the result")

    @property
    def method(self) -> str:
        """The HTTP method."""
        return self.request.split()[0]

    @property
    def path(self) -> str:
        """The path template."""
        return self.request.split()[1]


class Toolkit(FileModel):
    """One SaaS product and all of its tools."""

    toolkit: str
    title: str
    description: str = ""
    base_url: BaseUrl
    credentials: tuple[Source, ...] = Field(min_length=1)
    exclusive_env: str | None = Field(
        None, description="Environment variable that declares that nobody else uses the token"
    )
    arrays: Literal["repeat", "comma", "brackets"] = "repeat"
    timeout: Duration = 30.0
    max_response: int = Field(20_000_000, description="Bytes")
    who: str | None = Field(None, description="Tool that tells whose token it is")
    expiry: str | None = Field(
        None, description="Path in the answer of `who`: when the key ends, in seconds since 1970 or RFC 3339"
    )
    whose: tuple[str, ...] = Field(
        (),
        description="Paths in the answer of `who`: whose key it is; the first that is there",
    )
    secret_keys: tuple[str, ...] = Field(
        (), description="Keys whose values are never kept, anywhere in a response"
    )
    errors: tuple[ErrorEnvelope, ...] = ()
    statuses: dict[int, str] = Field(
        default_factory=dict, description="What a status means here and what to do, for people"
    )
    quotas: dict[str, tuple[Window, ...]] = Field(default_factory=dict)
    holds: dict[str, int] = Field(default_factory=dict, description="Semaphores and their size")
    formats: dict[str, Format] = Field(default_factory=dict)
    shapes: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="JSON Schemas that tools refer to as #/$defs/NAME"
    )
    tools: dict[str, Tool] = Field(min_length=1)


Expect.model_rebuild()
