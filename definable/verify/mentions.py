"""What a text mentions that can be checked: numbers with their units, dates, times, weeks, ids.

Words for numbers (two, three, a dozen) are not read for now. Markdown's own digits are not mentions: ordinals
of lists and headings, footnote marks, and ids inside code; a plain number inside code is one.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from calendar import month_abbr
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

UNITS = {
    "ms": 0.001, "millisecond": 0.001, "milliseconds": 0.001,
    "s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0,
    "m": 60.0, "min": 60.0, "mins": 60.0, "minute": 60.0, "minutes": 60.0,
    "h": 3600.0, "hr": 3600.0, "hrs": 3600.0, "hour": 3600.0, "hours": 3600.0,
    "d": 86400.0, "day": 86400.0, "days": 86400.0,
}  # fmt: skip
"""Units of time in seconds, by the words that texts use."""

_SCALES = {"k": 1e3, "thousand": 1e3, "M": 1e6, "million": 1e6, "bn": 1e9, "billion": 1e9}
_MONTHS = {name.lower(): number for number, name in enumerate(month_abbr) if name}
_MONTH = r"(?P<month>(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*)\.?"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_NUM = r"\d{1,3}(?:[,'\u2019\u00a0\u202f]\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_TIME_UNIT = "|".join(sorted(UNITS, key=len, reverse=True))
_SCALE = "|".join(sorted(_SCALES, key=len, reverse=True))

Kind = Literal["number", "percent", "duration", "scaled", "date", "time", "week", "id", "url"]


@dataclass(frozen=True, slots=True)
class Mention:
    """One thing to check. `value` is the number as shown, `digits` its decimals, `unit` seconds or a factor.

    A date has (year, month, day) in `parts`, 0 where it says nothing; a time has (hour, minute).
    """

    kind: Kind
    text: str
    sentence: str
    value: float = 0.0
    digits: int = 0
    unit: float = 1.0
    parts: tuple[int, ...] = ()


_Reader = Callable[["re.Match[str]"], dict[str, object]]


def _date(found: re.Match[str]) -> dict[str, object]:
    got = found.groupdict()
    month = got.get("month") or "0"
    number = int(month) if month.isdigit() else _MONTHS[month[:3].lower()]
    return {"parts": (int(got.get("year") or 0), number, int(got.get("day") or 0))}


def _time(found: re.Match[str]) -> dict[str, object]:
    hour = int(found["hour"])
    if half := (found["half"] or "").lower():
        hour = hour % 12 + (12 if half[0] == "p" else 0)
    return {"parts": (hour, int(found["minute"]))}


def _number(found: re.Match[str]) -> dict[str, object]:
    digits = re.sub(r"[,'\u2019\u00a0\u202f]", "", found["num"])
    decimals = len(digits.partition(".")[2])
    return {"value": float(digits), "digits": decimals}


def _duration(found: re.Match[str]) -> dict[str, object]:
    return {**_number(found), "unit": UNITS[found["unit"].lower()]}


def _clock(found: re.Match[str]) -> dict[str, object]:
    """Read `1 h 20 min` as one length, in its smallest unit."""
    said = re.findall(rf"(\d+(?:\.\d+)?)\s?({_TIME_UNIT})\b", found[0], re.IGNORECASE)
    pieces = [(float(number), UNITS[unit.lower()]) for number, unit in said]
    smallest = min(unit for _, unit in pieces)
    return {"value": sum(n * unit for n, unit in pieces) / smallest, "unit": smallest}


def _scaled(found: re.Match[str]) -> dict[str, object]:
    return {**_number(found), "unit": _SCALES[found["unit"]]}


def _nothing(found: re.Match[str]) -> dict[str, object]:
    return {}


_BEFORE = r"(?<![\w.\-])[-\u2212+~≈]?(?:[$€£]\s?)?"
_AFTER = r"(?![\w]|[.,]\d|-\w*\d)"
_READERS: tuple[tuple[Kind, re.Pattern[str], _Reader], ...] = (
    ("url", re.compile(r"https?://[^\s)>\]\"']+"), _nothing),
    ("id", re.compile(r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"), _nothing),
    ("date", re.compile(r"(?<![\w-])(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})(?=T|\b)(?!-\d)"), _date),
    ("time", re.compile(r"(?<!\d)[T ]?(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::\d{2}(?:\.\d+)?)?"
                        r"(?:\s?(?P<half>[ap]\.?m)\b\.?)?(?:Z|[+-]\d{2}:?\d{2})?(?!\d)", re.I), _time),
    ("date", re.compile(rf"\b{_MONTH}\s+{_DAY}\b(?:,?\s+(?P<year>\d{{4}})\b)?", re.I), _date),
    ("date", re.compile(rf"(?<![\w.]){_DAY}\.?\s+(?:of\s+)?{_MONTH}"
                        r"(?:,?\s+(?P<year>\d{4}))?\b", re.I), _date),
    ("date", re.compile(rf"\b{_MONTH}\s+(?P<year>\d{{4}})\b", re.I), _date),
    ("date", re.compile(r"(?<![\w-])(?P<year>\d{4})-(?P<month>\d{2})(?![\w-])"), _date),
    ("week", re.compile(r"\b(?:week\s+|W)(?P<num>\d{1,2})\b", re.I), _number),
    ("duration", re.compile(rf"(?<![\w.])\d+\s?(?:d|days?|h|hrs?|hours?|m|min|mins|minutes?)[\s,]+(?:and\s+)?"
                            rf"\d+(?:\.\d+)?\s?(?:{_TIME_UNIT})\b", re.I), _clock),
    ("percent", re.compile(rf"{_BEFORE}(?P<num>{_NUM})\s?(?:%|percent\b|per cent\b|pp\b)"), _number),
    ("duration", re.compile(rf"{_BEFORE}(?P<num>{_NUM})[\s-]?(?P<unit>{_TIME_UNIT})\b"), _duration),
    ("scaled", re.compile(rf"{_BEFORE}(?P<num>{_NUM})\s?(?P<unit>{_SCALE})\b"), _scaled),
    ("number", re.compile(rf"{_BEFORE}(?P<num>{_NUM})(?:(?:st|nd|rd|th|x|\u00d7)(?!\w)|{_AFTER})"), _number),
    ("id", re.compile(r"(?=[\w.\-]*[^\W\d_])(?=[\w.\-]*\d)\w+(?:[.\-]\w+)*"), _nothing),
    ("number", re.compile(rf"(?P<num>{_NUM})"), _number),
)  # fmt: skip


def mentions(text: str) -> list[Mention]:
    """Return everything that `text`, as plain text, mentions; each digit of it belongs to one mention."""
    out: list[Mention] = []
    left = text
    ends = [0, *(found.end() for found in re.finditer(r"\n|[.!?](?=\s)", text)), len(text)]
    for kind, pattern, read in _READERS:
        taken = [
            found for found in pattern.finditer(left) if kind == "url" or any(map(str.isdigit, found[0]))
        ]
        for found in taken:
            said = found[0].strip(" ~≈")
            sentence = _sentence(text, ends, found.start())
            out.append(Mention(kind, said, sentence, **read(found)))  # type: ignore[arg-type]
        left = _without(left, taken)
        if not any(map(str.isdigit, left)):
            break
    return out


def _without(text: str, taken: list[re.Match[str]]) -> str:
    """Return `text` with spaces where something was read, so that every place stays where it is."""
    parts: list[str] = []
    at = 0
    for found in taken:
        parts += [text[at : found.start()], " " * len(found[0])]
        at = found.end()
    return "".join([*parts, text[at:]])


def in_markdown(text: str) -> Iterator[Mention]:
    """Yield what a Markdown text mentions, without the digits that belong to Markdown itself."""
    code = re.findall(r"```.*?(?:```|\Z)|`[^`\n]+`", text, re.DOTALL)
    prose = re.sub(r"```.*?(?:```|\Z)|`[^`\n]+`", " ", text, flags=re.DOTALL)
    prose = re.sub(r"(?m)^(\s*(?:>\s*)*(?:#{1,6}\s+)?(?:[-*+]\s+)?)\d{1,3}[.)]\s+", r"\1", prose)
    prose = re.sub(r"\[\^[^\]]*\]|(?<!\w)_+|_+(?!\w)|\*+", " ", prose)
    yield from mentions(prose)
    for piece in code:
        yield from (each for each in mentions(piece.strip("`")) if each.kind in ("number", "percent"))


def segments(url: str) -> list[str]:
    """Return the parts of a URL's path and query that have a digit in them."""
    rest = re.sub(r"^https?://", "", unquote(url)).rstrip(".,;:")
    return [part for part in re.split(r"[/?&=#]", rest)[1:] if any(map(str.isdigit, part))]


def _sentence(text: str, ends: list[int], at: int) -> str:
    after = bisect_right(ends, at)
    start, end = ends[after - 1], ends[min(after, len(ends) - 1)]
    said = " ".join(text[start : min(end, start + 4000)].split()).strip("|#-> ")
    return said if len(said) <= 160 else said[:159] + "…"
