"""From one outcome to one verdict: which class of failure, how far it got, in words for people."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from definable.calls import Failure, Outcome, Phase, Verdict
from definable.quota.hints import moment
from definable.spec.paths import MISSING, lookup
from definable.spec.toolkit import Tool, Toolkit

LONGEST_WAIT = 15 * 60.0
"""A server may ask for more; it is a hint, and hints are capped."""

BY_STATUS = {
    401: Failure.AUTH_EXPIRED,
    403: Failure.PERMISSION,
    404: Failure.NOT_FOUND,
    409: Failure.CONFLICT,
    410: Failure.NOT_FOUND,
    429: Failure.RATE_LIMITED,
}


def classify(toolkit: Toolkit, tool: Tool, outcome: Outcome, host: str = "") -> Verdict:
    """Return the verdict on `outcome`, before any look into the body of a success.

    `host` is the address that the request went to, for messages.
    """
    if outcome.status is None:
        return _without_answer(tool, outcome)
    status = outcome.status
    if _is_page(outcome) or 300 <= status < 400:
        words = _elsewhere(toolkit, outcome, host)
        return Verdict(failure=Failure.WRONG_HOST, phase=outcome.phase, message=words)
    if 200 <= status < 300:
        return Verdict(failure=Failure.OK, phase=Phase.COMMITTED)
    words = _words(toolkit, tool, outcome)
    if status in tool.rejects:
        failure = Failure.CAPACITY
    elif status >= 500 or outcome.phase is Phase.UNKNOWN:
        failure = Failure.UPSTREAM_5XX
    elif outcome.stray:
        failure = Failure.AUTH_STRAY
    else:
        failure = BY_STATUS.get(status, Failure.INVALID_INPUT)
    return Verdict(
        failure=failure,
        phase=outcome.phase,
        message=f"{status}: {words}",
        retry_after=retry_after(outcome.headers),
    )


def insisted(toolkit: Toolkit, tool: Tool, verdict: Verdict) -> Verdict:
    """Return the verdict on a 401 that came a second time for a key which is accepted elsewhere."""
    needs = f" (it takes: {tool.needs})" if tool.needs else ""
    words = (
        f"{verdict.message}. Sent twice and refused twice, though the key is good: either it lacks a "
        f"permission or scope for this{needs}, or {toolkit.title} fails at this operation"
    )
    return verdict.model_copy(update={"failure": Failure.PERMISSION, "message": words})


def spoken_of(verdict: Verdict) -> Failure:
    """Return the class of a web page from a host that has shown that it is the right one."""
    return Failure.DRIFT if verdict.phase is Phase.COMMITTED else Failure.NOT_FOUND


def _is_page(outcome: Outcome) -> bool:
    """Whether this is a page or a text where an API would speak JSON; a 401, 429 or 5xx may well be one."""
    status, body = outcome.status or 0, outcome.body
    if outcome.media != "text" or not isinstance(body, str) or status in (401, 429) or status >= 500:
        return False
    of_json = "json" in outcome.headers.get("content-type", "").lower() or body.lstrip()[:1] in ("{", "[")
    page = "html" in outcome.headers.get("content-type", "").lower() or body.lstrip()[:1] == "<"
    return page or (status < 300 and not of_json)


def _elsewhere(toolkit: Toolkit, outcome: Outcome, host: str) -> str:
    """Say for people that this is not the product's API, what it is instead, and what to check."""
    known = toolkit.base_url
    if 300 <= (outcome.status or 0) < 400:
        what = f"redirects to {outcome.headers.get('location', 'another address')} ({outcome.status})"
    else:
        text = outcome.body if isinstance(outcome.body, str) else ""
        title = re.search(r"<title[^>]*>(.*?)</title>", text, re.I | re.S)
        words = " ".join((title[1] if title else re.sub(r"<[^>]*>", " ", text)).split())[:80]
        what = f"answers with a web page or text and no JSON ({outcome.status}, {words!r})"
    return (
        f"{host or 'the host'} {what}: it does not look like the API of {toolkit.title}. "
        f"Check {known.env}: it must be the API's own address, such as {known.default}"
    )


def _without_answer(tool: Tool, outcome: Outcome) -> Verdict:
    if outcome.cause == "no_credentials":
        return Verdict(failure=Failure.NO_CREDENTIALS, phase=Phase.NOT_SENT, message=outcome.error)
    if outcome.cause == "too_large" and not tool.effect.writes:
        failure = Failure.TOO_LARGE
    elif outcome.phase is Phase.NOT_SENT or not tool.effect.writes:
        failure = Failure.NETWORK
    else:
        failure = Failure.UNKNOWN_OUTCOME
    return Verdict(failure=failure, phase=outcome.phase, message=outcome.error)


def _words(toolkit: Toolkit, tool: Tool, outcome: Outcome) -> str:
    """The server's own words, then what is known of this status and of what the tool takes."""
    said = _said(toolkit, outcome.body)
    known = toolkit.statuses.get(outcome.status or 0, "")
    if outcome.status == 401 and outcome.error:
        # What is known of the key at hand says more than the server, and than what is true of every 401.
        said, known = outcome.error, said
    trace = outcome.headers.get("x-trace-id", "")
    needs = f"it takes: {tool.needs}" if outcome.status == 403 and tool.needs else ""
    return "; ".join(filter(None, [said, known, needs, trace and f"trace {trace}"])) or "no reason given"


def _said(toolkit: Toolkit, body: Any) -> str:
    if isinstance(body, str):
        return body.strip()[:300]
    for envelope in toolkit.errors:
        found = [lookup(body, path) for path in (envelope.message, envelope.details, envelope.issues) if path]
        if found[0] is not MISSING and found[0]:
            return ": ".join(_joined(part) for part in found if part is not MISSING and part)
    words = list(dict.fromkeys(text.strip()[:200] for text in _sentences(body)))[:3]
    return f"{'; '.join(words)} (said in a new form of error)" if words else ""


def _sentences(body: Any, depth: int = 4) -> Iterator[str]:
    """Yield the texts in an error body of unknown form that are words for people: more than one of them."""
    if isinstance(body, str):
        if " " in body.strip():
            yield body
    elif depth and isinstance(body, dict | list):
        for each in body.values() if isinstance(body, dict) else body:
            yield from _sentences(each, depth - 1)


def _joined(part: Any) -> str:
    return ", ".join(map(str, part)) if isinstance(part, list) else str(part)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that `Retry-After` asks for (RFC 9110 10.2.3), at most 15 minutes, or None.

    `retry-after-ms`, which some products send, is more exact and comes first. A date is taken against the
    response's own `Date`, so that a wrong clock on either side does no harm.
    """
    text = headers.get("retry-after", "").strip()
    exact, plain = _seconds(headers.get("retry-after-ms", "")), _seconds(text)
    if exact is not None:
        return min(exact / 1000, LONGEST_WAIT)
    if plain is not None:
        return min(plain, LONGEST_WAIT)
    at, now = moment(text), moment(headers.get("date", ""))
    return None if at is None or now is None else min(max(0.0, at - now), LONGEST_WAIT)


def _seconds(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None
