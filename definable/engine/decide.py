"""A person's answer to what a run waits for: one rule for every surface that may give it."""

from __future__ import annotations

from definable.calls import Decision, ToolCall
from definable.errors import UsageError
from definable.store import AskRow, RunRow, Store
from definable.toolkits.arguments import normalise
from definable.workspace import Workspace


def chosen(row: RunRow, asks: list[AskRow], call: str | None) -> AskRow:
    """Return the open question that is meant; `call` names one of several. UsageError when none is."""
    if not asks:
        raise UsageError(f"run {row.id} waits for no answer; it is {row.status.value}")
    waiting = [ask.call for ask in asks]
    if call is None and len(asks) > 1:
        raise UsageError(f"run {row.id} waits for {len(asks)} answers; name one of: {', '.join(waiting)}")
    if call is not None and call not in waiting:
        raise UsageError(f"run {row.id} does not wait for {call!r}; it waits for: {', '.join(waiting)}")
    return asks[0] if call is None else asks[waiting.index(call)]


def editable(store: Store, row: AskRow, workspace: Workspace) -> bool:
    """Whether a person may approve other arguments than those that are asked about.

    Not where a look has made them what they are: what would be sent then, nobody has looked at.
    """
    if row.ask.reason != "approval" or row.ask.tool not in workspace.tools():
        return False
    if workspace.tools()[row.ask.tool].rewrite is not None:
        return False
    proposed = (e for e in store.events(row.run) if e.type == "call.proposed" and e.call == row.call)
    calls = [ToolCall.model_validate(event.data) for event in proposed]
    return any(c.tool == row.ask.tool and c.arguments == row.ask.arguments and not c.ensure for c in calls)


def fitting(store: Store, ask: AskRow, answer: Decision, workspace: Workspace) -> Decision:
    """Return the answer, bound to the question's exact arguments. UsageError when it is no answer to it."""
    candidates = [str(candidate.get("id")) for candidate in ask.ask.candidates]
    if answer.adopt is not None and answer.adopt not in candidates:
        known = ", ".join(candidates) or "none"
        raise UsageError(f"{answer.adopt!r} is no candidate of {ask.call}; there are: {known}")
    if answer.again and not ask.ask.again:
        raise UsageError(
            f"--send-again is no answer to what {ask.call} asks", hint=f"see definable runs show {ask.run}"
        )
    if answer.again and answer.adopt is not None:
        raise UsageError("--send-again and --adopt exclude each other", hint="--adopt takes what is there")
    changes = {"arguments_hash": ask.ask.arguments_hash, "arguments": _edit(store, ask, answer, workspace)}
    return answer.model_copy(update=changes)


def _edit(store: Store, ask: AskRow, answer: Decision, workspace: Workspace) -> dict[str, object] | None:
    """Return the arguments that are approved instead, made exact; None when they are those asked about."""
    if answer.arguments is None or not answer.approve:
        return None
    if not editable(store, ask, workspace):
        raise UsageError(
            f"the arguments of {ask.call} cannot be changed here", hint="deny it, and start it with others"
        )
    slug = ask.ask.tool
    kit = workspace.toolkit_of(slug)
    exact: dict[str, object] = normalise(kit, kit.tools[slug], slug, dict(answer.arguments))
    return None if exact == ask.ask.arguments else exact
