"""Everything that verified results, constants and grounded artifacts say, ready to be asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache

from definable.verify.mentions import Mention, read, segments
from definable.verify.names import words
from definable.verify.shape import Json

_LENGTHS = {
    "ms": (0.001,), "millis": (0.001,), "milliseconds": (0.001,),
    "seconds": (1.0,), "secs": (1.0,), "sec": (1.0,),
    "minutes": (60.0,), "hours": (3600.0,), "days": (86400.0,),
    "duration": (0.001, 1.0), "elapsed": (0.001, 1.0), "latency": (0.001, 1.0), "runtime": (0.001, 1.0),
    "time": (0.001, 1.0),
}  # fmt: skip
"""What a number may be in seconds, by a word in the name of its field. A bare duration is in ms or s."""

_DIGIT = re.compile("[0-9]")
_SHORT = 6
"""From so many characters on, the first group of an id is taken for the id: 3f2a91c0 of 3f2a91c0-1234-…"""


def has_digit(text: str) -> bool:
    """Whether a text may hold a number."""
    return bool(_DIGIT.search(text)) if text.isascii() else any(map(str.isdigit, text))


_numbered = lru_cache(maxsize=8192)(has_digit)
"""The same of the name of a field: there are few, and each stands in every entry."""


@dataclass
class Evidence:
    """Numbers, lengths of time (in seconds), dates, times, ids and texts that were found."""

    numbers: set[float] = field(default_factory=set)
    lengths: set[float] = field(default_factory=set)
    dates: set[tuple[int, ...]] = field(default_factory=set)
    times: set[tuple[int, ...]] = field(default_factory=set)
    ids: set[str] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)

    def __or__(self, other: Evidence) -> Evidence:
        """Return what either says."""
        return Evidence(
            self.numbers | other.numbers,
            self.lengths | other.lengths,
            self.dates | other.dates,
            self.times | other.times,
            self.ids | other.ids,
            self.texts | other.texts,
        )

    def take(self, other: Evidence) -> Evidence:
        """Take in what another says."""
        for name in ("numbers", "lengths", "dates", "times", "ids", "texts"):
            getattr(self, name).update(getattr(other, name))
        return self

    def add(self, value: Json, key: str = "") -> Evidence:
        """Take in a JSON value; `key` is the name it stands under, which tells lengths of time apart."""
        if isinstance(value, str):
            self._add_text(value)
        elif isinstance(value, dict):
            for name, each in value.items():
                if _numbered(name):
                    self._add_text(name)
                self.add(each, name)
        elif isinstance(value, list | tuple):
            for each in value:
                self.add(each, key)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            self.add_number(float(value), key)
        return self

    def add_number(self, value: float, key: str = "") -> None:
        """Take in a number that stands under the name `key`."""
        self.numbers.add(value)
        found = words(key)
        # `lastRunTimeMs` is in ms: the last word that says anything wins.
        units = next((_LENGTHS[word] for word in reversed(found) if word in _LENGTHS), ())
        self.lengths.update(value * unit for unit in units)

    def _add_text(self, text: str) -> None:
        if not has_digit(text):
            return
        self.texts.add(text)
        for each in read(text):
            if each.worded:
                continue
            if each.kind == "date":
                self.dates.add(each.parts)
            elif each.kind == "time":
                self.times.add(each.parts)
            elif each.kind in ("id", "url"):
                self.ids.update(_parts(each.text))
            else:
                self.numbers.add(each.value)

    def says(self, mention: Mention) -> bool:
        """Whether a mention stands here: literally, shortened to the digits shown, or in another unit."""
        match mention.kind:
            case "date":
                return any(_same_date(mention.parts, each) for each in self.dates)
            case "time":
                return mention.parts in self.times
            case "week":
                return mention.value in self.numbers or any(
                    _week(each) == mention.value for each in self.dates
                )
            case "id":
                return self._says_id(mention.text)
            case _:
                return any(_near(mention, each) for each in self._amounts(mention))

    def _amounts(self, mention: Mention) -> Iterator[float]:
        """Yield what is known, in the unit of the mention."""
        yield from (n for n in self.numbers if n == mention.value)
        if mention.digits:
            yield from (n for n in self.numbers if not n.is_integer())
        if mention.kind == "percent":
            yield from (100 * n for n in self.numbers if 0 < abs(n) < 1)
        elif mention.kind == "duration":
            yield from (seconds / mention.unit for seconds in self.lengths)
        elif mention.kind == "scaled":
            yield from (n / mention.unit for n in self.numbers if abs(n) >= mention.unit)
        elif mention.value.is_integer() and not mention.digits and mention.kind == "number":
            yield from (float(each[0]) for each in self.dates if each[0])

    def _says_id(self, text: str) -> bool:
        return text.lower().strip("._-") in self.ids


def _parts(text: str) -> set[str]:
    """Return the ids that an id or a URL says: itself, the segments of a URL, and the first group of each."""
    wholes = {text.lower().strip("._-"), *(segment.lower() for segment in segments(text) if "://" in text)}
    first = {whole.partition("-")[0] for whole in wholes if whole.count("-") >= 4}
    return wholes | {each for each in first if len(each) >= _SHORT}


def _near(mention: Mention, value: float) -> bool:
    """Whether `value`, rounded to the digits shown, is what is mentioned. Signs are left to the words."""
    return abs(abs(value) - abs(mention.value)) <= 0.5 * 10**-mention.digits + 1e-9 * max(
        1.0, abs(value)
    ) and (
        bool(mention.digits)
        or mention.kind in ("duration", "scaled", "percent")
        or abs(value) == abs(mention.value)
    )


def _same_date(said: tuple[int, ...], known: tuple[int, ...]) -> bool:
    return all(one in (0, other) for one, other in zip(said, known, strict=True))


def _week(known: tuple[int, ...]) -> int:
    year, month, day = known
    try:
        return date(year, month, day).isocalendar().week
    except ValueError:
        return 0
