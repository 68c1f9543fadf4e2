"""The cells. A line is one class of failure, its phase, and the kinds of effect that it strikes."""

from __future__ import annotations

from typing import Any

from definable.chaos.cells import (
    FOREVER,
    Cell,
    Phase,
    Plan,
    Struck,
    Trouble,
    always,
    between,
    call_and_look,
    changed,
    choice,
    looked,
    once,
    paged,
    rows,
    single,
    two,
    with_,
)
from definable.chaos.claims import Ending
from definable.chaos.crowds import MANY, WORKFLOWS

TOLD = (Ending.FAILED,)
"""It cannot be done, and the reason is said."""

PERSON = (Ending.REVIEW,)
"""Nobody but a person can know."""

KEY = (Ending.WAITING,)
"""It waits for a key."""

SLOW = 0.25
"""Real seconds that no answer is waited for, where the sandbox stalls for longer."""


def _stall(commit: bool) -> Plan:
    return with_(single("stall", seconds=3 * SLOW, commit=commit), timeout=SLOW)


def _killed(commit: bool, before: bool = False) -> Plan:
    """Stall the request, so that the process can be killed while it is under way."""

    def plan(s: Struck) -> Trouble:
        on = s.dice.choice(s.before) if before else None
        fault = s.fault("stall", on, 1, seconds=30, commit=commit)
        return Trouble((fault,), kill=True, exclusive=True)

    return plan


REJECTED = [
    *rows(
        "429 seconds",
        Phase.REFUSED,
        "read create run stop admin",
        once("rate_limit", retry_after=between(1, 60)),
    ),
    *rows("429 float", Phase.REFUSED, "update share", once("rate_limit", retry_after=between(0.1, 9, 2))),
    *rows(
        "429 date",
        Phase.REFUSED,
        "create delete",
        once("rate_limit", retry_after="date", seconds=between(2, 90)),
    ),
    *rows(
        "429 date, skewed clock",
        Phase.REFUSED,
        "update run",
        once("rate_limit", retry_after="date", seconds=between(2, 90), skew=between(-4000, 4000)),
    ),
    *rows("429 no header", Phase.REFUSED, "read share draft", once("rate_limit")),
    *rows(
        "429 garbage",
        Phase.REFUSED,
        "create read list",
        once("rate_limit", retry_after=choice("garbage", -5)),
    ),
    *rows("429 on a page", Phase.REFUSED, "list", paged("rate_limit", retry_after=choice(1, 7, "none"))),
    *rows("503 no capacity", Phase.REFUSED, "run", once("capacity")),
    *rows("401 once", Phase.REFUSED, "read create", single("unauthorized")),
    *rows(
        "401 that was wrong, on the only key",
        Phase.REFUSED,
        "create update read run list",
        with_(single("unauthorized"), keys=1),
    ),
    *rows("401 revoked", Phase.REFUSED, "update share delete admin", single("revoke")),
    *rows("401 expired", Phase.REFUSED, "create run", single("expire")),
    *rows("401 on a page", Phase.REFUSED, "list", paged("expire", times=1)),
    *rows(
        "401 until a key comes", Phase.REFUSED, "read create", with_(single("revoke"), keys=1, key_comes=True)
    ),
    *rows("401 for good", Phase.REFUSED, "update", with_(single("revoke"), keys=1), KEY),
    *rows("403", Phase.REFUSED, "create read", always("forbidden"), TOLD),
    *rows("404", Phase.REFUSED, "update", always("not_found"), TOLD),
    *rows(
        "5xx before",
        Phase.REFUSED,
        "read list create update delete share run stop draft",
        with_(once("error_before", status=choice(500, 502, 504)), exclusive=True),
    ),
    *rows("5xx, nobody can look", Phase.REFUSED, "admin", single("error_before"), PERSON),
    *rows("5xx for good", Phase.REFUSED, "read create", always("error_before"), TOLD),
]

NETWORK = [
    *rows("refused", Phase.NOT_SENT, "read create", lambda s: Trouble(closed=s.dice.randint(1, 3))),
    *rows(
        "reset before",
        Phase.NOT_SENT,
        "read create delete share run",
        with_(once("reset"), exclusive=True),
    ),
    *rows("reset on a page", Phase.NOT_SENT, "list", paged("reset")),
    *rows("timeout before", Phase.NOT_SENT, "read create update", _stall(commit=False)),
]

UNHEARD = [
    *rows(
        "5xx after", Phase.UNHEARD, "create update delete share", once("error_after", status=choice(500, 502))
    ),
    *rows(
        "answer lost",
        Phase.UNHEARD,
        "create update delete share run stop draft",
        with_(single("lost_answer"), exclusive=True),
    ),
    *rows("answer lost, token shared", Phase.UNHEARD, "run", single("lost_answer"), PERSON),
    *rows("answer lost, nobody can look", Phase.UNHEARD, "admin", single("lost_answer"), PERSON),
    *rows("timeout after", Phase.UNHEARD, "create", _stall(commit=True)),
    *rows("cut", Phase.UNHEARD, "create update read", single("cut", after=choice(0, 1, 20))),
    *rows("truncated", Phase.UNHEARD, "create delete read list", single("truncated")),
    *rows("HTML", Phase.UNHEARD, "create share read list", single("garbage")),
    *rows("empty", Phase.UNHEARD, "update run list", with_(single("empty"), exclusive=True)),
    *rows("huge", Phase.UNHEARD, "create update", single("huge", bytes=21_000_000)),
    *rows("huge for good", Phase.UNHEARD, "read", always("huge", bytes=21_000_000), TOLD),
    *rows("slow", Phase.UNHEARD, "read create", single("slow", seconds=0.02)),
]

DENIED = [
    *rows(
        "done, yet 429",
        Phase.DENIED,
        "create update delete share run stop draft",
        with_(single("refused_but_done", status=429, retry_after=between(1, 60)), exclusive=True),
    ),
    *rows(
        "done, yet 503",
        Phase.DENIED,
        "run",
        with_(single("refused_but_done", status=503), exclusive=True),
    ),
    *rows("done, yet 429, token shared", Phase.DENIED, "run", single("refused_but_done", status=429), PERSON),
    *rows(
        "done, yet 401",
        Phase.DENIED,
        "create update delete share run stop",
        with_(single("refused_but_done", status=401), exclusive=True),
    ),
    *rows(
        "done, yet 4xx",
        Phase.DENIED,
        "create update delete share run stop",
        with_(
            single("refused_but_done", status=choice(400, 403, 404, 409, 422)),
            exclusive=True,
        ),
    ),
    *rows(
        "done, yet 429 the second time", Phase.DENIED, "create update delete", lambda s: _in_the_end(s, 429)
    ),
    *rows("done, yet 4xx after a 429", Phase.DENIED, "create delete share", lambda s: _in_the_end(s, 403)),
    *rows("done, yet refused, 429 on a look", Phase.DENIED, "create share", lambda s: _throttled_look(s)),
]

UNTRUE = [
    *rows(
        "false success",
        Phase.LIED,
        "create update delete share run stop",
        with_(single("noop"), exclusive=True),
    ),
    *rows("false success for good", Phase.LIED, "create update", always("noop"), TOLD),
    *rows("partly refused", Phase.LIED, "share admin", always("partial"), TOLD),
    *rows("late", Phase.LATE, "create update share", single("late_commit", seconds=between(1, 9))),
    *rows(
        "late after a 5xx",
        Phase.LATE,
        "create delete",
        single("late_commit", seconds=between(1, 9), answer="error"),
    ),
]

CRASHED = [
    *rows("killed before it is sent", Phase.CRASHED, "create", _killed(False, before=True)),
    *rows("killed, not done", Phase.CRASHED, "create update", _killed(False)),
    *rows("killed, done", Phase.CRASHED, "create delete run", _killed(True)),
]

DRIFTED = [
    *rows("snake_case", Phase.DRIFTED, "read list create", changed("drift_case")),
    *rows(
        "enveloped", Phase.DRIFTED, "read list update", changed("drift_wrap", key=choice("data", "result"))
    ),
    *rows("unwrapped", Phase.DRIFTED, "share", changed("drift_unwrap", key="project")),
    *rows("moved", Phase.DRIFTED, "read create", changed("drift_move", from_="id", to="meta.id")),
    *rows(
        "renamed",
        Phase.DRIFTED,
        "create update",
        changed("drift_rename", from_="id", to=choice("uuid", "key")),
    ),
    *rows("renamed, seen before", Phase.DRIFTED, "read list", lambda s: _new_name(s)),
    *rows("field added", Phase.DRIFTED, "read list create", changed("drift_add", path="extra")),
    *rows("other success code", Phase.DRIFTED, "create delete share", changed("drift_status")),
    *rows("body vanished", Phase.DRIFTED, "create update share", changed("drift_body")),
    *rows(
        "cursor moved",
        Phase.DRIFTED,
        "list",
        changed("drift_paging", to=choice("nextCursor", "links.next", "pagination.next")),
    ),
    *rows("id gone", Phase.DRIFTED, "create", changed("drift_remove", path="id")),
    *rows("entries gone", Phase.DRIFTED, "list", lambda s: _no_entries(s, "drift_remove"), PERSON),
    *rows("entries null", Phase.DRIFTED, "list", lambda s: _no_entries(s, "drift_null"), PERSON),
    *rows("unknown status", Phase.DRIFTED, "run", lambda s: _odd_status(s)),
    *rows("errors in another form", Phase.DRIFTED, "create read", lambda s: _odd_errors(s)),
]

ASKED = [
    *rows("field demanded", Phase.ASKED, "create", lambda s: _demanded(s), PERSON),
    *rows("field renamed", Phase.ASKED, "cell create update", lambda s: _renamed(s)),
]

CHECKED = [
    *rows("429 on a look", Phase.CHECKED, "create share", looked("rate_limit", retry_after=between(1, 30))),
    *rows("5xx on a look", Phase.CHECKED, "update delete run", looked("error_before")),
    *rows("reset on a look", Phase.CHECKED, "create share", looked("reset")),
    *rows("HTML on a look", Phase.CHECKED, "delete update", looked("garbage")),
    *rows("401 on a look", Phase.CHECKED, "create run", looked("expire", times=1)),
    *rows(
        "401 that was wrong, on a look",
        Phase.CHECKED,
        "create share",
        with_(looked("unauthorized", times=1), keys=1),
    ),
    *rows("look enveloped", Phase.CHECKED, "create delete share", looked("drift_wrap", times=FOREVER)),
    *rows("look in snake_case", Phase.CHECKED, "update", looked("drift_case", times=FOREVER)),
    *rows("5xx on a look before", Phase.CHECKED, "create delete", looked("error_before", before=True)),
    *rows(
        "answer lost, 5xx on a look", Phase.CHECKED, "create update", looked("error_before", "lost_answer")
    ),
    *rows("false success, 429 on a look", Phase.CHECKED, "create share", looked("rate_limit", "noop")),
    *rows("never confirmed", Phase.CHECKED, "update share", looked("error_before", times=FOREVER), PERSON),
    *rows(
        "never seen before", Phase.CHECKED, "cell", looked("error_before", times=FOREVER, before=True), TOLD
    ),
]

SEVERAL = [
    *rows("two failures", Phase.SEVERAL, "create update delete share run", two),
    *rows("call and look", Phase.SEVERAL, "create update delete share run", call_and_look),
]


def _in_the_end(s: Struck, status: int) -> Trouble:
    """Refuse it once and do nothing; then do it, and refuse it all the same."""
    honest = s.fault("rate_limit", times=1, retry_after=s.dice.randint(1, 20))
    return Trouble((honest, s.fault("refused_but_done", times=1, status=status)), exclusive=True)


def _throttled_look(s: Struck) -> Trouble:
    """Do it and refuse it, and throttle the look that would show it."""
    lie = s.fault("refused_but_done", times=1, status=s.dice.choice([403, 429]))
    looks = s.fault("rate_limit", s.dice.choice(s.before or s.after), 1, after=1 if s.before else 0)
    return Trouble((lie, {**looks, "with": {"retry_after": 3}}), exclusive=True)


def _no_entries(s: Struck, fault: str) -> Trouble:
    return Trouble((s.fault(fault, times=FOREVER, path=s.tool.paging.items if s.tool.paging else "values"),))


def _new_name(s: Struck) -> Trouble:
    """Rename what a healthy answer of the same kind has shown before."""
    old, new = s.dice.choice(FIELDS[s.job.tool])
    return Trouble((s.fault("drift_rename", times=FOREVER, from_=old, to=new),), warm=True)


FIELDS = {
    "HEX_GET_CELL": (("id", "cellId"), ("cellType", "type"), ("label", "title")),
    "HEX_GET_PROJECT": (("id", "projectId"), ("title", "name"), ("type", "kind")),
    "HEX_GET_GROUP": (("id", "groupId"), ("name", "title")),
    "HEX_GET_COLLECTION": (("id", "collectionId"), ("name", "title")),
    "HEX_GET_RUN_STATUS": (("runId", "id"), ("status", "state")),
    "HEX_LIST_USERS": (("values", "users"), ("values[*].id", "userId"), ("values[*].email", "mail")),
    "HEX_LIST_PROJECTS": (("values", "items"), ("values[*].title", "name")),
    "HEX_LIST_CELLS": (("values", "cells"), ("values[*].id", "cellId")),
    "HEX_GET_PROJECT_RUNS": (("runs", "values"), ("runs[*].runId", "id")),
}
"""Tool → fields of its answer, and what they are called from now on."""


def _odd_status(s: Struck) -> Trouble:
    word = s.dice.choice(["QUEUED", "PREPARING", "FINALISING"])
    return Trouble((s.fault("drift_enum", "HEX_GET_RUN_STATUS", path="status", to=word),))


def _odd_errors(s: Struck) -> Trouble:
    first = s.fault("rate_limit", times=1, retry_after=5)
    form = s.dice.choice(["nested", "list", "text"])
    return Trouble((s.fault("drift_errors", times=FOREVER, form=form), first))


def _demanded(s: Struck) -> Trouble:
    return Trouble((s.fault("request_required", times=FOREVER, field=s.dice.choice(["reason", "ticketId"])),))


def _renamed(s: Struck) -> Trouble:
    """Let the server want another name for a field, and say so."""
    old = s.dice.choice(sorted(s.job.arguments.keys() & RENAMES.keys()))
    given: dict[str, Any] = {"from_": old, "to": RENAMES[old], "status": s.dice.choice([400, 422])}
    return Trouble((s.fault("request_rename", times=FOREVER, **given),))


RENAMES = {
    "label": "title",
    "cellType": "type",
    "contents": "content",
    "name": "title",
    "description": "summary",
    "status": "state",
}
"""Field of a request → what the server calls it from now on."""


CELLS: tuple[Cell, ...] = (
    *REJECTED,
    *NETWORK,
    *UNHEARD,
    *DENIED,
    *UNTRUE,
    *CRASHED,
    *DRIFTED,
    *ASKED,
    *CHECKED,
    *SEVERAL,
    *MANY,
    *WORKFLOWS,
)
"""The matrix."""
