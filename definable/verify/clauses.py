"""What a number in a sentence is about, as far as the form of the sentence tells.

The thing is the one that is named in the same clause, else the one named before it; a bracket belongs to the
name in front of it, and a sentence that begins with a pronoun to the sentence before. What is counted is said
by the words right after the number, or right before it (`failed 3 times`, `Views: 41`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from definable.verify.mentions import NUMERAL, UNITS, Mention
from definable.verify.prose import Sentence
from definable.verify.vocabulary import stem, stems

_NEAR = 120
"""Characters before and after a number in which it is said what is counted."""

Bound = Mapping[str, str]
"""Known names of things that have numbers, normalised → as they are written."""


@dataclass(frozen=True, slots=True)
class Context:
    """What the words around a number say. `words` are the stems of what is counted; `clause` of all around.

    `strict` tells that the number is about `names` and nothing else; `part_of` that it is a total of which
    another number is a part; `bound` how it may differ from what it traces to: `about`, `>`, `>=`, `<`, `<=`,
    or `<~` for nearly.
    """

    names: frozenset[str] = frozenset()
    strict: bool = False
    words: frozenset[str] = frozenset()
    clause: frozenset[str] = frozenset()
    part_of: bool = False
    bound: str = ""
    window: int = 0
    op: str = ""
    negated: bool = False
    alone: bool = True
    """No other number stands in the clause."""
    listed: int = 0
    """How many things the sentence names: `two projects, “A” and “B”`."""
    in_window: bool = False
    """It is the 7 of `the last 7 days`, which says what is counted and claims nothing."""


_BREAK = re.compile(r"[;:()\[\]]|,(?!\d)|\s[—\u2013-]\s|—|\s(?:while|whereas|but|although|though)\s|\sand\s")
_LIST = re.compile(r"[\s,&;/]*(?:and|or|und)?[\s,]*")
_WORD = re.compile(r"[^\W\d_]+(?:[\u2019'-][^\W\d_]+)*")
_AGAIN = re.compile(r"\W*(?:that is|that makes|making|i\.e\.|or|which is|meaning)\b", re.I)
_PRONOUN = re.compile(r"\W*(?:it|its|they|their|them|that|this|those|since"
                      r"|the (?:last|latest|first|longest|shortest))\b",
                      re.I)  # fmt: skip
_STOP = frozenset(
    re.split(
        r"\s+",
        "of in on at for from since with without by to and or but while than as after before during per "
        "that which who when where because although until through against into over under between if so "
        "whose",
    )
)
_GLUE = frozenset(
    re.split(
        r"\s+",
        "was were are is be been has have had also just only then again more other such different the a an "
        "its their all these those last past latest recent newest not never did do does any still now whole "
        "single separate individual consecutive successive new total first most least fewest highest lowest",
    )
)
_GENERIC = frozenset(
    map(
        stem,
        re.split(
            r"\s+",
            "time times thing item point reason way word sentence kind case occasion",
        ),
    )
)
_WINDOW = re.compile(
    r"\b(?:last|past|previous|preceding|trailing)\s+(\d{1,3}|[a-z]+)[\s-]+(days?|weeks?|months?)\b", re.I
)
_SINGLE = re.compile(r"\b(?:last|past|previous|this)\s+(week)\b", re.I)
_SPELT = {
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "ten": 10,
    "fourteen": 14,
    "thirty": 30,
}
_BOUNDS = (
    (
        "about",
        re.compile(
            r"(?:about|around|roughly|approximately|approx\.?|some|circa|ca\.?|~|≈|close to)\s*$", re.I
        ),
    ),
    ("<=", re.compile(r"(?:at most|no more than|not more than|up to|≤|<=|a maximum of)\s*$", re.I)),
    (">=", re.compile(r"(?:at least|no (?:less|fewer) than|not less than|≥|>=|a minimum of)\s*$", re.I)),
    (
        ">",
        re.compile(
            r"(?:more than|over|above|exceed(?:s|ed|ing)?|beyond|upwards of|just over|greater than)\s*$", re.I
        ),
    ),
    ("<", re.compile(r"(?:less than|fewer than|under|below|just under|short of)\s*$", re.I)),
    ("<~", re.compile(r"(?:nearly|almost|not quite)\s*$", re.I)),
)
_OPS = (
    ("mean", re.compile(r"\b(?:average|mean|averages|averaged|avg)\b", re.I)),
    ("median", re.compile(r"\bmedian\b", re.I)),
    ("max", re.compile(r"\b(?:longest|slowest|highest|max|maximum|peak|largest|biggest|busiest)\b"
                       r"|(?<!at )\bmost\b(?! (?:recent|of)\b)", re.I)),
    ("min", re.compile(r"\b(?:shortest|fastest|quickest|lowest|minimum|fewest|smallest)\b"
                       r"|(?<!at )\bleast\b", re.I)),
    ("sum", re.compile(r"\b(?:in total|total|altogether|in all|combined|together|sum|overall)\b", re.I)),
)  # fmt: skip


class Reading:
    """One sentence, cut into clauses, with the names that stand in it."""

    def __init__(
        self, sentence: Sentence, known: Bound, before: frozenset[str], head: frozenset[str]
    ) -> None:
        """Read a sentence. `before` are the names of the sentence before, `head` those of the heading."""
        self.sentence = sentence
        self.text = sentence.text
        self.spots = _spots(sentence, known)
        self.cuts = self._cuts()
        self.window = window(self.text)
        self.inherited = before if _PRONOUN.match(self.text) else frozenset[str]()
        self.head = head

    @property
    def names(self) -> frozenset[str]:
        """Every name in the sentence, or those it takes over from the one before."""
        return frozenset(name for _, _, name in self.spots) or self.inherited

    def context(self, mention: Mention) -> Context:
        """Return what a number in this sentence is about."""
        at = mention.start
        start, end = self._clause(at)
        words, part_of = self._counted(mention, start, end)
        own = self.text[start:end]
        clause = own
        if self._in_brackets(at):  # a bracket says more of what stands before it
            clause = self.text[self._clause_before(self.text.rfind("(", 0, at) + 1) : end]
        elif start and (not words or _AGAIN.match(own)):
            clause = self.text[self._clause_before(start) : end]
        names, strict = self._about(at, start, end)
        rest = self.text[start:at] + self.text[mention.end : end]
        return Context(
            names=names,
            strict=strict,
            words=words,
            clause=stems(clause),
            part_of=part_of,
            bound=self._bound(mention),
            window=self._window(start, end),
            op=_op(own),
            negated=bool(re.search(r"\b(?:not|never|n[\u2019']t|without)\b", clause, re.I)),
            alone=not re.search(r"\d", _WINDOW.sub("", rest)),
            listed=len({name for _, _, name in self.spots}),
            in_window=any(w.start() <= at < w.end() for w in _WINDOW.finditer(self.text)),
        )

    def _cuts(self) -> list[tuple[int, int]]:
        """Return where clauses end, as places of what cuts them; not inside a name, nor between two."""
        inside = [(s, e) for s, e, _ in self.spots]
        inside += [(s.start - self.sentence.start, s.end - self.sentence.start)
                   for s in self.sentence.passage.spans if s.mark in ("quote", "code")]  # fmt: skip
        cuts = []
        for found in _BREAK.finditer(self.text):
            if any(s <= found.start() < e for s, e in inside):
                continue
            left = max((e for s, e, _ in self.spots if e <= found.start() + 1), default=None)
            right = min((s for s, e, _ in self.spots if s >= found.end() - 1), default=None)
            between = self.text[left:right].strip("”“\"'`") if left is not None and right is not None else "x"
            if _LIST.fullmatch(between) and found[0].strip() not in ("(", ")"):
                continue
            cuts.append((found.start(), found.end()))
        return cuts

    def _window(self, start: int, end: int) -> int:
        """Return the window of a clause: its own, or one that stands alone: `In the last week,`."""
        if own := window(self.text[start:end]):
            return own
        for found in _WINDOW.finditer(self.text):
            one, other = self._clause(found.start())
            if NUMERAL.search(self.text[one : found.start()] + " " + self.text[found.end() : other]):
                return 0
        return self.window

    def _clause_before(self, at: int) -> int:
        """Return where the clause before a place begins, one without words not counted."""
        while at > 0:
            end = next((cut for cut, after in self.cuts if after == at), at)
            start = max((after for _, after in self.cuts if after <= end), default=0)
            if re.search(r"\w", self.text[start:end]):
                return start
            at = start
        return 0

    def _clause(self, at: int) -> tuple[int, int]:
        start = max((e for _, e in self.cuts if e <= at), default=0)
        end = min((s for s, _ in self.cuts if s >= at), default=len(self.text))
        return start, end

    def _about(self, at: int, start: int, end: int) -> tuple[frozenset[str], bool]:
        """Return the names that a number is about, and whether it is about nothing else."""
        own = [spot for spot in self.spots if start <= spot[0] < end]
        if own:
            return frozenset(name for _, _, name in own), True
        before = [spot for spot in self.spots if spot[1] <= start]
        if before:
            if self._in_brackets(at):
                return frozenset({before[-1][2]}), True
            return self._group(before, start), True
        if self.spots:
            return frozenset(name for _, _, name in self.spots), False
        if self.inherited:
            return self.inherited, True
        return self.head, False

    def _group(self, before: list[tuple[int, int, str]], at: int) -> frozenset[str]:
        """Return the last names before a place that belong together: `A (x), B (y) and C`."""
        group = [before[-1]]
        for spot in reversed(before[:-1]):
            between = re.sub(r"\([^()]*\)", "", self.text[spot[1] : group[0][0]])
            if not _LIST.fullmatch(between.strip("”“\"'`").strip()):
                break
            group.insert(0, spot)
        return frozenset(name for _, _, name in group)

    def _in_brackets(self, at: int) -> bool:
        opened = self.text[:at]
        return opened.count("(") > opened.count(")")

    def _counted(self, mention: Mention, start: int, end: int) -> tuple[frozenset[str], bool]:
        """Return the stems of what is counted, and whether it is a total: the 10 of `3 of 10 runs`."""
        start, end = max(start, mention.start - _NEAR), min(end, mention.end + _NEAR)
        before, after = self.text[start : mention.start], self.text[mention.end : end]
        total = bool(re.search(r"\b(?:of|out of)\s+(?:the\s+|its\s+|all\s+)?(?:last\s+)?$", before, re.I))
        named = [s for s, _, _ in self.spots if s >= mention.end]
        if named:
            after = self.text[mention.end : min(end, min(named))]
        words = _words_after(after, 1 if total else 3)
        if not words - _GENERIC:
            words = _words_before(before, self.spots, start) or _words_before(self._ahead(start), [], 0)
        bracket = re.match(r"\s*(?:times|runs?)?\s*\(([^()\d]*)\)", self.text[mention.end :])
        return words - _GENERIC | (stems(bracket[1]) if bracket else frozenset()), total

    def _ahead(self, start: int) -> str:
        """Return the label before a colon: `Failed runs: 3`."""
        before = self.text[:start].rstrip()
        return before[:-1] if before.endswith(":") else ""

    def _bound(self, mention: Mention) -> str:
        before = self.text[max(mention.start - 30, 0) : mention.start]
        if self.text[mention.end : mention.end + 1] == "+":
            return ">="
        return next((name for name, pattern in _BOUNDS if pattern.search(before)), "")


def _words_after(text: str, most: int) -> frozenset[str]:
    found: list[str] = []
    skipped = re.match(
        r"\s+(?:of|out of)\s+(?:the|its|their|these|those|all|them|our)?\s*(?:last\s+)?[\d,]*", text, re.I
    )
    text = text[skipped.end() :] if skipped else text
    for word in _WORD.finditer(text):
        said = word[0].lower()
        if said in _STOP or re.search(r"\d", text[: word.start()]) or len(found) == most:
            break
        if said not in _GLUE and said not in UNITS:
            found.append(stem(said))
    return frozenset(found)


def _words_before(text: str, spots: list[tuple[int, int, str]], start: int) -> frozenset[str]:
    last = max((e - start for _, e, _ in spots if 0 < e - start <= len(text)), default=0)
    found: list[str] = []
    for word in reversed(list(_WORD.finditer(text[last:]))):
        said = word[0].lower()
        if (said in _STOP and found) or re.search(r"\d", text[last + word.end() :]) or len(found) == 2:
            break
        if said not in _GLUE and said not in _STOP:
            found.append(stem(said))
    return frozenset(found)


def window(text: str) -> int:
    """Return the days of the time window that a sentence names; 0 when it names none, or several."""
    found = set()
    for each in _WINDOW.finditer(text):
        number = int(each[1]) if each[1].isdigit() else _SPELT.get(each[1].lower(), 0)
        found.add(number * {"d": 1, "w": 7, "m": 30}[each[2][0].lower()])
    found |= {7 for _ in _SINGLE.finditer(text)}
    return found.pop() if len(found) == 1 else 0


def _op(clause: str) -> str:
    return next((name for name, pattern in _OPS if pattern.search(clause)), "")


def _spots(sentence: Sentence, known: Bound) -> list[tuple[int, int, str]]:
    """Return where known names stand in a sentence: capitalised as names are, or marked as one."""
    text = sentence.text
    tokens = [(m.start(), m.end(), m[0].casefold()) for m in re.finditer(r"[^\W_]+", text)]
    out: list[tuple[int, int, str]] = []
    n = 0
    while n < len(tokens):
        size = next((k for k in range(min(12, len(tokens) - n), 0, -1)
                     if " ".join(t for _, _, t in tokens[n : n + k]) in known), 0)  # fmt: skip
        if size:
            start, end = tokens[n][0], tokens[n + size - 1][1]
            at = sentence.start + start
            marked = sentence.passage.inside(at, "quote", "bold", "link", "code")
            name = " ".join(t for _, _, t in tokens[n : n + size])
            if marked or text[start:end] == known[name] or (size > 1 and text[start].isupper()):
                out.append((start, end, name))
                n += size
                continue
        n += 1
    return [spot for spot in out if _whole(sentence, spot)]


def _whole(sentence: Sentence, spot: tuple[int, int, str]) -> bool:
    """Whether a name is all that a quotation holds, and not a word in a longer one."""
    start, end = sentence.start + spot[0], sentence.start + spot[1]
    around = next((s for s in sentence.passage.spans if s.mark == "quote" and s.start <= start < s.end), None)
    return around is None or around.end - around.start - (end - start) <= 4
