"""What the environment may say: `DEFINABLE_*`, read when asked and never at import."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from definable.errors import UsageError

PREFIX = "DEFINABLE_"
LEVELS = ("debug", "info", "warning", "error")
UNITS = {"m": 60.0, "h": 3600.0, "d": 86400.0}
SWITCH = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


class Settings(BaseModel):
    """The settings of one process; a variable that is unset or empty leaves its field at the default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    home: Path | None = None
    """DEFINABLE_HOME: where state lives; `.definable` in the workspace when None."""
    workspace: Path | None = None
    """DEFINABLE_WORKSPACE: the workspace; the nearest one around the working directory when None."""
    log: Literal["debug", "info", "warning", "error"] | None = None
    """DEFINABLE_LOG: log lines of this level and above go to standard error too."""
    offline: bool | None = None
    """DEFINABLE_OFFLINE: true for the offline models, false for the real ones; None: by the keys."""
    database: str | None = Field(default=None, repr=False)
    """DEFINABLE_DATABASE: the URL of the PostgreSQL database with the runs; None: a file in the home."""
    quota_share: float = 1.0
    """DEFINABLE_QUOTA_SHARE: which part of each quota is used, up to 1; `off` (0): no governor."""
    keep: float | None = None
    """DEFINABLE_KEEP: how long workers keep the logs of runs that ended, in seconds; None: for good."""
    concierge: str | None = None
    """DEFINABLE_CONCIERGE: the model that finds what a chat asks for; the researcher's when None."""

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Settings:
        """Return the settings in `environ`; UsageError for a bad value or an unknown DEFINABLE_* name."""
        given = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
        known = {PREFIX + field.upper(): field for field in cls.model_fields}
        for name in given:
            if name not in known:
                close = get_close_matches(
                    name.removeprefix(PREFIX), [f.upper() for f in cls.model_fields], n=1
                )
                hint = f"did you mean {PREFIX}{close[0]}?" if close else f"known are {', '.join(known)}"
                raise UsageError(f"the environment sets {name}, which means nothing", hint=hint, name=name)
        return cls(**{known[n]: READERS[known[n]](n, v.strip()) for n, v in given.items() if v.strip()})


def _path(name: str, value: str) -> Path:
    try:
        return Path(value).expanduser()
    except RuntimeError as error:
        raise UsageError(
            f"{name}={value!r} has a home folder that is not known", hint="write out the path"
        ) from error


def _database(name: str, value: str) -> str:
    if not value.startswith(("postgresql://", "postgres://")):  # never quoted: it may hold a password
        raise UsageError(
            f"{name} is not the URL of a PostgreSQL database",
            hint="write postgresql://USER:PASSWORD@HOST:PORT/DATABASE, or nothing: runs are in a file",
        )
    return value


def _level(name: str, value: str) -> str:
    if value.lower() not in LEVELS:
        raise UsageError(f"{name}={value!r} is not a level", hint=f"use one of {', '.join(LEVELS)}")
    return value.lower()


def _switch(name: str, value: str) -> bool:
    if value.lower() not in SWITCH:
        raise UsageError(f"{name}={value!r} is neither yes nor no", hint="use 1 or 0")
    return SWITCH[value.lower()]


def _share(name: str, value: str) -> float:
    try:
        share = 0.0 if value.lower() == "off" else float(value)
    except ValueError:
        share = -1.0
    if not (0.0 < share <= 1.0 or value.lower() == "off"):
        raise UsageError(
            f"{name}={value!r} is no part of a quota",
            hint="use a number above 0 and up to 1, such as 0.5, or off to send without looking at quotas",
        )
    return share


def age(text: str) -> float | None:
    """Return the seconds in `90d`, `12h` or `30m`; None for anything else."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)(m|h|d)", text)
    return float(found[1]) * UNITS[found[2]] if found else None


def _keep(name: str, value: str) -> float:
    if (found := age(value)) is None:
        raise UsageError(f"{name}={value!r} is no time", hint="use a number with a unit, such as 90d or 12h")
    return found


def _model(name: str, value: str) -> str:
    if not re.fullmatch(r"(openai|anthropic|offline)/\S+", value):
        raise UsageError(
            f"{name}={value!r} is no model", hint="write PROVIDER/NAME with openai, anthropic or offline"
        )
    return value


READERS: Mapping[str, Callable[[str, str], Any]] = {
    "home": _path,
    "workspace": _path,
    "log": _level,
    "offline": _switch,
    "database": _database,
    "quota_share": _share,
    "keep": _keep,
    "concierge": _model,
}
"""Field → what turns the variable's text into it."""
