"""What all file models have in common, and the small value types that files use."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema

DURATION = re.compile(r"^(\d+(?:\.\d+)?)(ms|s|m|h|d)$")
SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class FileModel(BaseModel):
    """Base of everything read from a file: unknown keys are refused, values are not coerced."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)


def seconds(value: Any) -> Any:
    """Return the seconds in `15m`, `4h`, `2.5s`; leave anything else to the type to refuse."""
    if isinstance(value, str) and (found := DURATION.match(value)):
        return float(found[1]) * SECONDS[found[2]]
    if isinstance(value, bool) or not isinstance(value, float):
        raise ValueError("a duration is a number with a unit, such as 30s, 15m, 4h or 1d")
    return value


Duration = Annotated[
    float,
    BeforeValidator(seconds),
    WithJsonSchema({"type": "string", "pattern": DURATION.pattern, "examples": ["30s", "15m", "4h"]}),
]
"""Seconds; written `30s`, `15m`, `4h`, `1d`."""


class Effect(StrEnum):
    """What a tool does to the product."""

    READ = "read"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    RUN = "run"
    ADMIN = "admin"

    @property
    def writes(self) -> bool:
        """Whether a call of this kind changes anything."""
        return self is not Effect.READ


class Evidence(StrEnum):
    """What a verified write rests on, strongest first."""

    STATE = "state"
    """Read back, and equal to what was asked for."""
    EXISTENCE = "existence"
    """It is there (or gone); what is in it cannot be read."""
    RESPONSE = "response"
    """Nobody can look: the server's own answer is all there is."""
