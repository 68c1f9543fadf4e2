"""Whether a workflow's file agrees with itself: its steps, its inputs, and every path in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from definable.errors import Problem, UsageError
from definable.spec.explain import Place
from definable.spec.inputs import declaration_problems
from definable.spec.nearest import suggest
from definable.spec.paths import references, show, texts
from definable.spec.source import Document
from definable.spec.triggers import trigger_problems
from definable.spec.workflow import Workflow

RUN: Final = {
    "id": "the run's id",
    "date": "the day it started, 2026-11-23",
    "week": "its ISO week, 2026-W48",
}
"""What `run` has in a workflow."""

_ROOTS: Final = ("inputs", "steps", "run")
_FILLED: Final = ("prompt", "arguments", "with")


@dataclass(frozen=True, slots=True)
class Mention:
    """A path that a workflow names: where, its parts, and in which step (None: among the outputs)."""

    place: Place
    parts: tuple[str, ...]
    step: int | None

    @property
    def text(self) -> str:
        """The path as a message shows it."""
        return f"${{{{ {show(self.parts)} }}}}"


def workflow_problems(document: Document, workflow: Workflow) -> list[Problem]:
    """Return what is wrong inside one workflow, without looking at agents, tools or other files."""
    problems = [*_repeated(document, workflow), *_inputs(document, workflow)]
    mentions, unreadable = mentioned(document, workflow)
    problems += unreadable
    for mention in mentions:
        if wrong := _lost(mention, workflow):
            problems.append(document.problem(mention.place, f"{mention.text}: {wrong}"))
    return [*problems, *trigger_problems(document, workflow)]


def mentioned(document: Document, workflow: Workflow) -> tuple[list[Mention], list[Problem]]:
    """Return every path in a workflow, and a problem for each `${{ }}` or `when` that cannot be read."""
    mentions: list[Mention] = []
    problems: list[Problem] = []
    for place, text, step in _texts(workflow):
        try:
            found = references(text, expression=place[-1] == "when" and len(place) == 3)
        except UsageError as error:
            problems.append(document.problem(place, error.message))
        else:
            mentions += [Mention(place, parts, step) for parts in found]
    return mentions, problems


def _texts(workflow: Workflow) -> Iterator[tuple[Place, str, int | None]]:
    for index, step in enumerate(workflow.steps):
        values = {"prompt": step.prompt, "arguments": step.arguments, "with": step.with_}
        for key in _FILLED:
            for place, text in texts(values[key]):
                yield ("steps", index, key, *place), text, index
        if step.when is not None:
            yield ("steps", index, "when"), step.when, index
    for place, text in texts(workflow.outputs):
        yield ("outputs", *place), text, None


def _repeated(document: Document, workflow: Workflow) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for index, step in enumerate(workflow.steps):
        if step.id in first:
            line = document.spot(("steps", first[step.id], "id")).line
            yield document.problem(
                ("steps", index, "id"), f"the step {step.id!r} is there already, on line {line}"
            )
        first.setdefault(step.id, index)


def _inputs(document: Document, workflow: Workflow) -> Iterator[Problem]:
    for name, declared in workflow.inputs.items():
        for key, wrong in declaration_problems(declared):
            yield document.problem(("inputs", name, key), f"inputs.{name}: {wrong}")


def _lost(mention: Mention, workflow: Workflow) -> str:
    root, *rest = mention.parts or ("",)
    if root == "inputs":
        return _lost_input(rest, workflow)
    if root == "steps":
        return _lost_step(rest, workflow, mention.step)
    if root == "run":
        return f"run has no {rest[0]!r}{suggest(rest[0], RUN)}" if rest and rest[0] not in RUN else ""
    if root == "event":
        return "event is only in the inputs of a webhook; give it to an input there"
    return f"there is no {root!r} here{suggest(root, _ROOTS)}"


def _lost_input(rest: list[str], workflow: Workflow) -> str:
    if not rest:
        return ""
    if rest[0] not in workflow.inputs:
        known = suggest(rest[0], workflow.inputs) or "; the workflow declares none"
        return f"there is no input {rest[0]!r}{known}"
    kind = workflow.inputs[rest[0]].type
    if len(rest) > 1 and kind not in ("array", "object"):
        return f"the input {rest[0]!r} is of type {kind} and has no {rest[1]!r}"
    return ""


def _lost_step(rest: list[str], workflow: Workflow, here: int | None) -> str:
    places = {step.id: index for index, step in reversed(list(enumerate(workflow.steps)))}
    if not rest:
        return "name a step: steps.ID.output"
    name = rest[0]
    if name not in places:
        return f"there is no step {name!r}{suggest(name, places)}"
    if here is not None and places[name] == here:
        return f"the step {name!r} refers to its own output (cyclic)"
    if here is not None and places[name] > here:
        return f"the step {name!r} comes later; a step can use only those before it"
    if rest[1:] == ["link"] and workflow.steps[places[name]].call:
        return ""
    if len(rest) < 2 or rest[1] != "output":
        return f"a step gives steps.{name}.output, and a call steps.{name}.link too"
    return ""
