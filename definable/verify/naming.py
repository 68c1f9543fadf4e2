"""Names of things in a text: which words are certain to be a claim that something is called so.

Certain are what stands in quotation marks or as code, e-mail addresses and @mentions, words in capitals one
after the other, and a word that is capitalised in the middle of a sentence. A sentence's first word, headings
in plain words, days, months, abbreviations and the names of this trade prove nothing.
"""

from __future__ import annotations

import re
from calendar import day_name, month_name
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from definable.verify.prose import Passage, Sentence, sentences
from definable.verify.vocabulary import EMAIL, Vocabulary, norm

Form = Literal["quote", "code", "email", "handle", "name"]


@dataclass(frozen=True, slots=True)
class Name:
    """A claim that something is called so, and the sentence that makes it."""

    form: Form
    text: str
    sentence: Sentence


_PLAIN = frozenset(
    " ".join(
        [
            *map(str.lower, (*day_name, *month_name)),
            "mon tue wed thu fri sat sun jan feb mar apr jun jul aug sep sept oct nov dec i utc gmt am pm",
            "definable markdown python sql json csv api url id ids kpi kpis app ui faq todo ok",
            "q1 q2 q3 q4",
            "pandas altair matplotlib dataframe",
        ]
    ).split()
)
"""Capitalised words that are nobody's finding: the calendar, and the languages of cells."""

_OPENERS = frozenset(
    re.split(
        r"\s+",
        "a about above according across after again all almost already also although always among an "
        "and another any are around as at because before below besides between beyond both but by can "
        "check compare compared currently despite do does during each earlier either every everything "
        "except few finally first following for four from further has have he here how however i if "
        "in instead is it its just last lastly late lately later latest look many meanwhile more most "
        "much my nearly neither never new next no nobody none nor not nothing now of often on once "
        "one only open or other otherwise our out over overall per please see several she should "
        "similarly since six so some still such ten than that the their then there these they this "
        "those though three through thus to today together too tomorrow two under unless unlike until "
        "up use was we were what when where whereas whether which while who whose why will with "
        "within without yesterday yet you your",
    )
)
"""Words that open sentences; before a name they are no part of it."""

_LINKS = r"of|by|and|the|for|de|van|von|in|on|to|a|&|/"
_WORD = r"[^\W\d_][\w\u2019'.]*(?:-\w+)*"
_CAPITAL = rf"(?=[A-Z\u00C0-\u00DE]){_WORD}"
_RUN = re.compile(
    rf"(?<![\w@./-]){_CAPITAL}(?:[ \u00a0]+(?:(?:{_LINKS})[ \u00a0]+)?(?:{_CAPITAL}|\d+(?![\w.,:%])))*"
)
_HANDLE = re.compile(r"(?<![\w.+-])@([A-Za-z][\w.-]*\w)")
_STARTS = re.compile(r"(?:^|[.!?…:;\n|•\u2013—(\[/>]|[\"“\u2018«])\s*$")
_LONGEST = 12
"""Words of a name at most."""
_WHERE = re.compile(r"…|\.\.\.")


def names(passage: Passage) -> Iterator[Name]:
    """Yield what a passage claims that things are called."""
    for sentence in sentences(passage):
        yield from _marked(sentence)
        text = _blanked(sentence)
        yield from (Name("email", each[0], sentence) for each in EMAIL.finditer(text))
        text = EMAIL.sub(lambda found: " " * len(found[0]), text)
        yield from (Name("handle", each[1], sentence) for each in _HANDLE.finditer(text))
        for found in _RUN.finditer(text):
            said = re.sub(r"['\u2019]s$", "", found[0].rstrip(".\u2019'"))
            yield Name("name", said, sentence)


def _marked(sentence: Sentence) -> Iterator[Name]:
    for span in sentence.passage.spans:
        if sentence.start <= span.start < sentence.end and span.mark in ("quote", "code"):
            text = sentence.passage.text[span.start : span.end]
            yield Name("quote" if span.mark == "quote" else "code", text, sentence)


def _blanked(sentence: Sentence) -> str:
    """Return a sentence with blanks where quotations, code and addresses are, which are read alone."""
    text = list(sentence.text)
    for span in sentence.passage.spans:
        if span.mark in ("quote", "code"):
            for n in range(max(span.start, sentence.start), min(span.end, sentence.end)):
                text[n - sentence.start] = "\x00"
    blank = "".join(text)
    return re.sub(r"https?://\S+", lambda found: "\x00" * len(found[0]), blank)


def unknown(name: Name, known: Vocabulary) -> str:
    """Return the part of a name that stands nowhere in what is known; empty when all of it does."""
    match name.form:
        case "email":
            return "" if name.text.casefold() in known.marks else name.text
        case "handle":
            local = any(mark.partition("@")[0] == name.text.casefold() for mark in known.marks)
            return "" if local or known.stands(name.text) else name.text
        case "quote":
            return _unquoted(name.text, known)
        case "code":
            return _uncoded(name.text, known)
        case _:
            return _unnamed(name, known)


def _unquoted(text: str, known: Vocabulary) -> str:
    inner = text[1:-1].strip(" ,.;:!?")
    pieces = [piece for piece in _WHERE.split(inner) if norm(piece)]
    cut = len(pieces) > 1 or inner.endswith(("…", "...")) or inner.startswith(("…", "..."))
    if all(known.stands(piece) for piece in pieces) and (cut or not known.is_cut(inner)):
        return ""
    return inner


def _uncoded(text: str, known: Vocabulary) -> str:
    said = text.strip("….")
    if re.fullmatch(r"[\W\d]*", said) or known.stands(said):
        return ""
    # put together from what is known, such as `status = ERRORED`
    parts = [each for each in re.findall(r"[\w-]+", said) if not each.isdigit()]
    composed = len(parts) > 1 and re.search(r"[^\w\s]", said)
    return "" if composed and all(known.stands(each) for each in parts) else said


def _unnamed(name: Name, known: Vocabulary) -> str:
    at = name.sentence.text.find(name.text)
    before = _blanked(name.sentence)[:at]
    opens = not before.strip(" \t*#>|-") or bool(_STARTS.search(before))
    tokens = name.text.split()
    if opens and len(tokens) > 1 and _lower(tokens[0]) in _OPENERS:
        tokens, opens = tokens[1:], False
    while len(tokens) > 1 and tokens[-1].isdigit() and not known.stands(" ".join(tokens)):
        tokens = tokens[:-1]
    left = _left(tokens, known)
    whole = " ".join(tokens)
    if not left or (opens and (len(tokens) == 1 or norm(" ".join(tokens[1:])) in known.names)):
        return ""  # a first word alone proves nothing, nor does the one of “Check Churn Model”
    if name.sentence.passage.kind == "heading" or _leads_in(name, at):
        return (
            whole if known.is_misspelt(whole) else ""
        )  # capitals are common there, a slip of a name is none
    if len(tokens) == 1:
        abbreviated = re.fullmatch(r"[A-Z]{1,5}s?", whole) or len(whole) < 3
        return "" if abbreviated or known.stands(whole) else whole
    return "" if all(re.fullmatch(r"[A-Z]{1,5}s?", each) for each in left) else whole


def _left(tokens: list[str], known: Vocabulary) -> list[str]:
    """Return the words that are left when what is known, word after word, and the calendar are taken out."""
    left: list[str] = []
    while tokens:
        size = next(
            (n for n in range(min(len(tokens), _LONGEST), 1, -1) if known.stands(" ".join(tokens[:n]))), 0
        )
        single = _lower(tokens[0]) in _PLAIN or tokens[0].isdigit() or norm(tokens[0]) in known.names
        if not size and not single and not re.fullmatch(_LINKS, tokens[0]):
            left.append(tokens[0])
        tokens = tokens[size or 1 :]
    return left


def _leads_in(name: Name, at: int) -> bool:
    """Whether a name is the label before a colon at the beginning: `Next Steps: …`."""
    sentence = name.sentence
    after = sentence.text[at + len(name.text) :].lstrip("* ")
    return not sentence.text[:at].strip(" *-") and after.startswith(":")


def _lower(word: str) -> str:
    return re.sub(r"[\u2019']s$|[\u2019']$", "", word.strip(".,;:")).casefold()
