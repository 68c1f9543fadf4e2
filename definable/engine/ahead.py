"""What is known beforehand of the requests of a run, and of the time that quotas let them take.

A floor, nothing invented: of a declared call, the request itself and the looks that its recipe makes whatever
they show; of an agent's step nothing, for what it asks for is its model's; of a step whose `when` cannot be
known yet, nothing either. Further pages of lists, retries and looks after a failure come on top.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from definable.calls import Fact, ToolCall
from definable.engine.dry import known
from definable.graph.context import Context
from definable.graph.governor import Governor
from definable.graph.proposals import allowed
from definable.quota.claim import Bucket
from definable.quota.forecast import Forecast, forecast
from definable.spec.aliases import renamed
from definable.spec.expression import compile_expression, paths_in
from definable.spec.lookup import follow
from definable.spec.paths import has_template, truth
from definable.spec.toolkit import Look, Tool, Toolkit
from definable.spec.workflow import Step
from definable.toolkits.arguments import schema

WORTH_TELLING = 5.0
"""Seconds of a forecast that a run tells of when it starts."""

Requests = Counter[str]
"""Slug → how many requests with it."""


@dataclass(frozen=True)
class Work:
    """What steps will ask for, as far as it is known."""

    requests: Requests
    agents: tuple[str, ...] = ()
    unsure: tuple[str, ...] = ()

    def times(self, runs: int) -> Work:
        """Return the work of so many runs."""
        return replace(self, requests=Requests({slug: n * runs for slug, n in self.requests.items()}))


class Ahead(Fact):
    """What is known of the requests to come, of one run or of a batch of runs."""

    requests: int
    """At least so many."""
    seconds: float = 0.0
    """The last of them can leave so many seconds from now, at the earliest."""
    quota: str = ""
    """The quota that lets it go last; empty when all can leave at once."""
    limit: int = 0
    window: float = 0.0
    """That quota allows `limit` requests in any `window` seconds."""
    tools: tuple[str, ...] = ()
    """Those of the known requests' tools that it counts."""
    others: int = 0
    """Requests of other runs that wait for it already and have their turns among ours."""
    agents: tuple[str, ...] = ()
    """Steps whose calls are not known beforehand."""
    unsure: tuple[str, ...] = ()
    """Steps that are not counted: whether they are done is known only when it is their turn."""
    calls: int | None = None
    """`limits.calls`, which bounds what agents ask for."""
    time: float | None = None
    """What is left of `limits.time`."""

    @property
    def too_long(self) -> bool:
        """Whether the limit on time ends the run before its last known request can leave."""
        return self.time is not None and self.seconds > self.time


def requests(kit: Toolkit, slug: str, arguments: Mapping[str, Any], *, ensure: bool = False) -> Requests:
    """Return the requests that one call makes at least, its looks included. `verify.flow` makes them."""
    tool = kit.tools[slug]
    if not tool.effect.writes:
        return Requests([slug])
    scope = {"arguments": dict(arguments)}
    before = _looks(tool.before.values(), scope)
    if tool.rewrite and truth(tool.rewrite.when, scope):
        return before  # which may show that there is nothing to do
    made = Requests([slug]) + before + _followed(tool, scope)
    if not ensure or tool.ensure is None:
        return made
    there = _looks(kit.tools[tool.ensure.update.call].after.values(), scope)
    return Requests([tool.ensure.look.call]) + (made & there)


def of_steps(
    steps: Iterable[Step],
    toolkits: Mapping[str, Toolkit],
    scope: Mapping[str, Any],
    may_ask: Callable[[Step], bool],
) -> Work:
    """Return what steps will ask for.

    `toolkits` are by slug, `scope` is what `${{ }}` may name now, `may_ask` says whether an agent's step has
    tools at all.
    """
    found, agents, unsure = Requests(), list[str](), list[str]()
    for step in steps:
        decided = step.when is None or _decided(step.when, scope)
        if step.when is not None and decided and not truth(step.when, scope):
            continue
        if step.agent is not None:
            agents += [step.id] if may_ask(step) else []
        elif not decided:
            unsure.append(step.id)
        else:
            slug = step.call or ""
            kit = toolkits[slug]
            given, _ = renamed(known(step.arguments, dict(scope)), schema(kit, kit.tools[slug]), kit.shapes)
            found += requests(kit, slug, given, ensure=bool(step.ensure))
    return Work(found, tuple(agents), tuple(unsure))


def ahead(
    work: Work,
    toolkits: Mapping[str, Toolkit],
    governor: Governor,
    run: str = "",
    *,
    calls: int | None = None,
    time: float | None = None,
    held: Mapping[str, float] | None = None,
) -> Ahead:
    """Return what is known of `work`, by the quotas as they stand in the store now.

    `run` is whose work it is, for what it has in the queue; `held` the seconds for which a place is held.
    """
    demands: dict[str, Counter[Bucket]] = {}
    tools: dict[str, set[str]] = {}
    for slug, count in work.requests.items():
        claim = governor.claim(toolkits[slug], toolkits[slug].tools[slug], run, "")
        if claim is not None:
            for bucket in claim.wanted():
                demands.setdefault(claim.owner, Counter())[bucket] += count
                tools.setdefault(bucket.name, set()).add(slug)
    now = governor.now()
    found = [
        forecast(demand, governor.store.taken(owner, now), run, held) for owner, demand in demands.items()
    ]
    last = max(found, key=lambda each: each.seconds, default=Forecast())
    return Ahead(
        requests=work.requests.total(),
        seconds=round(last.seconds, 3),
        quota=last.bucket,
        limit=last.limit,
        window=last.window,
        tools=tuple(sorted(tools.get(last.bucket, ()))),
        others=last.others,
        agents=work.agents,
        unsure=work.unsure,
        calls=calls if work.agents else None,
        time=time,
    )


def of_run(context: Context) -> Ahead | None:
    """Return what is known of all that a run has still to do; None when nothing governs it."""
    if context.governor is None:
        return None
    toolkits = {slug: kit for slug, (kit, _) in context.catalog.tools.items()}
    open_calls = [call for call in context.calls.values() if call.id not in context.receipts]
    begun = {call.step for call in open_calls}
    steps = [each for each in context.workflow.steps if each.id not in context.outputs]
    agents = tuple(each.id for each in steps if each.id in begun and each.agent is not None)
    later = [each for each in steps if each.id not in begun]
    work = of_steps(later, toolkits, context.scope(), lambda step: bool(allowed(context, step)))
    found = sum((_left(context, call) for call in open_calls), work.requests)
    limits = context.workflow.limits
    return ahead(
        Work(found, agents + work.agents, work.unsure),
        toolkits,
        context.governor,
        context.run.id,
        calls=None if limits.calls is None else max(0, limits.calls - context.spent.calls),
        time=None if limits.time is None else max(0.0, limits.time - context.elapsed()),
    )


def _left(context: Context, call: ToolCall) -> Requests:
    """What an open call asks for still; one request at least, for it is not settled."""
    kit, _ = context.catalog[call.tool]
    sent = Requests(each.order.tool for each in context.store.exchanges(context.run.id, call.id))
    left = requests(kit, call.tool, call.arguments, ensure=bool(call.ensure)) - sent
    return left or Requests([call.tool])


def _followed(tool: Tool, scope: Mapping[str, Any]) -> Requests:
    """What follows the request: a poll, where it starts something, and the reading back."""
    if tool.poll is None:
        return _looks(tool.after.values(), scope)
    if tool.poll.when is not None and not _surely(tool.poll.when, scope):
        return Requests()
    return Requests([tool.poll.call]) + _looks(tool.after.values(), scope)


def _looks(looks: Iterable[Look], scope: Mapping[str, Any]) -> Requests:
    return Requests(each.call for each in looks if each.when is None or _surely(each.when, scope))


def _surely(when: str, scope: Mapping[str, Any]) -> bool:
    """Whether a condition holds, and that is known already."""
    return _decided(when, scope) and truth(when, scope)


def _decided(when: str, scope: Mapping[str, Any]) -> bool:
    return all(_known(path, scope) for path in paths_in(compile_expression(when)))


def _known(path: tuple[str, ...], scope: Mapping[str, Any]) -> bool:
    """Whether what a path leads to will not change any more."""
    root = path[0]
    if root not in scope or (root == "steps" and path[1] not in scope[root]):
        return False
    return not has_template(follow(scope, path[:2]))
