"""The data everything speaks: what is to be done, what came of it, what is concluded, and the evidence.

A *call* is one intended tool invocation. The Verifier turns it into *orders* (send this now, ask a
person); each order gets one *reply* (an outcome, a decision). Order and reply together are an
*exchange*; the exchanges of a call, in order, are all that is needed to know where it stands.
"""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from definable.spec.model import Evidence

Json = Any
"""A JSON value. `Any` stands at the JSON border only."""


class Fact(BaseModel):
    """Base of everything recorded: frozen, no unknown keys, equal by value."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, ser_json_inf_nan="constants"
    )


class Phase(StrEnum):
    """How far one attempt got."""

    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"
    REJECTED = "rejected"
    COMMITTED = "committed"


class Failure(StrEnum):
    """The class of what an attempt produced. `OK` is no failure."""

    OK = "ok"
    RATE_LIMITED = "rate_limited"
    CAPACITY = "capacity"
    AUTH_EXPIRED = "auth_expired"
    AUTH_STRAY = "auth_stray"
    PERMISSION = "permission"
    NOT_FOUND = "not_found"
    INVALID_INPUT = "invalid_input"
    CONFLICT = "conflict"
    DRIFT = "drift"
    REQUEST_DRIFT = "request_drift"
    FALSE_SUCCESS = "false_success"
    UNKNOWN_OUTCOME = "unknown_outcome"
    UPSTREAM_5XX = "upstream_5xx"
    NETWORK = "network"
    NO_CREDENTIALS = "no_credentials"
    TOO_LARGE = "too_large"
    WRONG_HOST = "wrong_host"


class ToolCall(Fact):
    """One intended tool invocation, its arguments normalised (aliases resolved, URLs turned into ids)."""

    id: str
    """`STEP.N`, unique in its run and the name that findings cite: `research.3`."""
    tool: str
    arguments: dict[str, Json]
    step: str
    run: str
    ordinal: int = 0
    """Which of several calls with the same step, tool and arguments this is."""
    ensure: tuple[str, ...] = ()
    """Arguments that identify what must exist once: look first, update what is there, else create."""
    approval: Literal["none", "needed", "given"] = "none"
    """Whether a person is asked before it is sent; `given` when a definition or a flag answered ahead."""
    concern: str = ""
    """Why a person must look although the tool does not ask: a target of doubtful origin."""

    @property
    def effect_id(self) -> str:
        """The ledger's key: stable across retries, healing and crashes. No model's id is in it."""
        return digest([self.run, self.step, self.tool, self.arguments, self.ordinal])[:32]

    @property
    def arguments_hash(self) -> str:
        """What an approval binds to: tool and exact arguments."""
        return digest([self.tool, self.arguments])[:32]


class Rewording(Fact):
    """How one place of a call's arguments is sent when the server no longer takes it as the toolkit has it.

    `path` is where it stands, such as `files[*].path`. `to` is the new path (`rename`), the JSON type
    (`coerce`), or the server's word for the value `of` (`word`).
    """

    rule: Literal["rename", "coerce", "word"]
    path: str
    to: str
    of: str = ""


class Send(Fact):
    """Order: perform one attempt. `delay` is in seconds; `role` tells the call itself from its children."""

    kind: Literal["send"] = "send"
    tool: str
    arguments: dict[str, Json]
    """In the toolkit's names, whatever `changes` makes of them on the wire."""
    changes: tuple[Rewording, ...] = ()
    role: Literal["call", "before", "look", "poll", "page", "who", "check"] = "call"
    """`who` and `check` are no part of a call: they ask whose a key is, and whether a refused one is good."""
    attempt: int = 1
    delay: float = 0.0
    effect: str | None = None
    """Effect id, when this attempt may change something: the ledger must know of it before the first byte."""
    fresh: bool = False
    """The credential last used was refused: take the next source."""
    retry: bool = False
    """It repeats what a transient failure spoiled, so it takes one of the run's retries."""
    why: str = ""
    alone: str = ""
    """The place in which nobody else may write meanwhile: what is new there must be ours."""


class Ask(Fact):
    """Order: only a person may decide. `reason` is the run's waiting reason."""

    kind: Literal["ask"] = "ask"
    reason: Literal["approval", "auth", "review"]
    question: str
    tool: str
    arguments: dict[str, Json]
    arguments_hash: str
    candidates: tuple[dict[str, Json], ...] = ()
    """What may be the lost effect, when `reason` is `review`."""
    diff: tuple[str, ...] = ()
    """What does not fit, line by line, when a request or a response has another form than agreed."""
    yes: str = ""
    """What approving does, in a few words, where that is not plain."""
    no: str = ""
    """What denying does."""
    again: str = ""
    """What it does to approve and say `again`, where that is a choice of its own."""


Order = Annotated[Send | Ask, Field(discriminator="kind")]


Cause = Literal[
    "", "connect", "dns", "tls", "timeout", "reset", "too_large", "crash", "no_credentials", "others"
]
"""Why an attempt has no response."""


class Margin(Fact):
    """What a run had left when an attempt had its answer."""

    retries: int
    """Transient failures that may still be answered by sending again."""
    seconds: float | None = None
    """Until the nearest limit on time; None where there is none."""


class Outcome(Fact):
    """Reply to a `Send`: what one attempt produced, as it came, with secrets taken out."""

    kind: Literal["outcome"] = "outcome"
    phase: Phase
    status: int | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    """Lower-case names; only those that matter for healing and tracing."""
    body: Json = None
    """The parsed JSON, the text when it was not JSON, None when there was none."""
    doubled: tuple[str, ...] = ()
    """Names that stand twice in one object of the JSON with other values, of which `body` has the last."""
    media: Literal["json", "text", "none"] = "none"
    error: str = ""
    """Why there is no response, for people: `connection refused`, `no answer within 30 s`."""
    cause: Cause = ""
    seconds: float = 0.0
    credential: str = ""
    """Which source was used, by name, never by value."""
    at: str = ""
    """When the attempt ended, RFC 3339 in UTC."""
    known: int = 0
    """The last row of the record of contracts that was known then: a replay judges by no more than that."""
    reworded: tuple[Rewording, ...] = ()
    """How it left, when that was in the server's own words: as ordered, or by what the record knew."""
    waited: float = 0.0
    """Seconds that it was held back before it was sent."""
    held_by: str = ""
    """What held it back longest: a bucket of a quota, or `breaker`."""
    margin: Margin | None = None
    shared: bool = False
    """Another run wrote in the call's place since its first look, so that what is new may be its."""
    stray: bool = False
    """The key was refused here, and accepted when the product was asked about it right after."""


class Decision(Fact):
    """Reply to an `Ask`. `adopt` names a candidate that a person recognised as the lost effect.

    `again`: what is there is not what was meant, and another one is to be made.
    """

    kind: Literal["decision"] = "decision"
    approve: bool
    by: str
    reason: str = ""
    adopt: str | None = None
    again: bool = False
    arguments: dict[str, Json] | None = None
    """What is approved instead of what was asked about: a person changed it."""
    arguments_hash: str = ""
    at: str = ""


Reply = Annotated[Outcome | Decision, Field(discriminator="kind")]


class Exchange(Fact):
    """One order of a call and its reply; `n` counts from 0 within the call."""

    call: str
    n: int
    order: Order
    reply: Reply


class Change(Fact):
    """One difference between a response and its contract: what was at `target` now stands at `source`.

    Both are relative to the objects at `place` (`*` goes through lists), or wherever the toolkit has an
    `entity` of this name. `how` says how the value is read; `same`: as it is.
    """

    place: tuple[str, ...] = ()
    entity: str = ""
    source: tuple[str, ...]
    target: tuple[str, ...]
    how: str = "same"


class Heal(Fact):
    """One repair: the failure class, and the rule that healed it."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    failure: Failure = Field(alias="class")
    rule: str
    detail: str = ""
    drift: str = ""
    """Of a drift: its class, such as `field_renamed`; the classes are listed in verify/drift.py."""
    tool: str = ""
    """Of a drift: whose response it was."""
    diff: str = ""
    evidence: str = ""
    """What proves the repair."""
    change: Change | None = None
    """The repair as data, where it can be used again without looking for it."""
    rewording: Rewording | None = None
    """The same of a request that was put into the server's own words."""


class Lesson(Fact):
    """One row of the record of contracts, which is only ever added to.

    `sample`: a healthy response. `patch`: a repair that proved itself. `accepted`, `rejected`: what a person
    says of a patch, by its id.
    """

    seq: int = 0
    """1, 2, 3 … as the store keeps them; 0 before that."""
    at: str
    toolkit: str
    tool: str
    kind: Literal["sample", "patch", "accepted", "rejected"]
    data: dict[str, Json]


class Verdict(Fact):
    """What the Verifier concludes from one outcome."""

    failure: Failure
    phase: Phase
    message: str = ""
    """For people: what happened, with the server's own words."""
    retry_after: float | None = None
    """Seconds the server asked to wait, already relative to its own clock."""
    fields: tuple[str, ...] = ()
    """The arguments that the server named, on `invalid_input`."""
    diff: tuple[str, ...] = ()
    """What does not fit, line by line, on drift that could not be repaired."""


class Attempt(Fact):
    """One line of a receipt: an attempt or a look, and its verdict."""

    role: str
    tool: str
    status: int | None
    verdict: Verdict
    seconds: float
    at: str
    waited: float = 0.0
    held_by: str = ""


class Receipt(Fact):
    """The evidence for one call. `attempts` counts HTTP sends of the call itself; looks are in `trail`."""

    call: str
    tool: str
    arguments: dict[str, Json]
    status: Literal["verified", "failed", "denied", "needs_review"]
    evidence: Evidence | None = None
    attempts: int = 0
    heals: tuple[Heal, ...] = ()
    message: str = ""
    """Why it failed, was denied or needs a person; or what the evidence rests on."""
    failure: Failure = Failure.OK
    link: str = ""
    """Where a person can look at it."""
    effect: str | None = None
    decided_by: str = ""
    trail: tuple[Attempt, ...] = ()
    retries: int = 0
    """Retries of the run's budget that it took, looks included."""
    margin: Margin | None = None
    """What the run had left when it was settled."""
    doubts: tuple[str, ...] = ()
    """What differs from earlier responses although the contract allows it; nothing was done about it."""
    result: Json = None

    def brief(self, data: bool = False) -> dict[str, Json]:
        """Return the JSON form; the verified result only with `data`."""
        out: dict[str, Json] = self.model_dump(mode="json", by_alias=True, exclude={"result"})
        if data:
            out["data"] = self.result
        return out


def digest(value: Json) -> str:
    """Return the SHA-256 of `value` as canonical JSON, in hex."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
