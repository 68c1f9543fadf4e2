"""How each key stands: where it comes from, when it ends, whose it is, and who refused it last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from definable.calls import Fact, Outcome
from definable.spec.toolkit import Source, Toolkit
from definable.toolkits.credentials import Key, KeyRing
from definable.toolkits.key import SOON, rfc3339
from definable.toolkits.keybook import KeyBook
from definable.toolkits.where import base_url

KEYS = "keys.json"
"""What is known of keys, by their marks, in the workspace's home."""


class Standing(Fact):
    """How one source of keys stands; times are RFC 3339 in UTC. Values of keys are never in it."""

    toolkit: str
    host: str
    source: str
    state: str
    """`set`, `not set`, `refused`, `works`, or what is wrong."""
    works: bool | None = None
    """Whether the product accepts it; None when nobody asked, or nobody answered."""
    expires: str | None = None
    seconds: float | None = None
    """Seconds until then."""
    soon: bool = False
    """Whether a person should make a new one now; what a command brings is replaced without anybody."""
    whose: str = ""
    refused: str | None = None
    """When this host refused the key last, unless it accepted it since."""


def standings(toolkit: Toolkit, environ: Mapping[str, str], home: Path) -> list[Standing]:
    """Return how every source of a product's keys stands as far as is known in `home`. Nobody is asked.

    UsageError when its base URL is none.
    """
    found = []
    for source, ring in rings(toolkit, environ, KeyBook(home / KEYS)):
        ring.recall()
        found.append(standing(toolkit, ring, source, ring.current()))
    return found


def rings(toolkit: Toolkit, environ: Mapping[str, str], book: KeyBook) -> Iterator[tuple[Source, KeyRing]]:
    """Return a ring for each source alone, so that each is looked at and not only the first that is good."""
    host = base_url(toolkit, environ)
    for source in toolkit.credentials:
        yield source, KeyRing([source], environ, book, host, book.clock)


def standing(
    toolkit: Toolkit, ring: KeyRing, source: Source, key: Key | None, asked: Outcome | None = None
) -> Standing:
    """Return how one source stands, by what is known and by what came of asking just now."""
    facts = ring.book.facts(key.mark) if key else None
    refused = facts.refused.get(ring.host) if facts else None
    ends = ring.expires(key) if key else None
    left = ends - ring.book.clock() if ends is not None else None
    state = "refused" if refused else ring.states()[source.name].replace("in use", "set")
    works, said = _said(toolkit, ring, asked) if asked else (None, state)
    return Standing(
        toolkit=toolkit.toolkit,
        host=ring.host,
        source=source.name,
        state=said,
        works=works,
        expires=rfc3339(ends) if ends is not None else None,
        seconds=round(left) if left is not None else None,
        soon=left is not None and left < SOON and not source.command_env,
        whose=facts.whose if facts else "",
        refused=rfc3339(refused.at) if refused else None,
    )


def _said(toolkit: Toolkit, ring: KeyRing, outcome: Outcome) -> tuple[bool | None, str]:
    """Whether a key works, by what came of asking whose it is."""
    if outcome.status == 401:
        return False, outcome.error
    if outcome.status is None:
        return None, f"could not be tried: {outcome.error}"
    if outcome.status not in toolkit.tools[toolkit.who or ""].success:
        return None, f"could not be tried: {ring.host} answered {outcome.status}"
    if not isinstance(outcome.body, dict):
        return None, f"{ring.host} answers, but not as {toolkit.title}: is {toolkit.base_url.env} right?"
    return True, "works"
