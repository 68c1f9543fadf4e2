"""What a workflow's file may say; docs/workflows.md shows one whole."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from definable.spec.allowlist import matches
from definable.spec.model import Duration, FileModel

NAME = r"^[a-z][a-z0-9-]*$"
"""Names of workflows, agents and steps."""

MOST_AT_A_TIME = 1000
"""Items of a batch that one process may work on at a time."""


class Limits(FileModel):
    """What may be spent; checked before the call that would break it."""

    tokens: int | None = Field(None, ge=1, description="Input and output tokens of all model calls")
    usd: float | None = Field(
        None, gt=0, description="Dollars; a model whose price is not known stops the run"
    )
    calls: int | None = Field(None, ge=1, description="Tool calls, looks not counted")
    time: Duration | None = Field(None, description="Wall-clock time, waiting for people not counted")


class RunLimits(Limits):
    """What a whole run may spend."""

    retries: int = Field(
        10,
        ge=0,
        description="Times that it may send again after transient failures; ten answers earn one",
    )


class Input(FileModel):
    """One declared input of a workflow: a small part of JSON Schema."""

    type: Literal["string", "integer", "number", "boolean", "array", "object"]
    description: str = ""
    default: Any = None
    enum: tuple[Any, ...] | None = None
    minimum: float | None = None
    maximum: float | None = None
    pattern: str | None = None
    required: bool | None = Field(None, description="True unless there is a default")


class Step(FileModel):
    """One turn: either an `agent`, or a declared `call` that the Distributor makes."""

    id: str = Field(pattern=NAME)
    agent: str | None = None
    prompt: str = ""
    tools: tuple[str, ...] | None = Field(None, description="The allowlist; globs allowed")
    revisions: int = Field(1, ge=0, le=10, description="How often the Verifier may send the artifact back")
    call: str | None = None
    arguments: dict[str, Any] = Field(default_factory=dict)
    ensure: tuple[str, ...] = Field(
        (), description="Arguments that identify what must exist once: found → updated, else created"
    )
    approve: bool | None = Field(
        None, description="Ask a person (true) or not (false), whatever the tool says"
    )
    when: str | None = None
    with_: dict[str, Any] | None = Field(
        None, alias="with", description="What the agent gets instead of the step before it"
    )
    model: str | None = Field(None, pattern=r"^(openai|anthropic|offline)/.+$")
    limits: Limits | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Step:
        if (self.agent is None) == (self.call is None):
            raise ValueError("a step has either an agent or a call")
        mine, other = (
            ("agent", ("arguments", "ensure", "approve"))
            if self.agent
            else ("call", ("prompt", "tools", "revisions", "with_", "model"))
        )
        if wrong := [f.removesuffix("_") for f in other if f in self.model_fields_set]:
            raise ValueError(f"{', '.join(wrong)} does not go with {mine!r}")
        return self


class ApprovalRule(FileModel):
    """Tools that wait for a person in this workflow."""

    tools: tuple[str, ...] = Field(min_length=1)
    timeout: Duration = Field(4 * 3600.0, description="No answer in this time is a no")


class Trigger(FileModel):
    """What starts a run by itself: a `schedule`, or a `webhook`."""

    schedule: str | None = Field(
        None, description="Cron's five fields: minute, hour, day of month, month, day of week"
    )
    timezone: str = Field("UTC", description="Whose clocks the schedule goes by, such as Europe/Paris")
    missed: Literal["skip", "last"] = Field(
        "skip",
        description="Of the times that passed while no worker was there: none, or the last of them",
    )
    webhook: str | None = Field(
        None, pattern=NAME, description="The last part of its address; once in a workspace"
    )
    secret: str | None = Field(
        None, description="Name of the environment variable with the secret that requests are signed with"
    )
    inputs: dict[str, Any] = Field(default_factory=dict, description="What the run is started with")

    @model_validator(mode="after")
    def _one_kind(self) -> Trigger:
        if (self.schedule is None) == (self.webhook is None):
            raise ValueError("a trigger has either a schedule or a webhook")
        mine, other = (
            ("schedule", ("secret",)) if self.schedule is not None else ("webhook", ("timezone", "missed"))
        )
        if wrong := [name for name in other if name in self.model_fields_set]:
            raise ValueError(f"{', '.join(wrong)} does not go with {mine!r}")
        if self.webhook is not None and self.secret is None:
            raise ValueError("a webhook needs a `secret`: anybody could call it otherwise")
        return self


class Batch(FileModel):
    """What `definable batch WORKFLOW` runs when it is told nothing else."""

    items: str | None = Field(None, min_length=1, description="File with the items, seen from this file")
    key: str | None = Field(None, min_length=1, description="Column that names the items; else custom_id")
    concurrency: int | None = Field(None, ge=1, le=MOST_AT_A_TIME, description="Items at a time")


class Workflow(FileModel):
    """A workflow: named steps, one after the other."""

    name: str = Field(pattern=NAME)
    description: str
    inputs: dict[str, Input] = Field(default_factory=dict)
    steps: tuple[Step, ...] = Field(min_length=1)
    outputs: dict[str, Any] = Field(default_factory=dict)
    limits: RunLimits = Field(default_factory=RunLimits)
    approvals: tuple[ApprovalRule, ...] = ()
    triggers: tuple[Trigger, ...] = Field((), description="What starts a run by itself")
    concurrency: int | None = Field(
        None, ge=1, description="How many submitted runs of it are at work at a time, over all workers"
    )
    batch: Batch | None = None

    def pinned(self) -> dict[str, Any]:
        """Return it as a run keeps it: as it was written, without what starts runs."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude={"triggers", "batch"})

    def rule_for(self, slug: str) -> ApprovalRule | None:
        """Return the first approval rule that names this tool."""
        return next((rule for rule in self.approvals if matches(slug, rule.tools)), None)
