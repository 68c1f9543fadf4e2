"""Whether a workflow's triggers make sense: their times, their inputs, and what a webhook brings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final
from zoneinfo import available_timezones

from definable.errors import Problem, UsageError
from definable.spec.cron import cron_problem
from definable.spec.explain import Place
from definable.spec.inputs import complete, is_a, misfit, needed
from definable.spec.lookup import Json
from definable.spec.nearest import nearest, suggest
from definable.spec.paths import references, show, texts
from definable.spec.source import Document
from definable.spec.workflow import Trigger, Workflow

EVENT: Final = {
    "body": "what was sent, read as JSON",
    "headers": "the request's headers, in small letters",
    "query": "what stood behind the ? of its address",
}
"""What `event` has in a webhook's inputs."""

_VARIABLE: Final = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_KEY_LIKE: Final = re.compile(r"(?=.*\d)[A-Z0-9]{16,}")
_ALONE: Final = re.compile(r"\s*\$\{\{[^}]*\}\}\s*")


def trigger_problems(document: Document, workflow: Workflow) -> Iterator[Problem]:
    """Yield what is wrong with the triggers of one workflow, without looking at other files."""
    for index, trigger in enumerate(workflow.triggers):
        place: Place = ("triggers", index)
        for key, wrong in _own(trigger):
            yield document.problem((*place, key), f"triggers[{index}].{key}: {wrong}")
        yield from _inputs(document, workflow, place, trigger)


@lru_cache(maxsize=1)
def zones() -> frozenset[str]:
    """Return the names of all time zones, those that stand for no place left out."""
    return frozenset(available_timezones()) - {"localtime", "posixrules", "Factory"}


def _own(trigger: Trigger) -> Iterator[tuple[str, str]]:
    if trigger.schedule is not None and (wrong := cron_problem(trigger.schedule)):
        yield "schedule", wrong
    if trigger.timezone not in zones():
        yield "timezone", f"there is no time zone {trigger.timezone!r}{_zone_like(trigger.timezone)}"
    if trigger.secret is None:
        return
    if not _VARIABLE.fullmatch(trigger.secret) or _KEY_LIKE.fullmatch(trigger.secret):
        yield (
            "secret",
            "the name of an environment variable is expected, such as REPORT_KEY; "
            "a secret itself never stands in a file",
        )


def _zone_like(name: str) -> str:
    cities = {zone.rpartition("/")[2]: zone for zone in sorted(zones())}
    found = nearest(name, zones()) or cities.get(nearest(name.rpartition("/")[2], cities) or "")
    return f"; did you mean {found!r}?" if found else "; write it like Europe/Paris, or UTC"


def _inputs(document: Document, workflow: Workflow, place: Place, trigger: Trigger) -> Iterator[Problem]:
    where = f"triggers[{place[1]}].inputs"
    for name, value in trigger.inputs.items():
        at: Place = (*place, "inputs", name)
        if name not in workflow.inputs:
            known = suggest(name, workflow.inputs) or "; the workflow declares none"
            yield document.problem(at, f"{where}: there is no input {name!r}{known}", key=True)
            continue
        yield from _paths(document, at, value, trigger)
        if wrong := _unfit(workflow, name, value):
            yield document.problem(at, f"{where}.{name}: {wrong}")
    lacking = [n for n, each in workflow.inputs.items() if needed(each) and n not in trigger.inputs]
    if lacking:
        names = ", ".join(lacking)
        yield document.problem(
            (*place, "inputs") if trigger.inputs else place,
            f"{where}: missing {names}; a run cannot start without",
            key=bool(trigger.inputs),
        )


def _unfit(workflow: Workflow, name: str, value: Json) -> str:
    declared = workflow.inputs[name]
    if isinstance(value, str) and "${{" in value:
        if _ALONE.fullmatch(value) or is_a(declared.type, value):
            return ""  # what it will be, nobody knows yet
        return f"text around ${{{{ }}}} is a text, and the input is of type {declared.type}"
    if any("${{" in text for _, text in texts(value)):
        return "" if is_a(declared.type, value) else misfit(declared, value)
    return misfit(declared, value)


def _paths(document: Document, place: Place, value: Json, trigger: Trigger) -> Iterator[Problem]:
    for inner, text in texts(value):
        try:
            found = references(text)
        except UsageError as error:
            yield document.problem((*place, *inner), error.message)
            continue
        for parts in found:
            if wrong := _lost(parts, trigger):
                yield document.problem((*place, *inner), f"${{{{ {show(parts)} }}}}: {wrong}")


def _lost(parts: tuple[str, ...], trigger: Trigger) -> str:
    if trigger.schedule is not None:
        return "a schedule's inputs are plain values; only a webhook has an event"
    root, *rest = parts or ("",)
    if root != "event":
        return "here is only what the webhook brought: event.body, event.headers, event.query"
    if rest and rest[0] not in EVENT:
        return f"event has no {rest[0]!r}{suggest(rest[0], EVENT)}"
    return ""


def due_inputs(workflow: Workflow, trigger: Trigger) -> Mapping[str, Json]:
    """Return a schedule's inputs with the defaults filled in. UsageError when they do not fit."""
    return complete(workflow, trigger.inputs)
