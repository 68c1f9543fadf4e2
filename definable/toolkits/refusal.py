"""Why a key was refused, as far as what is known of it can tell: a 401 itself says next to nothing."""

from __future__ import annotations

from collections.abc import Mapping

from definable.toolkits.key import stamp
from definable.toolkits.keybook import Facts


def why(
    name: str,
    host: str,
    facts: Facts,
    expires: float | None,
    headers: Mapping[str, str],
    now: float,
    variable: str,
) -> str:
    """Return what a 401 means for the key from source `name`, and what to do.

    It tells apart: over, revoked, another host's, taken out on the way, and never good here. `facts` is what
    was known before this answer, `expires` and `now` are in seconds since 1970, `variable` names the host.
    """
    told = f"{name} was refused by {host}"
    if expires is not None and expires <= now:
        return f"{told}: it expired at {stamp(expires)}; make a new one"
    still = f", though it was to last until {stamp(expires)}" if expires is not None else ""
    if (worked := facts.worked.get(host)) is not None:
        ended = "revoked" if still else "revoked or expired"
        return f"{told}{still}: it worked there at {stamp(worked)}, so it was {ended} since; make a new one"
    if facts.worked:
        other, at = max(facts.worked.items(), key=lambda place: place[1])
        return (
            f"{told}{still}: it worked at {other} at {stamp(at)}, so it is that host's; set {variable} to it"
        )
    if _unseen(headers):
        return f"{told}, which saw no key in the request: something on the way took it out"
    return f"{told}{still}, where it never worked as far as is known: revoked, expired, or for another host"


def _unseen(headers: Mapping[str, str]) -> bool:
    """Whether the challenge is one for a request without a key (RFC 6750 3: it has no error code then)."""
    return headers.get("www-authenticate", "").strip().lower() == "bearer"
