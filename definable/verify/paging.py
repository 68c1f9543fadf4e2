"""A way to the next page that stands elsewhere: found by what it is, and proven by going there."""

from __future__ import annotations

from definable.calls import Change
from definable.spec.paths import MISSING, lookup, parse
from definable.spec.toolkit import Paging
from definable.verify.contracts import Contract
from definable.verify.matching import Found
from definable.verify.names import words
from definable.verify.readings import read_as
from definable.verify.record import Known
from definable.verify.rows import Nodes, Path, nodes, targets
from definable.verify.shape import Json

GOES_ON = frozenset({"after", "continuation", "cursor", "more", "next", "offset", "page", "token"})


def moved_cursor(
    contract: Contract, known: Known | None, paging: Paging, body: Json, follows: bool
) -> Found | None:
    """Return where the way on went, when only one thing can be it; else None.

    An address with the very parameter that asks for the next page says so itself. Anything else is taken
    only when the next page is asked for, and then has to bring it (`look.py`).
    """
    if not isinstance(body, dict) or lookup(body, paging.next) is not MISSING:
        return None
    target = parse(paging.next)
    row = nodes(body)
    new = _new(contract, known, row)
    links = [path for path in new if read_as(f"query:{paging.into}", row[path]) not in (MISSING, None)]
    if len(links) == 1:
        return _found(links[0], target, f"query:{paging.into}", row, "its address asks for the next page")
    if not follows or links:
        return None
    one = _only(new, row, target, bool(known and known.samples))
    if one is None:
        return None
    proof = "no more is promised" if row[one] is None else "going there brought another page"
    return _found(one, target, "same", row, proof)


def _new(contract: Contract, known: Known | None, row: Nodes) -> list[Path]:
    declared = targets(contract, contract.schema)
    seen = frozenset[Path]()
    for place in known.places if known else ():
        if not place.path and known:
            seen = known.pool(place).paths
    return [
        path for path, value in row.items()
        if path not in declared and path not in seen and not isinstance(value, dict | list | bool)
    ]  # fmt: skip


def _only(new: list[Path], row: Nodes, target: Path, sampled: bool) -> Path | None:
    given = [path for path in new if row[path] not in (None, "")]
    named = [path for path in new if GOES_ON.intersection(words(path[-1]))]
    near = [path for path in new if path[:-1] == target[:-1] or path[-1] == target[-1]]
    for some in (
        [path for path in given if path in named] or [path for path in given if path in near],
        given if sampled else [],
    ):
        if some:
            return some[0] if len(some) == 1 else None
    if given:
        return None
    empty = [path for path in new if path in named or path in near]
    return empty[0] if len(empty) == 1 == len(new) else None


def _found(source: Path, target: Path, how: str, row: Nodes, evidence: str) -> Found:
    return Found(Change(source=source, target=target, how=how), evidence, row[source])
