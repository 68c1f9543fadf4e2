"""Query parameters: each operation declares what it takes; every wrong one is named at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from definable.sandbox.answers import Json, Refusal

Read = Callable[[list[str]], Json]
"""Turns the raw values of one parameter into its value; raises ValueError with what was expected."""


def integer(low: int, high: int | None = None) -> Read:
    """Read a whole number within bounds, both inclusive."""

    def read(raw: list[str]) -> Json:
        span = f"between {low} and {high}" if high is not None else f"of {low} or more"
        try:
            value = int(raw[-1])
        except ValueError:
            raise ValueError(f"expected a whole number {span}, got {raw[-1]!r}") from None
        if value < low or (high is not None and value > high):
            raise ValueError(f"expected a whole number {span}, got {value}")
        return value

    return read


def choice(*allowed: str) -> Read:
    """Read one of a few words."""

    def read(raw: list[str]) -> Json:
        if raw[-1] not in allowed:
            raise ValueError(f"expected one of {', '.join(allowed)}, got {raw[-1]!r}")
        return raw[-1]

    return read


def boolean(raw: list[str]) -> Json:
    """Read `true` or `false`."""
    if raw[-1] not in ("true", "false"):
        raise ValueError(f"expected true or false, got {raw[-1]!r}")
    return raw[-1] == "true"


def text(raw: list[str]) -> Json:
    """Read a text."""
    return raw[-1]


def texts(raw: list[str]) -> Json:
    """Read a key that may be repeated."""
    return raw


def cursors(largest: int = 100, default: int = 25) -> dict[str, tuple[Read, Json]]:
    """Return limit, after and before of a list that pages by cursor."""
    return {"limit": (integer(1, largest), default), "after": (text, None), "before": (text, None)}


def read_params(
    spec: Mapping[str, tuple[Read, Json]], raw: Mapping[str, Sequence[str]], required: tuple[str, ...] = ()
) -> dict[str, Json]:
    """Return every declared parameter, or its default. Raises a 400 that names all wrong ones."""
    values: dict[str, Json] = {}
    issues = [f"{name}: required" for name in required if not raw.get(name)]
    for name, (read, default) in spec.items():
        sent = list(raw.get(name, ()))
        try:
            values[name] = read(sent) if sent else default
        except ValueError as error:
            issues.append(f"{name}: {error}")
    if issues:
        raise Refusal(400, "Invalid query parameters", tuple(issues))
    return values
