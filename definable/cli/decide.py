"""A person's answers: at the prompt, and who gave them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from definable.cli import reviews, words

if TYPE_CHECKING:
    from definable.calls import Decision
    from definable.cli.screen import Screen
    from definable.store.rows import AskRow


def person(environ: Mapping[str, str]) -> str:
    """Return who is at the command line, as far as the environment tells."""
    return environ.get("USER") or environ.get("LOGNAME") or "the command line"


def prompt(screen: Screen, environ: Mapping[str, str], row: AskRow) -> Decision | None:
    """Put one question to the person at the terminal; None when it is left for later."""
    from definable.calls import Decision

    screen.say("")
    if reviews.is_review(row.ask):
        screen.say(row.ask.question)
        for line in reviews.lines(row.ask.arguments):
            screen.say(f"  {line}")
    else:
        screen.say(f"{row.call} {row.ask.tool}: {row.ask.question}")
        for key, value in row.ask.arguments.items():
            screen.say(f"  {key}: {words.compact(value, 400)}")
        for line in row.ask.diff:
            screen.say(f"  {words.short(line, 200)}")
        for candidate in row.ask.candidates:
            screen.say(f"  candidate {candidate.get('id')}: {words.compact(candidate.get('seen'), 400)}")
        if row.ask.again:
            again = f"definable runs approve {row.run} {row.call} --send-again"
            screen.say(f"  later: {again}    {row.ask.again}")
        if row.ask.yes:
            screen.say(f"  yes: {row.ask.yes}; no: {row.ask.no}")
    answer = screen.ask("Approve? [y]es, [n]o, anything else leaves it for later:", default="later")
    if answer not in ("y", "yes", "n", "no"):
        return None
    return Decision(approve=answer.startswith("y"), by=person(environ), arguments_hash=row.ask.arguments_hash)
