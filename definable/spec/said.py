"""What a person's words name: ids, numbers with their nouns, quoted texts, `key: value`. Pure.

`extract` reads a workflow's inputs from what was said. `stands` says whether a value that somebody else read
from it, a language model say, really is there, so that nothing is made up.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from definable.spec.inputs import is_a, read_text
from definable.spec.lookup import Json
from definable.spec.workflow import Input

_UUID: Final = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_ID: Final = re.compile(rf"https?://[^\s<>\"'`|)\]}}]+|(?<![\w/-]){_UUID}(?![\w-])")
_QUOTED: Final = re.compile(r"\"([^\"\n]+)\"|“([^”\n]+)”|`([^`\n]+)`|(?<!\w)'([^'\n]+)'(?!\w)")
_FENCE: Final = re.compile(r"^```(?:json)?\s*\n(.*)\n```$", re.DOTALL)
_WORD: Final = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
_BARE: Final = re.compile(r"[\w./:-]{4,}")

_ONES: Final = tuple(
    re.findall(
        r"\w+",
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
        "sixteen seventeen eighteen nineteen twenty",
    )
)
_NUMBERS: Final = {
    **{word: n for n, word in enumerate(_ONES)},
    **{"thirty": 30, "sixty": 60, "ninety": 90, "hundred": 100, "couple": 2},
}
_DAYS: Final = {"day": 1, "week": 7, "fortnight": 14, "month": 30}
_COUNTED: Final = re.compile(
    rf"(?<![\w.-])(?:(-?\d+(?:\.\d+)?|{'|'.join(_NUMBERS)})\s+(?:(?:full|of|latest|last|most|recent)\s+)*([a-z]+)"
    rf"|(?:an?|last|past|previous)\s+({'|'.join(_DAYS)})\b)",
    re.IGNORECASE,
)
"""A number and what it counts; or one span of time: the last week."""
_FIGURE: Final = re.compile(r"(?<![\w.-])-?\d+(?:\.\d+)?(?![\w-])")
_ABOUT_ID: Final = re.compile(r"\bids?\b", re.IGNORECASE)
_FILLER: Final = frozenset(
    re.findall(r"\w+", "the and for with from into that this our your are was were what which")
)


def singular(word: str) -> str:
    """Return the word for one of them, roughly: days → day."""
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def wants_id(name: str, declared: Input) -> bool:
    """Whether an input names a thing by its id, as its declaration says."""
    words = re.sub(r"[_-]|(?<=[a-z])(?=[A-Z])", " ", name)
    return declared.type == "string" and bool(_ABOUT_ID.search(f"{words} {declared.description}"))


def ids(text: str) -> list[str]:
    """Return the ids and URLs in a text, as they stand there."""
    return [found.group().rstrip(".,;:!?") for found in _ID.finditer(text)]


def quoted(text: str) -> list[str]:
    """Return what stands in quotation marks."""
    return [next(filter(None, found.groups())) for found in _QUOTED.finditer(text)]


def without_data(text: str) -> str:
    """Return a text without what is quoted and without ids."""
    return _ID.sub(" ", _QUOTED.sub(" ", text))


def numbers(text: str) -> list[tuple[float, str]]:
    """Return numbers with the noun behind them, in the singular: `the last two weeks` → (2, `week`)."""
    spaced = re.sub(rf"\b(\d+|{'|'.join(_NUMBERS)})-(?=[a-z])", r"\1 ", text, flags=re.IGNORECASE)
    return [
        (1.0, found[3].lower()) if found[3] else (_figure(found[1]), singular(found[2].lower()))
        for found in _COUNTED.finditer(spaced)
    ]


def _figure(text: str) -> float:
    return float(_NUMBERS.get(text.lower(), text))


def whole(text: str) -> dict[str, Json] | None:
    """Return the JSON object that a text is, alone or in a fence; None when it is anything else."""
    bare = text.strip()
    fenced = _FENCE.match(bare)
    try:
        found = json.loads(fenced[1] if fenced else bare)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def extract(inputs: Mapping[str, Input], text: str, asked: Iterable[str] = ()) -> dict[str, Json]:
    """Return the values that a text gives to inputs; `asked` are those that it answers a question about.

    A value that is named but cannot be read by its type stays the text that it is: it does not fit, then.
    """
    if (given := whole(text)) is not None:
        return given
    found = {name: _read(name, inputs[name], said) for name, said in pairs(inputs, text).items()}
    left = {name: each for name, each in inputs.items() if name not in found}
    wanted = [name for name in asked if name in left]
    found |= _by_id(left, _without_pairs(inputs, text), wanted)
    for name, declared in left.items():
        if name not in found and (value := _value(name, declared, text, name in wanted)) is not None:
            found[name] = value
    return found


def pairs(inputs: Iterable[str], text: str) -> dict[str, str]:
    """Return `key: value` and `key=value` of known keys; a value ends with its line, or at the next key."""
    found: dict[str, str] = {}
    for name, _, start, end in _pairs(inputs, text):
        value = text[start:end].strip().rstrip(",;").strip()
        value = re.sub(r"[,;]?\s+and$", "", value)
        if value and (quotes := _QUOTED.match(value)):
            value = next(filter(None, quotes.groups()))
        if value:
            found.setdefault(name, value)
    return found


def _pairs(inputs: Iterable[str], text: str) -> Iterator[tuple[str, int, int, int]]:
    """Yield each pair's key, where it begins, and where its value begins and ends."""
    keys = {re.sub(r"[\W_]", "", name).lower(): name for name in inputs}
    if not keys:
        return
    names = "|".join(r"[\s_-]?".join(map(re.escape, re.split(r"[\W_]+", name))) for name in keys.values())
    heads = list(re.finditer(rf"(?<![\w/?&.-])\**({names})\**\s*(?:=|:(?!//))\s*", text, re.IGNORECASE))
    for head, after in zip(heads, [*heads[1:], *([None] if heads else ())], strict=True):
        line = text.find("\n", head.end())
        ends = [each for each in (line, after.start() if after else -1) if each >= 0]
        name = keys[re.sub(r"[\W_]", "", head[1]).lower()]
        yield name, head.start(), head.end(), min(ends, default=len(text))


def _without_pairs(inputs: Iterable[str], text: str) -> str:
    for _, start, _, end in reversed(list(_pairs(inputs, text))):
        text = text[:start] + " " + text[end:]
    return text


def _read(name: str, declared: Input, said: str) -> Json:
    if wants_id(name, declared):
        return next(iter(ids(said)), said)
    if declared.type in ("integer", "number"):
        if said.lower() in _ONES:
            return _ONES.index(said.lower())
        said = first.group() if (first := _FIGURE.search(said)) else said
    if declared.type == "boolean":
        said = {"yes": "true", "no": "false"}.get(said.lower(), said.lower())
    try:
        return read_text(declared, said)
    except ValueError:
        return said


def _by_id(inputs: Mapping[str, Input], text: str, asked: list[str]) -> dict[str, Json]:
    """Return the ids of a text by the inputs that they are for: named by the word before them, or alone."""
    open_ = [name for name, declared in inputs.items() if wants_id(name, declared)]
    found: dict[str, Json] = {}
    rest = []
    for each in ids(text):
        before = text[: text.index(each)].rstrip(" \t\"'`“(:#")
        word = singular((_WORD.findall(before) or [""])[-1].lower())
        named = [name for name in open_ if word and word in _words(name)]
        if "/hex/" in each and not named:
            named = [name for name in open_ if "project" in _words(name)]
        if len(named) == 1 and named[0] not in found:
            found[named[0]] = each
        elif each not in found.values():
            rest.append(each)
    left = [name for name in asked or open_ if name in open_ and name not in found]
    if len(left) == len(rest) == 1:
        found[left[0]] = rest[0]
    elif not rest and len(left) == 1 and asked and (bare := _bare_id(text)):
        found[left[0]] = bare
    return found


def _bare_id(text: str) -> str:
    """A message that is nothing but an id of another form than a UUID."""
    alone = text.strip().strip("\"'`.")
    return alone if _BARE.fullmatch(alone) and any(c.isdigit() for c in alone) else ""


def _words(name: str) -> set[str]:
    return {singular(word.lower()) for word in re.findall(r"[A-Z]?[a-z]+", name)}


def _value(name: str, declared: Input, text: str, asked: bool) -> Json:
    if declared.enum is not None:
        return next((e for e in declared.enum if _within(str(e), text)), None)
    if declared.type in ("integer", "number"):
        return _number(name, declared, text, asked)
    if declared.type == "boolean":
        return _switch(name, text, asked)
    if declared.type == "string" and not wants_id(name, declared):
        named = re.search(
            rf"\b{re.escape(name)}\s+(?:to\s+|is\s+|of\s+|as\s+)?(?={_QUOTED.pattern})", text, re.IGNORECASE
        )
        return quoted(text[named.end() :])[0] if named else None
    return None


def _number(name: str, declared: Input, text: str, asked: bool) -> Json:
    nouns = _words(name)
    for number, noun in numbers(text):
        if noun in nouns:
            return _sized(declared, number)
        if "day" in nouns and noun in _DAYS:
            return _sized(declared, number * _DAYS[noun])
    figures = _FIGURE.findall(text)
    if asked and len(figures) == 1:
        return _sized(declared, float(figures[0]))
    if asked and (word := text.strip().lower().rstrip(".")) in _ONES:
        return _ONES.index(word)
    return None


def _sized(declared: Input, number: float) -> Json:
    return int(number) if declared.type == "integer" and number.is_integer() else number


def _switch(name: str, text: str, asked: bool) -> Json:
    if re.search(rf"\b(?:do not|don['\u2019]?t|without|no)\s+{re.escape(name)}", text, re.IGNORECASE):
        return False
    if re.search(rf"\b(?:and|then)\s+{re.escape(name)}\s+(?:it|the)\b", text, re.IGNORECASE):
        return True
    answer = re.match(r"\s*(yes|no|true|false)\b", text, re.IGNORECASE) if asked else None
    return answer[1].lower() in ("yes", "true") if answer else None


def free(text: str, name: str, inputs: Iterable[str]) -> str:
    """Return what is left of a request for a workflow as a text of its own; empty when it is no sentence.

    One quoted text is what is meant. Else the call for the workflow, pairs and ids are taken away.
    """
    bare = _without_pairs(inputs, text)
    marks = quoted(bare)
    if len(marks) == 1 and len(marks[0].split()) > 1:
        return marks[0]
    spoken = r"[\s-]".join(re.escape(part) for part in name.split("-"))
    call = rf"(?:please\s+)?(?:(?:run|start|use|do|make|launch)\s+)?(?:(?:the|a)\s+)?{spoken}(?:\s+workflow)?"
    head, colon, tail = bare.partition(": ")
    if colon and len(tail.split()) > 1 and (ids(head) or re.search(spoken, head, re.IGNORECASE)):
        bare = tail
    bare = re.sub(rf"^\s*{call}\s*(?:(?:for|on|about|with|to)\b)?[\s:,.-]*", "", bare, flags=re.IGNORECASE)
    nouns = "|".join(re.escape(each) for each in inputs)
    where = rf"(?:\b(?:in|of|for|on|with|at)\s+)?(?:\b(?:the\s+)?(?:{nouns})\s+)?" if nouns else ""
    bare = re.sub(rf"{where}(?:{_ID.pattern})\s*[,:;]?", " ", bare, flags=re.IGNORECASE)
    bare = " ".join(bare.split()).strip(" ,;:-")
    return bare if len(_WORD.findall(bare)) > 1 else ""


def stands(name: str, declared: Input, value: Json, texts: Iterable[str]) -> bool:
    """Whether a value stands in what was said, or follows plainly from it.

    An id stands there letter by letter, a number as figures or words (two weeks are 14 days), and of a text
    each word that carries meaning. A switch needs at least to be spoken of.
    """
    said = list(texts)
    if isinstance(value, bool):
        return any(_words(name) & {singular(w.lower()) for w in _WORD.findall(text)} for text in said)
    if is_a("number", value):
        return any(_counted(value, text) for text in said)
    if isinstance(value, str):
        if wants_id(name, declared):
            return any(_within(value, text) for text in said) and any(c.isdigit() for c in value)
        known = {singular(w.lower()) for text in said for w in _WORD.findall(text)}
        words = {singular(w.lower()) for w in _WORD.findall(value)}
        return bool(words) and {w for w in words - _FILLER if len(w) > 2 or w.isdigit()} <= known
    if isinstance(value, list | dict):
        inner = value.values() if isinstance(value, dict) else value
        return all(stands(name, declared, each, said) for each in inner)
    return value is None


def _counted(value: float, text: str) -> bool:
    figures = {float(each) for each in _FIGURE.findall(text)}
    spoken = {number * factor for number, noun in numbers(text) for factor in {1, _DAYS.get(noun, 1)}}
    words = {float(_ONES.index(w)) for w in map(str.lower, _WORD.findall(text)) if w in _ONES}
    return value in figures | spoken | words


def _within(value: str, text: str) -> bool:
    return bool(re.search(rf"(?<![\w-]){re.escape(value)}(?![\w-])", text, re.IGNORECASE))
