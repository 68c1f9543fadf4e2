"""One call while it is being settled: what is known of it so far, and the receipt that comes of it."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from definable.calls import (
    Attempt,
    Failure,
    Heal,
    Margin,
    Order,
    Outcome,
    Receipt,
    Reply,
    Send,
    ToolCall,
    Verdict,
)
from definable.spec.model import Evidence
from definable.spec.paths import MISSING, render, truth
from definable.spec.toolkit import Expect, Tool, Toolkit
from definable.verify.readback import about_result_only
from definable.verify.record import Record

T = TypeVar("T")
Flow = Generator[Order, Reply, T]
"""Says what to do next and is told what came of it, so that it needs no network to run."""

Scope = dict[str, Any]


@dataclass(frozen=True)
class Catalog:
    """The tools that a flow may use, and what is known of the place where they work."""

    tools: Mapping[str, tuple[Toolkit, Tool]]
    exclusive: frozenset[str] = frozenset()
    """Toolkits whose token nobody else uses: there a new match can only be ours."""
    web: Mapping[str, str] = field(default_factory=dict)
    """Toolkit name → origin of the product's pages for people."""
    record: Record = field(default_factory=Record)
    """What is known of the products' responses."""
    hosts: Mapping[str, str] = field(default_factory=dict)
    """Toolkit name → the address to which its requests go, for messages."""

    def __getitem__(self, slug: str) -> tuple[Toolkit, Tool]:
        """Return the toolkit and the tool behind a slug."""
        return self.tools[slug]


class Ended(Exception):
    """The call cannot go on; carries its receipt. Internal to the flow."""

    def __init__(self, receipt: Receipt) -> None:
        """Keep the receipt."""
        super().__init__(receipt.message)
        self.receipt = receipt


@dataclass
class Case:
    """The running record of one call."""

    call: ToolCall
    catalog: Catalog
    slug: str
    """The tool that performs it; `ensure` may make it another than the one proposed."""
    arguments: dict[str, Any]
    unlooked: frozenset[int] = frozenset()
    """Attempts whose refusal an older Definable took at its word: a replay goes on as that did."""
    attempts: int = 0
    """Attempts ordered; the ledger numbers them."""
    sends: int = 0
    """Attempts that left."""
    heals: list[Heal] = field(default_factory=list)
    trail: list[Attempt] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    reading: frozenset[str] = frozenset()
    """How the last answer was read where its form does not say so: what had changed places, or its unit."""
    follows: bool = False
    """A list is being read to its end, so that a cursor is used as soon as it is there."""
    spoken: set[str] = field(default_factory=set)
    """The toolkits whose host has answered with JSON: it is the right one, whatever else it says."""
    retries: int = 0
    margin: Margin | None = None
    decided_by: str = ""
    place: str = ""
    """Where nobody else may write while this call looks for what is new; empty when it never does."""
    alone: bool = True
    """Whether what is ordered now is done alone in that place."""
    shared: bool = False
    """Another run was in that place since the first look."""
    respelled: bool = False
    """What was read back last is what was written but for its spelling."""
    taken: bool = False
    """A person took what is there, in another form than asked for."""

    @property
    def tool(self) -> Tool:
        """The tool that performs the call."""
        return self.catalog[self.slug][1]

    @property
    def toolkit(self) -> Toolkit:
        """The product it belongs to."""
        return self.catalog[self.slug][0]

    @property
    def arguments_hash(self) -> str:
        """What an approval binds to: the tool and the exact arguments, also where a look made them exact."""
        return self.call.model_copy(update={"tool": self.slug, "arguments": self.arguments}).arguments_hash

    @property
    def conditions(self) -> tuple[Expect, ...]:
        """What a look must show; what the response itself must say is judged apart."""
        return tuple(c for c in self.tool.expect if not about_result_only(c))

    def edit(self, arguments: Mapping[str, Any], by: str) -> None:
        """Go on with the arguments that a person put in place of those they were asked about."""
        before = self.arguments
        changed = [name for name in {**before, **arguments} if before.get(name) != arguments.get(name)]
        self.notes.append(f"{by} changed {', '.join(changed)} before approving it")
        self.arguments = dict(arguments)

    def starts(self, scope: Scope) -> bool:
        """Whether it does anything: a rehearsal that the product offers, such as a dry run, does not."""
        when = self.tool.poll.when if self.tool.poll else None
        return when is None or truth(when, scope)

    def scope(self, **names: Any) -> Scope:
        """Return the names that the tool's recipes may use."""
        web = self.catalog.web.get(self.toolkit.toolkit, "")
        return {"arguments": self.arguments, "web": web, **names}

    def heal(self, failure: Failure, rule: str, detail: str = "") -> None:
        """Note one repair."""
        self.heals.append(Heal(failure=failure, rule=rule, detail=detail))

    def saw(self, send: Send, outcome: Outcome, verdict: Verdict) -> None:
        """Note one attempt or look."""
        if outcome.media == "json":
            self.spoken.add(self.catalog[send.tool][0].toolkit)
        self.trail.append(
            Attempt(
                role=send.role,
                tool=send.tool,
                status=outcome.status,
                verdict=verdict,
                seconds=outcome.seconds,
                at=outcome.at,
                waited=outcome.waited,
                held_by=outcome.held_by,
            )
        )
        self.retries += send.retry
        self.margin = outcome.margin or self.margin

    def verified(
        self, result: Any, evidence: Evidence | None, message: str = "", seen: Scope | None = None
    ) -> Receipt:
        """Return the receipt of a call that is known to have done what was asked."""
        scope = {**self.scope(), **(seen or {}), "result": result}
        link = render(self.tool.link, scope, missing="drop") if self.tool.link else ""
        return self._receipt(
            "verified",
            result=result,
            evidence=evidence,
            message="; ".join(filter(None, [message, *self.notes])),
            link="" if link is MISSING else link,
        )

    def ended(self, status: str, failure: Failure, message: str, result: Any = None) -> Ended:
        """Return what to raise when the call ends without having done what was asked."""
        text = "; ".join(filter(None, [message, *self.notes]))
        return Ended(self._receipt(status, failure=failure, message=text, result=result))

    def _receipt(self, status: str, **facts: Any) -> Receipt:
        return Receipt.model_validate(
            {
                "call": self.call.id,
                "tool": self.slug,
                "arguments": self.arguments,
                "status": status,
                "attempts": self.sends,
                "heals": tuple(self.heals),
                "trail": tuple(self.trail),
                "doubts": tuple(dict.fromkeys(self.doubts)),
                "effect": self.call.effect_id if self.tool.effect.writes else None,
                "decided_by": self.decided_by,
                "retries": self.retries,
                "margin": self.margin,
                **facts,
            }
        )
