"""Grounding: every number that an agent hands in traces to a verified result, or it goes back with reasons.

A figure is computed again from the results it cites. A number in a text must be a grounded figure, or stand
in a result, in the run's constants or in an artifact grounded before; it may be shortened to the digits shown
and turned from ms into s, min, h or days. Dates, times and ids are held to the same. Number words (two,
three) are not checked for now, and neither are names.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from math import isclose

from definable.errors import UsageError
from definable.spec.artifacts import Artifact, Asset, Change, Draft, Figure, Findings, Point
from definable.spec.paths import MISSING, lookup
from definable.verify.embedded import embedded
from definable.verify.evidence import Evidence, last_name, of_artifact, of_results
from definable.verify.mentions import Mention, in_markdown
from definable.verify.shape import Json

Results = Mapping[str, Json]


def ground(
    artifact: Artifact, results: Results, constants: Json = None, sources: Sequence[Json] = ()
) -> list[str]:
    """Return why `artifact` may not pass, in sentences for whoever wrote it; empty when it is grounded.

    `results` maps the id of a call to `{"tool": …, "result": …}`, verified results only. `constants` is what
    the run itself knows: inputs, its date. `sources` are artifacts of earlier steps, grounded already.
    """
    known = Evidence().add(constants)
    for source in sources:
        known |= of_artifact(source)
    for call in results:
        known.ids.add(call.lower())
    if isinstance(artifact, Findings):
        return _findings(artifact, results, known)
    return _others(artifact, known | of_results(_result(each) for each in results.values()), sources)


def _findings(artifact: Findings, results: Results, known: Evidence) -> list[str]:
    reasons: list[str] = []
    everything = known
    for n, point in enumerate(artifact.points, 1):
        found, its_reasons = _point(f"Point {n}", point, results, known)
        reasons += its_reasons
        everything |= found
    accepted = "a figure or a cited result of one of the points"
    for where, text in (("The title", artifact.title), ("The Markdown", artifact.markdown)):
        reasons += _untraced(where, text, everything, accepted)
    return list(dict.fromkeys(reasons))


def _point(where: str, point: Point, results: Results, known: Evidence) -> tuple[Evidence, list[str]]:
    """Return what the point may say, and why it may not pass."""
    reasons = _citations(where, point.receipts, results)
    if not point.receipts:
        reasons.append(f"{where} cites no call: name the ids of the calls whose results show it.")
    cited = [each for each in point.receipts if each in results]
    figures = Evidence()
    for figure in point.figures:
        cited += [each for each in figure.receipts if each in results]
        if wrong := _figure(where, figure, results):
            reasons += wrong
        else:
            figures.add_number(figure.value, last_name(figure.path))
    found = known | figures | of_results(_result(results[each]) for each in dict.fromkeys(cited))
    names = ", ".join(dict.fromkeys(cited)) or "the calls it should cite"
    accepted = f"a figure of this point that computes it, or what stands in the result of {names}"
    return found, reasons + _untraced(where, point.text, found, accepted)


def _citations(where: str, receipts: Iterable[str], results: Results) -> list[str]:
    there = ", ".join(results) or "none"
    return [
        f"{where} cites {each!r}, which is not a verified result of this step. There are: {there}."
        for each in receipts
        if each not in results
    ]


def _figure(where: str, figure: Figure, results: Results) -> list[str]:
    """Return why a figure does not hold; empty when it comes to its value when computed again."""
    if wrong := _citations(f"{where}: a figure", figure.receipts, results):
        return wrong
    if not figure.receipts:
        return [f"{where}: the figure {_plain(figure.value)} cites no call to compute it from."]
    try:
        values = list(_values(figure, results))
    except UsageError as error:
        return [f"{where}: the figure {_plain(figure.value)} cannot be computed: {error.message}."]
    if not values and not _may_be_empty(figure, results):
        nothing = ", and nothing cannot be counted" if figure.op == "count" else ""
        return [f"{where}: {_recipe(figure)} leads to nothing{nothing}. Correct the path."]
    if figure.op == "value":
        holds = any(_equals(each, figure.value) for each in values)
        return [] if holds else [_differs(where, figure, values[:5])]
    came_to = _computed(figure, values)
    if came_to is None:
        return [f"{where}: {_recipe(figure)} meets something that is no number, and cannot be added up."]
    return [] if _equals(came_to, figure.value) else [_differs(where, figure, [came_to])]


def _may_be_empty(figure: Figure, results: Results) -> bool:
    """Whether to count nothing is a finding: a list was there and empty. A misspelt name is none."""
    if figure.op != "count":
        return False
    before = figure.path.rpartition("[*]")[0] or figure.path
    lists = [lookup(_result(results[each]), before) for each in figure.receipts]
    return all(isinstance(each, list) and all(inner == [] for inner in each) for each in lists)


def _values(figure: Figure, results: Results) -> Iterable[Json]:
    for receipt in figure.receipts:
        found = lookup(_result(results[receipt]), figure.path)
        if found is not MISSING:
            yield from found if isinstance(found, list) else [found]


def _computed(figure: Figure, values: list[Json]) -> float | None:
    """Compute a figure again. A sum skips nulls, and is None when it meets anything else but numbers."""
    if figure.op == "count":
        return float(sum(figure.equals is None or _as_text(each) == figure.equals for each in values))
    if figure.op == "distinct":
        return float(len({json.dumps(each, sort_keys=True) for each in values}))
    there = [each for each in values if each is not None]
    if any(isinstance(each, bool) or not isinstance(each, int | float) for each in there):
        return None
    return float(sum(there))


def _differs(where: str, figure: Figure, found: list[Json]) -> str:
    came_to = ", ".join(_plain(each) if isinstance(each, float) else json.dumps(each) for each in found)
    return (
        f"{where}: the figure {_plain(figure.value)} is not what {_recipe(figure)} comes to, "
        f"which is {came_to}. Correct the value, or the path and the receipts."
    )


def _recipe(figure: Figure) -> str:
    equal = f" equal to {figure.equals!r}" if figure.equals is not None and figure.op == "count" else ""
    return f"the {figure.op} of {figure.path!r}{equal} in {', '.join(figure.receipts)}"


def _others(artifact: Artifact, known: Evidence, sources: Sequence[Json]) -> list[str]:
    accepted = _offer(sources)
    if isinstance(artifact, Draft):
        return _untraced("The draft", artifact.markdown, known, accepted)
    if isinstance(artifact, Asset):
        reasons = _embedded(artifact, known, accepted)
        return reasons + _untraced("The caption", artifact.caption, known, accepted)
    if isinstance(artifact, Change):
        # An explanation speaks of the code it explains, whose numbers are nobody's findings.
        return _untraced(
            "The explanation", artifact.explanation, known | Evidence().add(artifact.source), accepted
        )
    return []


def _embedded(asset: Asset, known: Evidence, accepted: str) -> list[str]:
    if asset.kind == "markdown":
        return _untraced("The source", asset.source, known, accepted)
    found = embedded(asset.kind, asset.source)
    if isinstance(found, str):
        return [found]
    return _reasons("The data in the source", found, known, accepted)


def _offer(sources: Sequence[Json]) -> str:
    values = [
        _plain(float(figure["value"]))
        for source in sources
        if isinstance(source, dict)
        for point in source.get("points", ())
        for figure in point.get("figures", ())
    ]
    shown = ", ".join(list(dict.fromkeys(values))[:20])
    return (
        f"what the findings say ({shown})" if shown else "what stands in the findings or in a verified result"
    )


def _untraced(where: str, text: str, known: Evidence, accepted: str) -> list[str]:
    return _reasons(where, in_markdown(text), known, accepted)


def _reasons(where: str, found: Iterable[Mention], known: Evidence, accepted: str) -> list[str]:
    reasons = [
        f"{where} says {each.text!r} in “{each.sentence}”, which traces to nothing verified. "
        f"Accepted would be {accepted}; otherwise leave it out."
        for each in found
        if not known.says(each)
    ]
    return list(dict.fromkeys(reasons))


def _result(entry: Json) -> Json:
    return entry.get("result") if isinstance(entry, dict) else None


def _equals(found: Json, value: float) -> bool:
    if isinstance(found, bool) or not isinstance(found, int | float):
        return False
    return isclose(found, value, rel_tol=1e-9, abs_tol=1e-9)


def _as_text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _plain(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else str(value)
