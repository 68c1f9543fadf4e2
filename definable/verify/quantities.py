"""Whether a number in a text traces to a fact: the value, its unit, its rounding, and what it is about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from definable.verify.clauses import Context
from definable.verify.facts import BAD, GOOD, Fact
from definable.verify.mentions import Mention

_SMALL = 20
"""Up to here a number stands somewhere by chance, and must be named."""

_DECLARED = ("figure", "point")
_EXACT = ("there", "text", "given")


@dataclass
class Facts:
    """Facts that a number may trace to, and the words that they know."""

    all: Sequence[Fact]
    words: frozenset[str] = frozenset()
    statuses: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()

    @classmethod
    def of(cls, facts: Iterable[Fact]) -> Facts:
        """Return facts with the words that they know, leaving out those of free text."""
        held = list(dict.fromkeys(facts))
        plain = [fact for fact in held if fact.op not in ("text", "point", "given")]
        statuses = frozenset[str]().union(*{part for fact in plain for part in (fact.only, fact.others)})
        words = frozenset[str]().union(*{part for fact in plain for part in (fact.topic, fact.only)})
        kinds = frozenset(w for fact in plain if fact.op == "count" and not fact.only for w in fact.topic)
        return cls(held, words, statuses, kinds)

    def and_(self, other: Facts) -> Facts:
        """Return these, and others behind them."""
        return Facts(
            [*self.all, *other.all],
            self.words | other.words,
            self.statuses | other.statuses,
            self.kinds | other.kinds,
        )

    def trace(self, mention: Mention, context: Context) -> bool:
        """Whether the mention is what some fact says."""
        if context.in_window and mention.kind == "duration":
            return True
        if context.listed > 1 and mention.value == context.listed and context.words & self.kinds:
            return True
        if mention.weak:
            return self._not_otherwise(mention, context)
        if mention.worded and not context.names and not context.words & self.words:
            return True  # “two things”: nothing that the results could count
        fitting: Iterable[Fact] = (fact for fact in self.all if self.fits(fact, mention, context))
        if context.op in ("max", "min"):
            fitting = list(fitting)
            if any(f.op == context.op and f.about for f in fitting):
                fitting = [fact for fact in fitting if fact.op not in ("there", "count")]
        return any(near(mention, fact, context.bound) for fact in fitting)

    def fits(self, fact: Fact, mention: Mention, context: Context) -> bool:
        """Whether a fact is about what the sentence says, whatever its value."""
        return (
            _unit(fact, mention)
            and self._is_about(fact, context)
            and _in_window(fact, context)
            and _made(fact, context)
            and self._is_named(fact, mention, context)
        )

    def _is_about(self, fact: Fact, context: Context) -> bool:
        if fact.op == "given":
            return True
        if not context.names:
            return fact.op != "share" or not fact.about
        if fact.op in ("there", "text"):
            return bool(fact.about & context.names) or (not context.strict and not fact.about)
        whole = not fact.about or len(fact.about) > len(context.names)
        if whole and (not context.strict or context.part_of):
            return True
        return bool(fact.about) and fact.about <= context.names

    def _is_named(self, fact: Fact, mention: Mention, context: Context) -> bool:
        """Whether the words around the number are those of the fact."""
        said = self._counted(context)
        if fact.op in _DECLARED:
            return not self._contradicts(said, fact.topic | fact.only)
        if fact.op in ("text", "given"):
            if mention.kind not in ("number", "scaled"):
                return True
            return said <= fact.topic and (bool(said) or not _small(mention))
        if said and said <= self.kinds and fact.op == "there":
            return False  # “17 projects” is a count, and no number of a project
        known = said & self.words
        if fact.only and not fact.only & (said | context.clause if not self._states(said) else said):
            return False
        if fact.negated != (context.negated and bool(fact.only)):
            return False
        if mention.kind in ("duration", "percent") or fact.op == "share":
            return True
        if not known <= fact.topic | fact.only or (said - self.words and _small(mention)):
            return False
        if _small(mention) and fact.op in _EXACT:
            return bool(known) or (bool(context.names) and context.strict)
        return fact.op in ("there", "count") or bool(known)

    def _counted(self, context: Context) -> frozenset[str]:
        """Return the words of what is counted, with the verb of `3 runs of “A” failed`."""
        said = context.words
        if said and not said & self.words and context.clause & self.statuses:
            return context.clause & self.statuses  # “failed three mornings in a row”
        if said and said <= self.kinds and context.alone and not context.part_of:
            return said | (context.clause & self.statuses)
        return said

    def _states(self, said: frozenset[str]) -> frozenset[str]:
        """Return the words that name a status, those of its class included."""
        named = said & self.statuses
        if any(BAD.search(word) or word in ("kil", "unabl", "error") for word in named):
            named |= {"fail"}
        return named | ({"complet"} if any(GOOD.search(word) for word in named) else frozenset())

    def _contradicts(self, said: frozenset[str], topic: frozenset[str]) -> bool:
        one, other = self._states(said), self._states(topic)
        return bool(one and other and not one & other)

    def _not_otherwise(self, mention: Mention, context: Context) -> bool:
        """Whether nothing is known that speaks against a weak number."""
        said = self._counted(context)
        known = said & self.words
        if not known & (self.kinds | self.statuses | {"view"}) or said - self.words:
            return True
        for name in sorted(context.names) or [""]:
            one = Context(frozenset({name}) if name else frozenset(), True, said, context.clause,
                          window=context.window)  # fmt: skip
            held = [
                f for f in self.all if f.op in ("count", "there") and not f.negated and self._weakly(f, one)
            ]
            widest = max((len(fact.only) for fact in held), default=0)
            held = [fact for fact in held if len(fact.only) == widest]
            if held and not any(near(mention, fact, context.bound) for fact in held):
                return False
        return True

    def _weakly(self, fact: Fact, context: Context) -> bool:
        known = context.words & self.words
        return (
            fact.unit == ""
            and (fact.about == context.names or (fact.op == "there" and bool(fact.about & context.names)))
            and known <= fact.topic | fact.only
            and bool(fact.only & context.words) == bool(fact.only)
            and _in_window(fact, context)
            and (fact.op == "there" or bool(context.window) or fact.window <= 0)
            and (fact.op == "count" or "view" in known)
        )

    def instead(self, mention: Mention, context: Context) -> str:
        """Return what the results say where the text says something else; empty when nothing is close."""
        if mention.kind == "duration" and not context.strict:
            return ""
        fits = [
            f for f in self.all if f.op in ("count", "there", "figure") and self.fits(f, mention, context)
        ]
        named = [f for f in fits if context.words & (f.topic | f.only)]
        best = sorted(
            named, key=lambda f: (f.op == "there", not f.only & context.words, f.op == "figure", len(f.topic))
        )
        return best[0].says if best else ""


def _small(mention: Mention) -> bool:
    return mention.kind == "number" and mention.value <= _SMALL and not mention.digits


def _unit(fact: Fact, mention: Mention) -> bool:
    match mention.kind:
        case "percent":
            return fact.unit == "%"
        case "points":
            return fact.unit == "points"
        case "duration":
            return fact.unit == "s"
        case _:
            return fact.unit in ("", "%") if fact.op == "text" else fact.unit == ""


def _in_window(fact: Fact, context: Context) -> bool:
    return not (fact.window and context.window) or fact.window == context.window or context.part_of


def _made(fact: Fact, context: Context) -> bool:
    """Whether a fact is computed the way that the clause says: an average is no sum."""
    if fact.op in ("sum", "mean", "median", "max", "min"):
        return fact.op == context.op
    if context.op in ("mean", "median"):
        return fact.op != "there" and fact.op != "count"
    return True


def near(mention: Mention, fact: Fact, bound: str = "") -> bool:
    """Whether a fact's value is what is mentioned: rounded to the digits shown, on the side that is said."""
    value, said = abs(fact.value / mention.unit), abs(mention.value)
    slack, half = 1e-9 * max(1.0, value), 0.5 / 10.0**mention.digits
    match bound:
        case "about":
            return abs(value - said) <= max(0.1 * said, half if mention.digits else 0) + slack
        case ">" | ">=":
            return said - slack <= value <= 2 * max(said, 1) and (bound == ">=" or value > said + slack)
        case "<" | "<=" | "<~":
            low = 0.85 * said if bound == "<~" else 0.5 * said
            return low <= value <= said + slack and (bound == "<=" or value < said - slack)
    if mention.digits or mention.kind in ("duration", "scaled", "percent", "points"):
        return abs(value - said) <= half + slack
    rounds = not value.is_integer() and (value >= 10 or fact.op in ("mean", "median", "figure"))
    return abs(value - said) <= (0.5 if rounds else 0) + slack
