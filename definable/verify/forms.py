"""Forms in which the same may be written: moments, numbers in units, texts that went through an encoder."""

from __future__ import annotations

import base64
import html
import json
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from urllib.parse import unquote

from definable.spec.paths import MISSING
from definable.verify.shape import Json

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,17})(?:\.\d{1,17})?")
_QUARTER = 900
_DAY = 86_400
_EXACT = 10**24
"""Beyond this a product of two numbers is not exact any more."""
_ROUNDED = 10
"""From here on a number that is another one in a larger unit, rounded, is hardly so by chance."""

UNITS = (7, 24, 60, 100, 168, 1000, 1024, 1440, 3600, 60_000, 86_400, 604_800, 10**6, 1024**2, 3_600_000,
         86_400_000, 10**9, 1024**3)  # fmt: skip
"""How many of one unit are another one: of time, of shares, of bytes, of what is counted in thousands."""


def moment(value: Json) -> datetime | None:
    """Return the moment that a text says; one without a zone as if it were in UTC."""
    if not isinstance(value, str) or not _MOMENT.match(value):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def shifted(one: datetime, other: datetime) -> bool:
    """Whether two moments are apart by what a zone is: quarters of an hour, to the millisecond."""
    apart = (one - other).total_seconds()
    return apart != 0 and abs(apart) < _DAY and apart % _QUARTER == 0


def number(value: Json) -> Decimal | None:
    """Return the number that a value is, or that a text is and nothing else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return Decimal(value)
    if isinstance(value, float):
        return Decimal(repr(value)) if math.isfinite(value) else None
    return Decimal(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else None


def unit_change(old: Json, new: Json) -> str:
    """Return how `new` is `old` in another unit: `times:60`, `per:60`, `about:60` where it was rounded."""
    was, now = number(old), number(new)
    if not was or not now or (was < 0) != (now < 0) or max(abs(was), abs(now)) > _EXACT:
        return ""
    if abs(was) < 2 * abs(now) < 4 * abs(was):  # nearer to each other than the smallest unit puts them
        return ""
    for unit in UNITS:
        if now == was * unit:
            return f"times:{unit}"
        if was == now * unit:
            return f"per:{unit}"
    rounded = [u for u in UNITS if abs(now) >= _ROUNDED and now in (was // u, round(was / u))]
    return f"about:{rounded[0]}" if rounded else ""


def in_old_unit(value: Json, how: str) -> Json:
    """Return a number as it was before its unit changed, MISSING when that is not exactly one."""
    name, _, unit = how.partition(":")
    now, by = number(value), Decimal(unit)
    if now is None or abs(now) > _EXACT:
        return MISSING
    was = now * by if name == "per" else now / by
    if (was / by if name == "per" else was * by) != now:
        return MISSING
    text = format(was.normalize(), "f")
    if isinstance(value, str):
        return text
    return int(text) if "." not in text else float(text)


def _of_base64(text: str) -> str:
    return base64.b64decode(text, validate=True).decode()


def _of_json(text: str) -> str:
    found = json.loads(text)
    if not isinstance(found, str):
        raise ValueError(text)
    return found


DECODERS: dict[str, Callable[[str], str]] = {
    "html": html.unescape,
    "percent": unquote,
    "base64": _of_base64,
    "latin": lambda text: text.encode("latin-1").decode(),
    "json": _of_json,
}
"""What undoes an encoder that a text went through once too often."""


def decoded(value: Json, how: str) -> Json:
    """Return a text as it was before it went through an encoder; MISSING when it never did."""
    if not isinstance(value, str):
        return MISSING
    try:
        return DECODERS[how](value)
    except (ValueError, RecursionError):
        return MISSING


def respelled(value: Json, form: str) -> Json:
    """Return a moment in UTC with so many digits and that zone (`3Z`); MISSING when that would lose any."""
    found = moment(value)
    if found is None:
        return MISSING
    digits, zone = int(form[0]), form[1:]
    try:
        utc = found.astimezone(UTC)
    except OverflowError:
        return MISSING
    if utc.microsecond % 10 ** (6 - digits):
        return MISSING
    fraction = f".{utc.microsecond:06d}"[: digits + 1] if digits else ""
    return utc.strftime("%Y-%m-%dT%H:%M:%S") + fraction + zone
