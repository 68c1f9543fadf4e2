"""Plain words for what the log records. Pure, and free of any product's names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

FAILURES = {
    "ok": "ok",
    "rate_limited": "rate limited",
    "capacity": "no free place",
    "auth_expired": "key refused",
    "auth_stray": "key refused, though it is good",
    "permission": "not permitted",
    "not_found": "not found",
    "invalid_input": "refused as invalid",
    "conflict": "conflict",
    "drift": "the answer has another shape than agreed",
    "request_drift": "the request's shape is no longer accepted",
    "false_success": "said yes, but did not do it",
    "wrong_host": "not the API that was expected",
    "too_large": "the answer is too large",
    "unknown_outcome": "no answer: it may or may not have happened",
    "upstream_5xx": "the service failed",
    "network": "not reachable",
    "no_credentials": "no key",
}
"""Failure class → what a person would say."""

EVIDENCE = {
    "state": "read again afterwards, and equal to what was asked for",
    "existence": "looked up afterwards: it is there, or gone, as asked; what is in it cannot be read",
    "response": "the answer keeps to its contract; nothing more can be looked at",
}
"""What a receipt rests on, in a sentence."""

CHECKED = {
    "state": "read back, and as asked for",
    "existence": "looked up, and there or gone as asked",
    "response": "by its answer; nobody can look",
}
"""The same in a few words."""

LOOKS = {"before": "look before", "look": "look", "poll": "poll", "page": "page"}
"""Roles of requests that are not the call itself."""


def failure(name: str) -> str:
    """Return the words for a failure class."""
    return FAILURES.get(name, name.replace("_", " "))


def plural(count: int, noun: str) -> str:
    """Return `1 call`, `2 calls`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def duration(seconds: float) -> str:
    """Return seconds as a person says them: `0.4 s`, `12 s`, `3 min 20 s`, `4 h`."""
    if seconds < 10:
        return f"{seconds:.1f}".rstrip("0").rstrip(".") + " s"
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 120:
        return f"{minutes} min" + (f" {rest} s" if rest else "")
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h" + (f" {minutes} min" if minutes else "")


def lasts(seconds: float, *, soon: bool) -> str:
    """Return how long a key lasts: `expires in 12 days`, and what to do when that is soon."""
    days = int(seconds // 86400)
    left = f"{days} days" if days > 1 else duration(seconds)
    end = "has expired" if seconds <= 0 else f"expires in {left}"
    return f"{end}{': make a new one' if soon else ''}"


def standing(status: str, reason: str, until: str | None) -> str:
    """Return where a run stands: `waiting quota until 12:03:10`, in local time."""
    if not reason:
        return status
    if until is None:
        return f"{status} ({reason})"
    return f"{status} {reason} until {clock(until)}"


def clock(until: str, today: date | None = None) -> str:
    """Return a time as a watch on the wall shows it, with the day when that is another."""
    at = datetime.fromisoformat(until).astimezone()
    day = "" if at.date() == (today or datetime.now(UTC).astimezone().date()) else f"{at:%Y-%m-%d} "
    return f"{day}{at:%H:%M:%S}"


def short(text: str, most: int = 60) -> str:
    """Return one line of `text`, cut with an ellipsis at `most` characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def short_end(line: str, most: int) -> str:
    """Return a line cut with an ellipsis at `most` characters; spaces stay as they are."""
    return line if len(line) <= most else line[: max(most - 1, 0)] + "…"


def compact(value: Any, most: int = 40) -> str:
    """Return a JSON value as one short piece of text."""
    return short(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), most)


def subject(arguments: Mapping[str, Any], names: Mapping[str, str], most: int = 3) -> str:
    """Return what a call is about: known ids by name, then plain arguments; empty when there are none."""
    named, plain = [], []
    for key, value in arguments.items():
        if isinstance(value, str) and value in names:
            named.append(f"“{short(names[value], 40)}”")
        elif value is not None and not isinstance(value, dict | list):
            plain.append(f"{key}={compact(value, 36)}")
    if not named and not plain:
        plain = [text for key, value in arguments.items() if (text := _leaf(key, value))]
    parts = named + [text for text in plain if not named or not text.rpartition("=")[2].isdigit()]
    return ", ".join(parts[:most]) + (", …" if len(parts) > most else "")


def listing(result: Any, most: int = 25) -> list[str]:
    """Return the things that a result lists, by id and name, one a line; empty when it lists none."""
    lists = [v for v in result.values() if isinstance(v, list) and v] if isinstance(result, dict) else []
    if len(lists) != 1 or not all(isinstance(item, dict) and item.get("id") for item in lists[0]):
        return []
    names: dict[str, str] = {}
    learn(lists[0], names, 2)
    shown = [f"{item['id']}  {short(names.get(str(item['id']), ''))}".rstrip() for item in lists[0][:most]]
    left = len(lists[0]) - most
    return [*shown, *([f"and {left} more"] if left > 0 else [])]


def _leaf(key: str, value: Any) -> str:
    """Return the first plain value inside a list or object, as `key=value`; empty when there is none."""
    while isinstance(value, dict | list) and value:
        key, value = next(iter(value.items())) if isinstance(value, dict) else (key, value[0])
    return "" if value is None or isinstance(value, dict | list) else f"{key}={compact(value, 36)}"


def learn(body: Any, names: dict[str, str], depth: int = 6) -> None:
    """Add to `names` what each thing with an id in `body` is called (its title, name or label)."""
    if depth == 0:
        return
    if isinstance(body, list):
        for item in body:
            learn(item, names, depth - 1)
    elif isinstance(body, dict):
        name = next((body[k] for k in ("title", "name", "label") if isinstance(body.get(k), str)), "")
        if name and isinstance(body.get("id"), str):
            names[body["id"]] = name
        for value in body.values():
            learn(value, names, depth - 1)


def heals(receipt: Mapping[str, Any]) -> list[str]:
    """Return each heal of a receipt (its JSON) in words, equal ones counted."""
    counted: dict[str, int] = {}
    for heal in receipt.get("heals", ()):
        how = heal.get("detail") or heal["rule"].replace("_", " ")
        text = f"{failure(heal.get('class') or heal.get('failure') or '')}: {how}"
        counted[text] = counted.get(text, 0) + 1
    return [text if n == 1 else f"{text} ({n} times)" for text, n in counted.items()]


def because(error: Any) -> str:
    """Return the message of an error that is text or a `DefinableError.to_json()`."""
    if isinstance(error, Mapping):
        return str(error.get("message", "")) or str(error.get("error", "unknown error"))
    return str(error or "no reason was recorded")
