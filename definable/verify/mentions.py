"""What a text mentions that can be checked: numbers with their units, dates, times, weeks, ids.

Words for numbers are read as well: two, a dozen, twice, half, a third. *Weak* ones (no, none, nobody, once,
one, both) have other uses too: they are only held against what is known to be otherwise.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from calendar import month_abbr
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal
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

_WORDS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10}
_WORDS |= {"eleven": 11, "twelve": 12}
_WORDS |= {"fifteen": 15, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "ninety": 90}
_WORDS |= {"dozen": 12, "hundred": 100, "twice": 2, "thrice": 3}
_WEAK = {"no": 0, "none": 0, "nobody": 0, "nothing": 0, "zero": 0, "once": 1, "one": 1, "both": 2}
_PARTS = {"half": 50.0, "third": 100 / 3, "quarter": 25.0, "fifth": 20.0, "tenth": 10.0}
_MANY = "|".join(_WORDS)
NUMERAL = re.compile(rf"\d|\b(?:{_MANY}|once)\b", re.I)
"""A number, in digits or as a word."""

Kind = Literal["number", "percent", "points", "duration", "scaled", "date", "time", "week", "id", "url"]


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
    start: int = 0
    worded: bool = False
    weak: bool = False
    """A word that is a number only where what is known says so."""

    @property
    def end(self) -> int:
        """Where it ends in its text."""
        return self.start + len(self.text)


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
    ("date", re.compile(rf"(?<![\w.:-])(?P<day>\d{{1,2}})"
                        rf"(?=(?:\s*(?:,|and|to|[-\u2013])\s*(?:and\s+)?\d{{1,2}})+\s+{_MONTH})",
                        re.I), _date),
    ("date", re.compile(rf"\b{_MONTH}\s+{_DAY}\b(?:,?\s+(?P<year>\d{{4}})\b)?", re.I), _date),
    ("date", re.compile(rf"(?<![\w.]){_DAY}\.?\s+(?:of\s+)?{_MONTH}"
                        r"(?:,?\s+(?P<year>\d{4}))?\b", re.I), _date),
    ("date", re.compile(rf"\b{_MONTH}\s+(?P<year>\d{{4}})\b", re.I), _date),
    ("date", re.compile(r"(?<![\w-])(?P<year>\d{4})-(?P<month>\d{2})(?![\w-])"), _date),
    ("week", re.compile(r"\b(?:week\s+|W)(?P<num>\d{1,2})\b", re.I), _number),
    ("duration", re.compile(rf"(?<![\w.])\d+\s?(?:d|days?|h|hrs?|hours?|m|min|mins|minutes?)[\s,]+(?:and\s+)?"
                            rf"\d+(?:\.\d+)?\s?(?:{_TIME_UNIT})\b", re.I), _clock),
    ("points", re.compile(rf"{_BEFORE}(?P<num>{_NUM})\s?"
                          r"(?:pp\b|(?:%|percentage|percent|per cent)[\s-]?points?\b)"), _number),
    ("percent", re.compile(rf"{_BEFORE}(?P<num>{_NUM})\s?(?:%|percent\b|per cent\b)(?!\s?-?points?\b)"),
        _number),
    ("duration", re.compile(rf"{_BEFORE}(?P<num>{_NUM})[\s-]?(?P<unit>{_TIME_UNIT})\b"), _duration),
    ("scaled", re.compile(rf"{_BEFORE}(?P<num>{_NUM})\s?(?P<unit>{_SCALE})\b"), _scaled),
    ("number", re.compile(rf"{_BEFORE}(?P<num>{_NUM})(?:(?:st|nd|rd|th|x|\u00d7)(?!\w)|{_AFTER})"), _number),
    ("id", re.compile(r"(?=[\w.\-]*[^\W\d_])(?=[\w.\-]*\d)\w+(?:[.\-]\w+)*"), _nothing),
    ("number", re.compile(rf"(?P<num>{_NUM})"), _number),
)  # fmt: skip


@lru_cache(maxsize=8192)
def read(text: str) -> tuple[Mention, ...]:
    """Return what a text mentions that is read often: one of a result, a sentence of an earlier artifact."""
    return tuple(mentions(text))


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
            start = found.start() + found[0].index(said)
            sentence = _sentence(text, ends, found.start())
            out.append(Mention(kind, said, sentence, start=start, **read(found)))  # type: ignore[arg-type]
        left = _without(left, taken)
        if not any(map(str.isdigit, left)):
            break
    for kind, found, read in _in_words(left):
        held: Any = {"start": found.start(), "worded": True, **read(found)}
        out.append(Mention(kind, found[0], _sentence(text, ends, found.start()), **held))
    return sorted(out, key=lambda each: each.start)


def _part(found: re.Match[str]) -> dict[str, object]:
    times = _WORDS.get((found["many"] or "").lower(), 1)
    share = _PARTS[found["part"].lower().rstrip("s").replace("halve", "half")]
    return {
        "value": times * share,
        "digits": 0 if share == 50 else 1,
        "weak": found["part"].lower() == "half",
    }


def _worded(found: re.Match[str]) -> dict[str, object]:
    word = found["word"].lower()
    if word == "dozen" and (many := (found["many"] or "").lower()) in _WORDS:
        return {"value": 12.0 * _WORDS[many]}
    return {"value": float(_WORDS[word] if word in _WORDS else _WEAK[word]), "weak": word in _WEAK}


def _long(found: re.Match[str]) -> dict[str, object]:
    return {"value": float(_WORDS[found["word"].lower()]), "unit": UNITS[found["unit"].lower()]}


_WORD_READERS: tuple[tuple[Kind, re.Pattern[str], _Reader], ...] = (
    ("percent", re.compile(rf"\b(?:(?:a|one|(?P<many>{_MANY}))[\s-]+)"
                           r"(?P<part>half|thirds?|quarters?|fifths?|tenths?)\b(?=\s+(?:of|the)\b)", re.I),
        _part),
    ("percent", re.compile(r"\b(?P<many>)(?P<part>half)\b(?=\s+(?:of|the|all|its|their)\b)", re.I), _part),
    ("duration", re.compile(rf"\b(?P<word>{_MANY})[\s-](?P<unit>{_TIME_UNIT})\b", re.I), _long),
    ("number", re.compile(rf"\b(?:(?P<many>{_MANY})\s+)?(?P<word>dozen)\b", re.I), _worded),
    ("number", re.compile(rf"(?<![\w-])(?P<many>)(?P<word>{_MANY}|{'|'.join(_WEAK)})(?![\w-])", re.I),
        _worded),
)  # fmt: skip


def _in_words(text: str) -> list[tuple[Kind, re.Match[str], _Reader]]:
    out: list[tuple[Kind, re.Match[str], _Reader]] = []
    for kind, pattern, read in _WORD_READERS:
        taken = [each for each in pattern.finditer(text) if not _stands_for(each, text)]
        out += ((kind, found, read) for found in taken)
        text = _without(text, taken)
    return out


def _stands_for(found: re.Match[str], text: str) -> bool:
    """Whether a `one` stands for a thing and is no number: the one opened most."""
    before = r"\b(?:the|this|that|each|every|which|another|any|no)\s+$"
    return found[0].lower() == "one" and bool(re.search(before, text[: found.start()], re.I))


def _without(text: str, taken: list[re.Match[str]]) -> str:
    """Return `text` with spaces where something was read, so that every place stays where it is."""
    parts: list[str] = []
    at = 0
    for found in taken:
        parts += [text[at : found.start()], " " * len(found[0])]
        at = found.end()
    return "".join([*parts, text[at:]])


def segments(url: str) -> list[str]:
    """Return the parts of a URL's path and query that have a digit in them."""
    rest = re.sub(r"^https?://", "", unquote(url)).rstrip(".,;:")
    return [part for part in re.split(r"[/?&=#]", rest)[1:] if any(map(str.isdigit, part))]


def _sentence(text: str, ends: list[int], at: int) -> str:
    after = bisect_right(ends, at)
    start, end = ends[after - 1], ends[min(after, len(ends) - 1)]
    said = " ".join(text[start : min(end, start + 4000)].split()).strip("|#-> ")
    return said if len(said) <= 160 else said[:159] + "…"
