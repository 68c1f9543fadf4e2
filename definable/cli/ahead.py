"""What is known of the requests to come, and how long quotas make them last, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from definable.cli import words

WINDOWS = {1.0: "second", 60.0: "minute", 3600.0: "hour", 86400.0: "day"}

NEGLIGIBLE = 5.0
"""Seconds by which one time has to exceed another to be worth a line."""


def lines(known: Mapping[str, Any]) -> list[str]:
    """Return what is known before a run (an `engine.ahead.Ahead` as JSON), and what is not."""
    count = words.plural(known["requests"], "request")
    return [f"at least {count}: {_time(known)}", *(f"  {line}" for line in _notes(known))]


def parked(known: Mapping[str, Any], seconds: float) -> list[str]:
    """Return what comes after a wait of so many seconds, where that takes longer than the wait itself."""
    if known["seconds"] <= seconds + NEGLIGIBLE and not late(known):
        return []
    count = words.plural(known["requests"], "request")
    return [f"  to come: at least {count}: {_time(known)}", *(f"    {line}" for line in _notes(known))]


def late(known: Mapping[str, Any]) -> bool:
    """Whether the limit on time ends the run before its last known request can leave."""
    return known["time"] is not None and float(known["seconds"]) > float(known["time"])


def _time(known: Mapping[str, Any]) -> str:
    if not known["quota"]:
        return "quotas let them leave at once"
    left = words.duration(known["seconds"])
    return f"about {left} until the last can leave: {_rate(known)}"


def _rate(known: Mapping[str, Any]) -> str:
    tools: Sequence[str] = known["tools"]
    whom = " and ".join(tools) if len(tools) < 3 else f"{len(tools)} tools"
    window = float(known["window"])
    per = f"per {WINDOWS.get(window) or words.duration(window)}" if window else "at a time"
    return f"{known['limit']:,} {per} of {whom} (quota {known['quota']})"


def _notes(known: Mapping[str, Any]) -> Iterator[str]:
    if known["others"]:
        yield f"in it: {words.plural(known['others'], 'request')} of other runs, which wait already"
    if known["agents"]:
        calls = known["calls"]
        most = "" if calls is None else f"; limits.calls allows {words.plural(calls, 'call')}"
        yield f"not in it: what the agents ask for ({', '.join(known['agents'])}){most}"
    if known["unsure"]:
        yield f"not in it: {', '.join(known['unsure'])}, for whether it is done shows later"
    if late(known):
        left = words.duration(known["time"])
        yield f"this will end as limited: limits.time leaves {left}; raise it in the workflow's file"
