"""Results as lines of JSON, one an item, in the shape of the OpenAI Batch API. Pure.

Source: https://platform.openai.com/docs/api-reference/batch/request-output
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from definable.calls import Json, Receipt
from definable.engine.batch.rows import BadRow
from definable.limits import Spent
from definable.store import RunRow, RunStatus, TallyRow

OK = 200

BAD_ROW = "invalid_row"
"""The code of a row that could not be run; others are a call's failure, an error's name, a run's status."""


def done(run: RunRow, tally: TallyRow) -> dict[str, Json]:
    """Return the line of an item whose run is done."""
    body: dict[str, Any] = {
        "status": run.status.value,
        "workflow": run.workflow,
        "outputs": run.outputs or {},
        "receipts": {"calls": tally.receipts, "verified": tally.verified, "healed": tally.healed},
        "spent": spent(tally),
    }
    response = {"status_code": OK, "request_id": run.id, "body": body}
    return {"id": run.id, "custom_id": run.item, "response": response, "error": None}


def failed(run: RunRow, receipts: Iterable[Receipt] = ()) -> dict[str, Json]:
    """Return the line of an item whose run ended otherwise: as an error, or cancelled."""
    error = dict(run.error or {})
    classes = [each.failure.value for each in receipts if each.status != "verified" and each.failure]
    if error.get("error") == "DefinableError" and classes:
        error["error"] = classes[-1]
    plain = run.status is RunStatus.CANCELLED or not error
    code = run.status.value if plain else str(error.get("error", run.status.value))
    words = str(error.get("message") or f"the run was {run.status.value}")
    hint = str(error.get("hint") or f"see: definable runs show {run.id}")
    return _line(run.id, run.item, {"code": code, "message": words, "hint": hint})


def unfit(row: BadRow) -> dict[str, Json]:
    """Return the line of a row that could not be run."""
    return _line(None, row.custom_id, {"code": BAD_ROW, "message": "; ".join(row.problems), "line": row.line})


def _line(run: str | None, item: str | None, error: dict[str, Json]) -> dict[str, Json]:
    return {"id": run, "custom_id": item, "response": None, "error": error}


def spent(tally: TallyRow) -> dict[str, Json]:
    """Return what a run has used; `usd` is None when a price is not known."""
    return {
        "usd": None if tally.unpriced else tally.usd,
        "tokens": tally.tokens,
        "calls": tally.calls,
        "seconds": tally.seconds,
    }


def tallied(run: str, batch: str, used: Spent, receipts: Iterable[Receipt]) -> TallyRow:
    """Return what a run has come to, from what it used and its receipts."""
    every = list(receipts)
    return TallyRow(
        run=run,
        batch=batch,
        tokens=used.tokens,
        usd=float(used.usd),
        unpriced=bool(used.unpriced),
        calls=used.calls,
        seconds=used.seconds,
        receipts=len(every),
        verified=sum(each.status == "verified" for each in every),
        healed=sum(bool(each.heals) for each in every),
    )


def dumped(line: Mapping[str, Json]) -> bytes:
    """Return a line as it stands in a file, whatever texts are in it."""
    text = json.dumps(line, ensure_ascii=False, separators=(",", ":"))
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError:  # half a character, as it came from outside
        return json.dumps(line, separators=(",", ":")).encode() + b"\n"
