"""What went wrong with one request and what happens now, in one plain line. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from definable.cli import words

STATUSES = {401: "auth_expired", 403: "permission", 404: "not_found", 409: "conflict", 429: "rate_limited"}
ORDER = re.compile(r"^(call|look|before|poll|page) (\S+)(?: in ([\d.]+) s)?$")
"""How the run log writes an order that follows."""

ENDED = frozenset({"failed", "denied"})
"""Moves that are told by the receipt, with the same words."""

TOLD = frozenset({"ask", "verified", "needs_review"})
"""Moves whose next step has a line of its own: a question, a receipt."""


def trouble(data: Mapping[str, Any], exchange: Mapping[str, Any]) -> str | None:
    """Return the line for a verdict (its event's data) on an exchange, or None when there was no trouble."""
    order, reply = exchange.get("order") or {}, exchange.get("reply") or {}
    failure = class_of(data, order, reply)
    if failure in ("ok", "no_credentials") or data.get("move") in ENDED:
        return None
    look = words.LOOKS.get(order.get("role", "call"))
    where = f"{look} ({order.get('tool')}): " if look else ""
    # The server's own words come first; advice and trace ids are in the receipt.
    said = words.short(_said(data, reply).partition("; ")[0], 160)
    wait = _wait(data, reply)
    asked = f", asked to wait {words.duration(wait)}" if wait is not None else ""
    then = "" if data.get("move") in TOLD else following(str(data.get("next", "")))
    text = f"{where}{words.failure(failure)}{f' ({said})' if said else ''}{asked}"
    return f"{text} → {then}" if then else text


def class_of(data: Mapping[str, Any], order: Mapping[str, Any], reply: Mapping[str, Any]) -> str:
    """Return the failure class: the verdict's own, or the one that the answer and what follows it imply."""
    again = str(data.get("next", "")).startswith("call ")
    if verdict := data.get("verdict"):
        # An answer that was fine by itself and is asked for again did not keep to its contract.
        odd = verdict["failure"] == "ok" and again and data.get("why") and order.get("role", "call") == "call"
        return "drift" if odd else str(verdict["failure"])
    status = reply.get("status")
    if reply.get("kind", "outcome") != "outcome" or not reply:
        return "ok"
    if reply.get("cause") == "no_credentials":
        return "no_credentials"
    if status is None:
        return "unknown_outcome" if reply.get("phase") == "unknown" and order.get("effect") else "network"
    if status >= 400:
        return STATUSES.get(status, "upstream_5xx" if status >= 500 else "invalid_input")
    return "drift" if again and order.get("role", "call") == "call" else "ok"


def following(text: str) -> str:
    """Return what happens now, from the log's order (`call HEX_X in 3 s`); other text stays as it is."""
    found = ORDER.match(text)
    if found is None:
        return words.short(text, 160)
    role, tool, delay = found.groups()
    pause = f"waits {words.duration(float(delay))}, then " if delay and float(delay) else ""
    if role == "call":
        return f"{pause}sends again"
    return f"{pause}looks with {tool}"


def _said(data: Mapping[str, Any], reply: Mapping[str, Any]) -> str:
    if (verdict := data.get("verdict")) and verdict.get("message"):
        return str(verdict["message"])
    if data.get("why") and str(data.get("next", "")).startswith("call "):
        return str(data["why"])
    if reply.get("status") is None:
        return str(reply.get("error") or "no answer")
    return f"{reply['status']}: {body}" if (body := _words(reply.get("body"))) else str(reply["status"])


def _words(body: Any) -> str:
    """Return the server's own words, where error bodies usually have them."""
    if isinstance(body, str):
        return body
    if not isinstance(body, Mapping):
        return ""
    found = (body.get(key) for key in ("message", "reason", "detail", "error"))
    return next((text for each in found if (text := _words(each))), "")


def _wait(data: Mapping[str, Any], reply: Mapping[str, Any]) -> float | None:
    if verdict := data.get("verdict"):
        asked = verdict.get("retry_after")
        return None if asked is None else float(asked)
    text = str((reply.get("headers") or {}).get("retry-after", ""))
    return float(text) if text.isdigit() else None
