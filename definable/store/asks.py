"""The questions to people and their answers, in SQL."""

from __future__ import annotations

from datetime import datetime

from definable.calls import Ask, Decision, digest
from definable.errors import ReplayError, UsageError
from definable.store.part import Part
from definable.store.records import ask_row, dump, insert, stamp
from definable.store.rows import AskRow, Data


class SqlAsks(Part):
    """The part of a `Store` that keeps what waits for a person (see contract.py)."""

    def ask(self, run: str, call: str, n: int, ask: Ask, expires_at: datetime | None = None) -> str:
        """Keep a question."""
        name = digest([run, call, n])[:16]
        with self._writing(run) as db:
            if found := self._read("SELECT * FROM asks WHERE id = ?", name):
                if (kept := ask_row(found[0])).ask != ask:
                    raise ReplayError(
                        f"call {call!r} asks {_about(ask)}, where it had asked {_about(kept.ask)}",
                        hint="the definition or the code has changed: cancel the run and start it again",
                    )
                return name
            until, asked = expires_at and stamp(expires_at), ask.model_dump(mode="json")
            where: Data = {"id": name, "run": run, "call": call, "n": n}
            row = {**where, "ask": dump(asked), "asked_at": self._now(), "expires_at": until}
            db.execute(insert("asks", row), row)
            self._log(run, "ask", dump({**asked, "id": name, "expires_at": until}), None, call)
        return name

    def answer(self, ask: str, decision: Decision) -> Decision:
        """Keep the answer to a question."""
        at = self._now()
        given = decision if decision.at else decision.model_copy(update={"at": at})
        with self._writing(self.asked(ask).run) as db:
            row = self.asked(ask)
            _check_answer(row, given, at)
            answer = given.model_dump(mode="json")
            db.execute("UPDATE asks SET decision = ? WHERE id = ?", (dump(answer), ask))
            self._log(row.run, "decision", dump({**answer, "id": ask}), None, row.call)
        return given

    def asked(self, ask: str) -> AskRow:
        """Return a question."""
        if found := self._read("SELECT * FROM asks WHERE id = ?", ask):
            return ask_row(found[0])
        raise UsageError(f"there is no question {ask!r}", hint="`definable runs show ID` lists what waits")

    def open_asks(self, run: str) -> list[AskRow]:
        """Return the open questions of a run."""
        rows = self._read("SELECT * FROM asks WHERE run = ? AND decision IS NULL ORDER BY rowid", run)
        return [ask_row(row) for row in rows]


def _about(ask: Ask) -> str:
    return f"{ask.question!r} about {ask.tool} with {ask.arguments_hash}"


def _check_answer(row: AskRow, given: Decision, at: str) -> None:
    """Raise UsageError unless `given` may answer `row` now. Our timestamps sort as text."""
    if row.decision:
        raise UsageError(
            f"{row.ask.tool} of {row.call} was answered by {row.decision.by!r} at {row.decision.at}",
            hint="an answer is used once; `definable runs show ID` shows what came of it",
        )
    if not given.approve:
        return
    if row.expires_at and at >= row.expires_at:
        raise UsageError(
            f"the question about {row.ask.tool} of {row.call} expired at {row.expires_at}",
            hint="no answer in time is a no: start the run again",
        )
    if given.arguments_hash != row.ask.arguments_hash:
        raise UsageError(
            f"the approval is for other arguments than the ones {row.ask.tool} would be called with",
            hint="look at the call again, and approve that",
        )
