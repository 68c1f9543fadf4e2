"""The words and names that verified results, inputs and grounded artifacts hold, ready to be asked."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import lru_cache

from definable.verify.names import words
from definable.verify.shape import Json

NAMES = ("title", "name", "label", "displayName", "email", "filePath", "subject")
"""The fields that say what people call a thing."""

_TOKEN = re.compile(r"\w+")
_SIGN = re.compile("[$€£]")
_NAME = re.compile(r"[A-Za-z_][\w-]*\Z")
_SUFFIXES = ("ures", "ure", "ings", "ing", "ied", "ies", "ed", "es", "s", "e", "y")
_SAME = {
    "ran": "run", "run": "run", "running": "going", "look": "view", "open": "view", "seen": "view",
    "visit": "view",
    "finish": "complet", "succe": "complet", "succes": "complet", "successful": "complet", "pas": "complet",
    "succeed": "complet", "done": "complet", "fail": "fail", "broke": "fail", "broken": "fail",
    "crash": "fail",
    "took": "elaps", "tak": "elaps", "taken": "elaps", "slow": "elaps", "slowest": "elaps", "long": "elaps",
    "longest": "elaps", "shortest": "elaps", "fastest": "elaps", "quick": "elaps", "duration": "elaps",
    "lasted": "elaps", "runtim": "elaps",
}  # fmt: skip
"""Stems that say the same of what runs and is looked at."""


@lru_cache(maxsize=8192)
def norm(text: str) -> str:
    """Return the words of a text in one form: no case, no punctuation, one space between them."""
    return " ".join(_TOKEN.findall(unicodedata.normalize("NFKC", text).casefold().replace("_", " ")))


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """Return what a word has in common with its other forms: runs, ran → run; failed, failures → fail."""
    text = word.casefold()
    if text in _SAME:
        return _SAME[text]
    for suffix in _SUFFIXES:
        if text.endswith(suffix) and len(text) - len(suffix) >= 3:
            text = text[: -len(suffix)]
            break
    if len(text) > 3 and text[-1] == text[-2]:
        text = text[:-1]
    return _SAME.get(text, text)


@lru_cache(maxsize=8192)
def stems(text: str) -> frozenset[str]:
    """Return the stems of the words of a text, or of the words in a name: `lastSevenDays`."""
    return frozenset(stem(each) for part in _TOKEN.findall(text) for each in (words(part) or (part,)))


@dataclass
class Vocabulary:
    """What was said, as normalised texts; `names` are what things are called, as they are written."""

    texts: set[str] = field(default_factory=set)
    names: dict[str, str] = field(default_factory=dict)
    words: set[str] = field(default_factory=set)
    marks: set[str] = field(default_factory=set)
    """E-mail addresses, and signs of currencies."""
    _keys: set[str] = field(default_factory=set)
    _blob: str = ""

    def copy(self) -> Vocabulary:
        """Return one that can be added to by itself."""
        return Vocabulary(set(self.texts), dict(self.names), set(self.words), set(self.marks))

    def take(self, other: Vocabulary) -> Vocabulary:
        """Take in what another holds; what is known already keeps its name."""
        self.texts |= other.texts
        self.names = other.names | self.names
        self.words |= other.words
        self.marks |= other.marks
        self._keys |= other._keys
        return self

    def add(self, value: Json, key: str = "") -> Vocabulary:
        """Take in a JSON value that stands under the name `key`."""
        if isinstance(value, str):
            if value:
                self._say(value, key)
        elif isinstance(value, dict):
            for name, each in value.items():
                if name not in self._keys:
                    self._keys.add(name)
                    self._text(" ".join(words(name)) or name)
                    self._text(name)
                self.add(each, name)
        elif isinstance(value, list | tuple):
            for each in value:
                self.add(each, key)
        elif isinstance(value, int | float):
            self._text(str(value))
        return self

    def _say(self, text: str, key: str) -> None:
        self._text(text)
        if _NAME.match(text):
            self._text(" ".join(words(text)))
        if key in NAMES and len(text) <= 200:
            self.names.setdefault(norm(text), " ".join(text.split()))

    def _text(self, text: str) -> None:
        said = norm(text)
        if said and said not in self.texts:
            self.texts.add(said)
            self.words.update(said.split())
        if "@" in text:
            self.marks.update(each.casefold() for each in emails(text))
        if signs := _SIGN.findall(text):
            self.marks.update(signs)

    def stands(self, text: str) -> bool:
        """Whether the words of a text stand somewhere, in this order and next to each other."""
        said = norm(text)
        if not self._blob or len(self._blob.splitlines()) != len(self.texts) + 1:
            self._blob = "\n" + "\n".join(f" {each} " for each in sorted(self.texts))
        return not said or f" {said} " in self._blob

    def is_cut(self, text: str) -> bool:
        """Whether a text is a part of a name and stands nowhere else: “Churn Risk” of “Churn Risk Scores”."""
        said = f" {norm(text)} "
        if norm(text) in self.names or norm(text) in self.texts:
            return False
        longer = [f" {name} " for name in self.names if said in f" {name} "]
        for text in (f" {each} " for each in self.texts if longer and said in f" {each} "):
            for name in longer:
                text = text.replace(name, " \n ")
            if said in text:
                return False
        return bool(longer)

    def is_misspelt(self, text: str) -> bool:
        """Whether a text is a known name of several words but for a letter or two."""
        said = norm(text)[:200]
        close = get_close_matches(said, [n for n in self.names if " " in n], n=1, cutoff=0.88)
        return bool(close) and said != close[0]

    def nearest(self, text: str) -> str:
        """Return the known name that a text resembles most; empty when none does."""
        said = norm(text)[:200]
        around = [n for n in self.names if f" {said} " in f" {n} " or (f" {n} " in f" {said} " and " " in n)]
        found = get_close_matches(said, self.names, n=1, cutoff=0.75) or sorted(around, key=len)
        return self.names[found[0]] if found else ""


EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")


def emails(text: str) -> list[str]:
    """Return the e-mail addresses in a text."""
    return EMAIL.findall(text)


def strings(value: Json) -> Iterator[str]:
    """Yield every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list | tuple):
        for each in value.values() if isinstance(value, dict) else value:
            yield from strings(each)
