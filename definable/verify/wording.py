"""What one sentence of an error says of which names.

A name is one because of how it stands there: quoted, before a colon, in camelCase or with underscores, or
beside a word such as "field". What is said is told by the few words that all such messages have: not known,
required, use this instead, must be a number.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from definable.spec.lookup import show

Parts = tuple[str, ...]


def word_set(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


class Says(StrEnum):
    """What a clause says of its names."""

    UNKNOWN = "unknown"
    MISSING = "missing"
    INSTEAD = "instead"
    TYPE = "type"


@dataclass(frozen=True, slots=True)
class Clause:
    """One thing that is said; `at` is the place that the structure of the body gives."""

    text: str
    at: Parts | None = None
    names: tuple[Parts, ...] = ()
    """Every name in it that stands there as one, the first first."""
    offers: tuple[Parts, ...] = ()
    """Those of the names that it says may be used."""
    starts: str = ""
    """The word it starts with, which may be a name in plain prose."""
    says: frozenset[Says] = field(default=frozenset())
    types: frozenset[str] = field(default=frozenset())
    """The JSON types that it speaks of, but for those in `came`."""
    came: frozenset[str] = field(default=frozenset())
    """The JSON types that it says it was sent."""
    values: tuple[str, ...] = ()
    """Words that are quoted or listed, which may be the values that are allowed."""


NAME = r"[A-Za-z_$][\w$-]*(?:\[(?:\d+|\*)?\]|\.[\w$*-]+)*"
_QUOTED = re.compile(
    r"""(?<!\w)["'`\u2018\u2019\u201c\u201d]([^"'`\u2018\u2019\u201c\u201d\s][^"'`\u2018\u2019\u201c\u201d]{0,80}?)["'`\u2018\u2019\u201c\u201d](?!\w)"""
)
_FIRM = re.compile(
    r"(?<![\w./@:-])((?:[a-z]+[A-Z]\w*|[A-Za-z]+_\w+|[A-Za-z_]\w*(?:\[\d*\]|\.[A-Za-z_]\w*)+)[\w.\[\]]*)"
)
_BEFORE_COLON = re.compile(rf"^\W*({NAME})\W{{0,2}}\s*:(?!//)")
_NOUN = (
    r"(?:fields?|param(?:eter)?s?|propert(?:y|ies)|keys?|arguments?|attributes?|options?|members?|names?|"
    r"elements?)"
)
_BESIDE = re.compile(
    rf"\b(?!names?\b|elements?\b){_NOUN}\s+(?:named\s+|called\s+)?({NAME})|(?:^|\bthe\s+)({NAME})\s+{_NOUN}\b",
    re.I,
)
_AFTER = re.compile(
    r"(?:\bdid you mean|\buse|\brenamed to|\bcalled|\breplaced (?:by|with)|\bfavou?r of|\bchanged to|"
    r"\bmoved to|\binstead of|->|→)"
    rf"\s+(?:the\s+)?(?:{_NOUN}\s+)?({NAME})",
    re.I,
)
_LISTED = re.compile(
    rf":\s*({NAME}(?:\s*(?:,|\||\bor\b|\band\b)\s*(?:or\s+|and\s+)?{NAME})*)\s*(?=[.;)\]]|$)"
)
_ONE_OF = re.compile(
    r"(?:one of|either|allowed|valid|supported|permitted|expected)\b[^:]{0,40}?:?\s*(.+)$", re.I
)
_PLACE_OF = re.compile(r"\b(?:at|in|of|on|under|within|class|object|type|got|received)\s+$", re.I)
"""What stands before the name of where something is, or of what came, and not of what is spoken of."""
_ALONE = re.compile(
    r"\W*(?:(?:is|are|this|the|a|field|key|value|property)\W+)*"
    r"(?:required|missing|unknown|unrecogni[sz]ed)\W*(?:\w+\W*)?"
)
"""What follows a colon when even a common word before it is a name: "reason: Required"."""
_WORDS = re.compile(r"[A-Za-z_][\w-]*")

_PLAIN = word_set(
    "a additional additionally all allowed an and any are argument at attribute bad be body but by "
    "can cannot data detail details did do does element error errors expected extra extraneous failed "
    "field fields for format found from has have if in input instead integer invalid is it its json "
    "key keys known list malformed mandatory may mean member message missing must name named names "
    "new no not null number object of on one only or page param parameter parameters params payload "
    "please properties property query reason request required s should string supported that the "
    "there this to true type types unexpected unknown unrecognised unrecognized use valid validation "
    "value values was we were which with you your boolean array false code status find cannot excess"
)
"""Words of prose, which are names only where they are quoted or stand at a path."""

NAMED_UNKNOWN = (
    r"(?:unrecogni[sz]ed|unknown|unexpected|unsupported|undeclared|extraneous|superfluous|surplus|excess|"
    r"extra|additional|deprecated|obsolete|removed|retired|illegal|disallowed|prohibited|invalid|no such|"
    r"not found|no longer \w+|not (?:recogni[sz]ed|known|supported|expected|found|valid))"
)
_UNKNOWN = re.compile(
    rf"\b{NAMED_UNKNOWN}\W+(?:\w+\W+){{0,2}}?{_NOUN}\b"
    rf"|\b{_NOUN}\W+(?:\S+\s+)?(?:is |are )?{NAMED_UNKNOWN}\b"
    r"|\b(?:unrecogni[sz]ed|unknown|unexpected|undeclared|extraneous|superfluous|surplus|excess|extra|"
    r"deprecated|obsolete|renamed|replaced)\b"
    r"|\bno longer\b|\bremoved\b"
    r"|\bnot (?:recogni[sz]ed|known|accepted|defined|declared|part of|a valid \w+)\b"
    rf"|\bnot a (?:known|valid|recogni[sz]ed) {_NOUN}|\bcould not be mapped|\bcannot find field"
    r"|\b(?:does|do|should|must)(?: not|n't) exist\b|\bunsupported\b"
)
_UNWANTED = re.compile(
    r"\bnot (?:allowed|permitted|supported|expected|applicable)\b|\bforbidden\b|\bdisallowed\b"
    r"|\b(?:should|must|may|can)(?: not|n't|not) be (?:present|set|sent|given|used|specified|provided|"
    r"included)\b"
)
_DEPENDS = re.compile(r"\b(?:with|when|while|together|unless|because|if|both|mutually|for|already)\b")
_OF_VALUE = re.compile(
    r"\b(?:unknown|unexpected|unsupported|unrecogni[sz]ed|invalid|illegal)\W+(?:\w+\W+){0,2}?"
    r"(?:value|type|format|kind|variant|enum|token|character|string|number|id)\b"
)
_MISSING = re.compile(
    r"\b(?:required|missing|mandatory|undefined|absent|omitted)\b"
    r"|\bnot (?:provided|given|specified|present|set|supplied|defined)\b"
    r"|\bmust (?:be )?(?:have|provide|include|contain|specify|present|given|provided|set|defined|specified|"
    r"supplied)\b"
    r"|\bshould (?:be (?:defined|present|provided)|exist|not be (?:empty|null|blank|undefined))\b"
    r"|\b(?:can't|cannot|can not|must not|may not) be (?:blank|empty|null|omitted|undefined|missing)\b"
    r"|\bneeds?\b|\bexpected (?:field|key|parameter|property)\b|\bplease (?:provide|specify|supply|give)\b"
)
_INSTEAD = re.compile(
    r"\bdid you mean\b|\binstead\b|\buse\b|\brenamed?\b|\breplaced\b|\bin favou?r of\b|\bis now\b"
    r"|\bnow called\b|\bchanged to\b|\bmigrate\b|\bmoved to\b|->|→"
)
_OFFERS = re.compile(
    r"(?<!not )(?<!not a )(?<!no )\b(?:did you mean|please use|use|allowed|known|valid|supported|"
    r"available|accepted|permitted|"
    r"expected|possible|renamed to|replaced (?:by|with)|favou?r of|called|changed to|moved to)\b|->|→"
)
_RATHER = re.compile(r"\b(?:instead of|rather than)\b")
_CAME = r"\b(?:unmarshal|got|received|given|found|not|from|convert|instead of|was|parse|came)[:,]?\s+"
_TYPED = re.compile(
    r"\b(?:must be|should be|expect\w*|type|not an?|is not|instead of|has to be|needs to be|got|received|"
    r"parsing|valid|cannot (?:parse|unmarshal|deserialize|convert))\b"
)
_TYPES = {
    "string": ("string", "str"),
    "integer": ("integer", "int", "long", "int32", "int64"),
    "number": ("number", "numeric", "float", "double", "decimal"),
    "boolean": ("boolean", "bool"),
    "array": ("array", "list", "sequence"),
    "object": ("object", "dict", "dictionary", "mapping", "map", "struct"),
}


@dataclass(frozen=True, slots=True)
class Said:
    """A text of an error body as it stands there, with what the structure around it tells."""

    text: str
    at: Parts | None
    names: tuple[Parts, ...] = ()
    offers: tuple[Parts, ...] = ()


def parts(text: str) -> Parts:
    """Return the parts of a place as servers write it: `a.b[0]`, `/a/b/0`, `$.a`, `a[b]`; an index is `*`."""
    found = [part for part in re.split(r"[./\[\]#\"']+", text.strip()) if part and part != "$"]
    return tuple("*" if part.isdigit() else part for part in found)


_FOLLOWS = re.compile(
    r"^(did you mean|use\b|try\b|please use|allowed|expected|valid|known|supported|available|it is now|"
    r"perhaps)",
    re.I,
)


def speaks(key: str) -> bool:
    """Whether the words of a key say what is wrong with the names under it: `unknown_fields`, `notFound`."""
    return bool(_UNKNOWN.search(key) or _MISSING.search(key) or key in ("not found", "invalid", "allowed"))


def apart(raw: Said, ours: Collection[str]) -> list[Said]:
    """Return the clauses of what is said; at a place of its own, all of it is about that place."""
    if raw.at or raw.names:
        return [raw]
    return [Said(text, raw.at) for text in _split(raw.text, ours)]


def _split(text: str, ours: Collection[str]) -> list[str]:
    """Return the clauses of a text; a sentence that says what to do instead stays with the one before it."""
    out: list[str] = []
    for piece in re.split(r"\s*;\s+|\s*\n+\s*|(?<=[.!?])\s+(?=[A-Z\"'`])", text.strip()):
        if out and _FOLLOWS.match(piece):
            out[-1] += f"; {piece}"
        elif piece:
            out += _halves(piece, ours)
    return out


def _halves(text: str, ours: Collection[str]) -> list[str]:
    """Return the halves of "name is not allowed, title is required"; a clause that says one thing stays."""
    low = text.lower()
    if not ((_UNKNOWN.search(low) or _UNWANTED.search(low)) and _MISSING.search(low)):
        return [text]
    halves = re.split(r"\s*(?:,|\band\b|\bbut\b)\s+", text)
    return halves if all(any(_says(half.lower(), True)) for half in halves) else [text]


def told(raw: Said, ours: Collection[str]) -> Clause:
    """Return what a text says; `ours` are the names that were sent."""
    low = raw.text.lower()
    came = _types(low, rf"{_CAME}(?:an?\s+|the\s+|type\s+)?")
    first = re.match(rf"\W*(?:the\s+|property\s+)?({NAME})\s+(?=\w)", raw.text, re.I)
    firm = list(_firm(raw.text, ours))
    offered = [*raw.offers, *(parts(name) for at, name in firm if _is_offered(low[:at]))]
    return Clause(
        text=raw.text,
        at=raw.at,
        names=tuple(dict.fromkeys([*raw.names, *(parts(name) for _, name in firm), *raw.offers])),
        offers=tuple(dict.fromkeys(offered)),
        starts=first[1] if first and _meant(first[1], ours) else "",
        says=frozenset(_says(low, bool(raw.names))),
        types=_types(low, "") - came if _TYPED.search(low) else frozenset(),
        came=came,
        values=tuple(dict.fromkeys([*(show(each) for each in raw.offers), *_values(raw.text)])),
    )


def _types(low: str, after: str) -> frozenset[str]:
    return frozenset(
        kind for kind, each in _TYPES.items() if re.search(rf"{after}\b(?:{'|'.join(each)})\b", low)
    )


def _is_offered(before: str) -> bool:
    """Whether what stands before a name says that it may be used."""
    last = max((m.end() for m in _OFFERS.finditer(before)), default=-1)
    return last > max((m.end() for m in _RATHER.finditer(before)), default=-1)


def _says(low: str, listed: bool) -> Iterator[Says]:
    if (
        (_UNKNOWN.search(low) and not (_OF_VALUE.search(low) and not re.search(rf"\b{_NOUN}\b", low)))
        or (_UNWANTED.search(low) and not _DEPENDS.search(low))
        or (listed and low.strip() in ("not found", "invalid"))
    ):
        yield Says.UNKNOWN
    if _MISSING.search(low):
        yield Says.MISSING
    if _INSTEAD.search(low):
        yield Says.INSTEAD
    if _TYPED.search(low):
        yield Says.TYPE


def _meant(word: str, ours: Collection[str]) -> bool:
    """Whether a word that stands where names stand is one."""
    return word in ours or (word.lower() not in _PLAIN and not re.search(r"(Error|Exception)$", word))


def _firm(text: str, ours: Collection[str]) -> Iterator[tuple[int, str]]:
    """Yield where each name stands in a text, in its order, and the name."""
    found = [
        (match.start(1), match[1])
        for match in _QUOTED.finditer(text)
        if re.fullmatch(r"[/#$]?[\w./\[\]$-]+", match[1]) and not _PLACE_OF.search(text[: match.start()])
    ]
    for pattern in (_BEFORE_COLON, _FIRM, _BESIDE, _AFTER):
        for match in pattern.finditer(text):
            name = next(group for group in match.groups() if group is not None).rstrip(".")
            at = match.start(match.lastindex or 0)
            alone = pattern is _BEFORE_COLON and _ALONE.fullmatch(text[match.end() :].lower())
            if (_meant(name, ours) or alone) and _PLACE_OF.search(text[:at]) is None:
                found.append((at, name))
    for listed in _LISTED.finditer(text):
        names = [n for n in re.split(r"\s*(?:,|\||\bor\b|\band\b)\s*", listed[1]) if n and _meant(n, ours)]
        # One word after a colon is as likely prose: "name: Required".
        if len(names) > 1 or re.search(rf"\b{_NOUN}\W*$", text[: listed.start()], re.I):
            found += [(listed.start(1) + i, name) for i, name in enumerate(names)]
    yield from sorted(found)


def _values(text: str) -> Iterator[str]:
    yield from (match[1] for match in _QUOTED.finditer(text))
    if listed := _ONE_OF.search(text):
        yield from _WORDS.findall(listed[1])
