"""A write that the server refused: its no is its word, and a look shows whether it was done all the same."""

from __future__ import annotations

from dataclasses import dataclass

from definable.calls import Verdict
from definable.spec.model import Evidence
from definable.verify.case import Case, Flow, Scope
from definable.verify.deliver import Delivered
from definable.verify.look import Unseen, see
from definable.verify.lost import Choice, Found, adopted, ask, new_ones, only
from definable.verify.plan import Move
from definable.verify.readback import Ambiguous, report, unmet

RULE = "refused_but_done"
"""The rule that a receipt names when a refused write was found to be there."""

UNSEEN = "that nothing was done is the server's word: nobody could look"
"""What a receipt says of a refusal that stands alone."""

SEEN = "a look showed nothing of it"
"""What it says when a look bears the refusal out."""

DENIED = "a person said that it was not done"
UNCLEAR = "a look does not tell whether it was done all the same"

OPEN = "it is left in doubt, and the call ends"
AGAIN = Choice("it was not done: send it again", OPEN)
FAILS = Choice("it was not done: it fails, as it was refused", OPEN, again=False)


@dataclass
class Refusals:
    """Looks into the refusals of one write, each once, before anything is sent again or the call fails.

    `note` says on what the last one rests. A look that is refused itself is not tried again.
    """

    case: Case
    before: Scope
    note: str = ""
    blind: bool = False
    otherwise: bool = False
    """A look has shown that it was not so."""

    def __call__(self, move: Move, verdict: Verdict, delay: float, fresh: bool) -> Flow[Delivered | bool]:
        """Return how the write is settled when it was done; else whether a look could be made."""
        case, lost = self.case, self.case.tool.lost
        does = case.starts(self.before)
        self.note = UNSEEN if does else ""
        known = case.attempts in case.unlooked or self.blind or not does
        if known or lost is None or lost.how not in ("new", "state"):
            return False
        look = self._new if lost.how == "new" else self._state
        try:
            found = yield from look(move, verdict, delay, fresh)
        except (Unseen, Ambiguous) as blind:
            return (yield from self._unseen(move, verdict, blind))
        if found is None:
            return True
        said = f"refused ({verdict.message}), and a look showed that it had happened"
        case.heal(verdict.failure, RULE, said)
        return Delivered(Move.ACCEPT, verdict, found.result)

    def _new(self, move: Move, verdict: Verdict, delay: float, fresh: bool) -> Flow[Found | None]:
        case, lost = self.case, self.case.tool.lost
        assert lost is not None  # noqa: S101
        found = yield from new_ones(case, lost, self.before, delay, fresh=fresh, why=_why(verdict))
        self.note = SEEN
        if not found:
            return None
        choice = FAILS if move is Move.FAIL else AGAIN
        which = yield from only(case, lost, self.before, f"refused: {verdict.message}", found, choice)
        self.note = DENIED
        return which if isinstance(which, Found) else None

    def _state(self, move: Move, verdict: Verdict, delay: float, fresh: bool) -> Flow[Found | None]:
        case, lost = self.case, self.case.tool.lost
        assert lost is not None  # noqa: S101
        scope = yield from see(
            case, case.tool.after, self.before, delay=delay, fresh=fresh, why=_why(verdict)
        )
        if unmet(case.conditions, scope):
            self.note, self.otherwise = SEEN, True
            return None
        if report(case.conditions, scope) and self._was_otherwise():
            return Found(adopted(case, lost, scope, None))
        self.note = UNCLEAR
        return None

    def _was_otherwise(self) -> bool:
        """Whether it is known not to have been so: what a list lacks may be hidden, or never have been."""
        case, tool = self.case, self.case.tool
        if tool.evidence is not Evidence.EXISTENCE or self.otherwise:
            return True
        if any(case.catalog[look.call][1].paging is None for look in tool.before.values()):
            return True  # it was read by its id before anything was sent
        return tool.after.keys() <= tool.before.keys() and bool(unmet(case.conditions, self.before))

    def _unseen(self, move: Move, verdict: Verdict, blind: Exception) -> Flow[bool]:
        """The look was refused: the server's word stands, but nothing is made a second time on it."""
        lost = self.case.tool.lost
        self.note = f"{UNSEEN} ({blind})"
        if move is Move.FAIL or lost is None or lost.how != "new":
            self.blind = True
            return True
        words = f"refused: {verdict.message}; and a look does not tell whether it was done: {blind}"
        yield from ask(self.case, words, [], AGAIN)
        return True


def _why(verdict: Verdict) -> str:
    return f"looking whether it was done all the same: {verdict.message}"
