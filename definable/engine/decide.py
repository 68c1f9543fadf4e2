"""A person's answer to what a run waits for: one rule for every surface that may give it."""

from __future__ import annotations

from definable.calls import Decision
from definable.errors import UsageError
from definable.store import AskRow, RunRow


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


def fitting(ask: AskRow, answer: Decision) -> Decision:
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
    return answer.model_copy(update={"arguments_hash": ask.ask.arguments_hash})
