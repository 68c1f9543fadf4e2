"""What the store gives back: runs, events, effects and questions, as frozen data."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from definable.calls import Ask, Decision, Fact, Json
from definable.spec.model import Evidence
from definable.store.ledger import State


class RunStatus(StrEnum):
    """Where a run stands, in the words that the command line prints."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LIMITED = "limited"

    @property
    def ended(self) -> bool:
        """Whether nothing more happens unless somebody resumes the run."""
        return self in {RunStatus.DONE, RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.LIMITED}

    @property
    def final(self) -> bool:
        """Whether nothing more can happen at all: a failed or limited run may be resumed, these may not."""
        return self in {RunStatus.DONE, RunStatus.CANCELLED}


class RunRow(Fact):
    """One execution of a workflow. `definition` is the workflow as it was when the run started."""

    id: str
    workflow: str
    definition: dict[str, Json]
    inputs: dict[str, Json] = Field(default_factory=dict)
    status: RunStatus = RunStatus.QUEUED
    reason: str = ""
    """Why it waits: `approval`, `auth`, `quota`, `retry`, `review`."""
    until: str | None = None
    """When a wait ends that nobody has to end, RFC 3339 in UTC: `quota` and `retry` have one."""
    outputs: dict[str, Json] | None = None
    error: dict[str, Json] | None = None
    """A `DefinableError.to_json()`."""
    options: dict[str, Json] = Field(default_factory=dict)
    key: str | None = None
    """The idempotency key that it was submitted under: there is one run of each key."""
    priority: int | None = None
    """Its place in the queue, 1 first; None for a run that belongs to the process that started it."""
    deadline: str | None = None
    """When it has to be done, RFC 3339 in UTC; after that it ends as `limited`."""
    batch: str | None = None
    item: str | None = None
    """The batch that it is part of, and its item's `custom_id` there."""
    history: int = 1
    """The version of what its log holds: who knows only older ones leaves it to others."""
    worker: str | None = None
    """The worker that works on it, or did last; filled in when it is read."""
    created_at: str = ""
    """RFC 3339 in UTC; the store fills it in when it is empty."""
    ended_at: str | None = None
    pruned_at: str | None = None
    """When its log was deleted: what is left are this row, its effects and their receipts."""

    @property
    def pruned(self) -> bool:
        """Whether its log is deleted, or is being deleted."""
        return self.pruned_at is not None or self.reason == "pruning"


class BatchRow(Fact):
    """A workflow over the items of a file. Its runs have its id as their `batch`."""

    id: str
    workflow: str
    items: str
    """The file with the items, as an absolute path; `-` for the standard input."""
    place: str
    """Where its tools work: `sandbox`, or the addresses of the products."""
    folder: str = ""
    """Where its results are."""
    created_at: str = ""


class TallyRow(Fact):
    """What one run of a batch has come to, as last counted."""

    run: str
    batch: str
    tokens: int = 0
    usd: float = 0.0
    """As far as prices are known."""
    unpriced: bool = False
    """A model was called whose price is not known."""
    calls: int = 0
    seconds: float = 0.0
    receipts: int = 0
    verified: int = 0
    healed: int = 0
    """Calls that came through after something had gone wrong."""


class Tallied(Fact):
    """The tallies of a batch together."""

    tokens: int = 0
    usd: float = 0.0
    dearest: float | None = None
    """Dollars of its dearest run; None while there is none."""
    unpriced: int = 0
    """How many of its runs have a price that is not known."""
    calls: int = 0
    seconds: float = 0.0
    healed: int = 0


class Standing(Fact):
    """Where a run stands, in short."""

    id: str
    status: RunStatus
    reason: str = ""


class WorkerRow(Fact):
    """One process that carries on submitted runs, and its last sign of life."""

    id: str
    host: str
    pid: int
    version: str
    slots: int
    """How many runs it works on at a time."""
    state: Literal["working", "draining", "stopped", "dead"] = "working"
    """`dead`: another worker found no sign of life, and has its runs."""
    started_at: str = ""
    beat: float = 0.0
    """When it was last known to be alive, in seconds of the store's clock."""
    session: int = 0
    """By which number the server knows its connection; 0 without a server."""
    runs: int = 0
    """How many runs it works on now; filled in when it is read."""

    @property
    def alive(self) -> bool:
        """Whether it has not ended, as far as anybody has noticed."""
        return self.state in ("working", "draining")


class TriggerRow(Fact):
    """How far a schedule has been seen to, in seconds of the store's clock."""

    id: str
    looked: float
    """Up to when its times have been looked for; runs of those before it are submitted."""
    due: float | None = None
    """The last of its times that had a run, and that run."""
    run: str | None = None


class ClientRow(Fact):
    """One key of the service, and what may be done with it."""

    id: str
    name: str
    scope: Literal["viewer", "operator", "approver", "admin"]
    hash: str
    """SHA-256 of the key, in hex; the key itself is random and long, so no salt or stretching is needed."""
    created_at: str = ""
    revoked_at: str | None = None


class ThreadRow(Fact):
    """A conversation."""

    id: str
    owner: str = ""
    """The id of the key that it was opened with; empty when none was needed."""
    mark: str | None = None
    """How a client that has conversations of its own finds this one again; `once:…` when it cannot."""
    title: str = ""
    at: str = ""


class MessageRow(Fact):
    """What somebody said in a conversation; `n` counts from 1 within it, without gaps."""

    thread: str
    role: Literal["user", "assistant"]
    text: str
    n: int = 0
    at: str = ""
    run: str | None = None
    """The run that it started, or that it is about."""
    workflow: str | None = None
    inputs: dict[str, Json] = Field(default_factory=dict)
    """What is known of the workflow's inputs."""
    missing: tuple[str, ...] = ()
    """Inputs that are asked for."""
    offline: bool = False
    """An offline model wrote it."""
    tokens_in: int = 0
    tokens_out: int = 0
    usd: float | None = None
    """What the model's turn cost; None when there was none, or its price is not known."""
    key: str | None = None
    """Of a user's message: the idempotency key that it came under."""
    answers: int | None = None
    """Of an assistant's message: the one that it answers, which has no other answer."""
    seen: int = 0
    """Up to which event of its run everything had been told before."""
    asks: tuple[str, ...] = ()
    """The questions of its run that it shows, by their ids: an answer after it is to these."""


OrderState = Literal["running", "stopping", "stopped", "ended", "limited", "away", "keyless", "failed"]


class OrderRow(Fact):
    """A batch that was ordered over HTTP: the service carries it on until it has ended or is stopped."""

    batch: str
    key: str | None = None
    """The idempotency key that it was ordered under."""
    mark: str = ""
    """What tells its workflow and items from others."""
    terms: dict[str, Json] = Field(default_factory=dict)
    """How many items at a time, up to which cost, and so on."""
    state: OrderState = "running"
    """`away`: a service was away for too long; `keyless`: no key is accepted, and none can come."""
    why: str = ""
    progress: dict[str, Json] | None = None
    """How far it was, when last noted."""


class HookRow(Fact):
    """Somebody who is told of events by a webhook."""

    id: str
    url: str
    events: list[str]
    secret: str
    """What deliveries are signed with."""
    created_at: str = ""
    failing_since: float | None = None
    """When deliveries began to fail, in seconds of the store's clock; None since one arrived."""
    disabled_at: str | None = None
    why: str = ""
    """Why it is disabled."""


class DeliveryRow(Fact):
    """One event on its way to one webhook."""

    id: str
    """The same in every try: whoever gets it twice knows by that."""
    hook: str
    event: str
    subject: str = ""
    """The run or batch."""
    data: dict[str, Json] = Field(default_factory=dict)
    """What of it may be another when it is delivered."""
    at: str
    state: Literal["pending", "delivered", "failed"] = "pending"
    tries: int = 0
    due: float = 0.0
    """When it is tried next, in seconds of the store's clock."""
    body: str | None = None
    """What was sent; the same in every try."""
    code: int | None = None
    """The status of the last answer."""
    wrong: str = ""
    """Why the last try did not arrive."""
    ended_at: str | None = None


class TurnRow(Fact):
    """One turn of a conversation that a client has with us: under its own names for both."""

    thread: str
    name: str
    """The client's name for the turn: asked for again, it is the same one."""
    run: str
    since: int = 0
    """It shows what the log of the run has after this line; what came before was an earlier turn's."""


class Event(Fact):
    """One line of the run log; `seq` counts from 1 within the run, without gaps."""

    run: str
    seq: int
    at: str
    type: str
    step: str | None = None
    call: str | None = None
    data: dict[str, Json]


class EffectRow(Fact):
    """One change that is, or may be, made in a product. `attempt` is the last that went out, or 0."""

    effect: str
    run: str
    call: str
    tool: str
    arguments: dict[str, Json]
    """As first proposed; the effect's id is made of these."""
    sending: dict[str, Json]
    """As last intended: healing may have changed them."""
    state: State
    attempt: int = 0
    evidence: Evidence | None = None
    adopted: Json = None
    """What was found in the product and taken for the lost effect."""
    note: str = ""
    created_at: str
    at: str


class Reservation(Fact):
    """What a call finds at a place that it wants for itself."""

    held_by: str = ""
    """The run whose call is there; empty when the place was taken."""
    shared: bool = False
    """Somebody else was there since the call first took it."""


class AskRow(Fact):
    """A question that only a person may answer, and the answer once there is one."""

    id: str
    run: str
    call: str
    n: int
    ask: Ask
    asked_at: str
    expires_at: str | None = None
    decision: Decision | None = None


Data = dict[str, Any]
"""A JSON object on its way into the log."""
