"""Figures computed again from the results that they cite, never trusted."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from math import isclose
from statistics import fmean, median

from definable.errors import UsageError
from definable.spec.artifacts import Against, Figure, Where
from definable.spec.lookup import MISSING, follow, parse
from definable.verify.shape import Json

Results = Mapping[str, Json]
"""The id of a call → `{"tool": …, "result": …}`."""

Recipe = Figure | Against


def citations(where: str, receipts: Iterable[str], results: Results) -> list[str]:
    """Return a reason for each receipt that is no verified result."""
    there = ", ".join(results) or "none"
    return [
        f"{where} cites {each!r}, which is not a verified result of this step. There are: {there}."
        for each in receipts
        if each not in results
    ]


def check(where: str, figure: Figure, results: Results) -> list[str]:
    """Return why a figure does not hold; empty when it comes to its value when computed again."""
    for recipe in _recipes(figure):
        if wrong := citations(f"{where}: a figure", recipe.receipts, results):
            return wrong
        if not recipe.receipts:
            return [f"{where}: the figure {plain(figure.value)} cites no call to compute it from."]
    try:
        return _checked(where, figure, results)
    except UsageError as error:
        return [f"{where}: the figure {plain(figure.value)} cannot be computed: {error.message}."]


def _checked(where: str, figure: Figure, results: Results) -> list[str]:
    numbers: list[float] = []
    for recipe in _recipes(figure):
        values = [value for _, value in walked(recipe, results)]
        if not values and not _may_be_empty(recipe, results):
            nothing = ", and nothing cannot be counted" if recipe.op == "count" else ""
            return [f"{where}: {words(recipe)} leads to nothing{nothing}. Correct the path."]
        if recipe.op == "value" and figure.against is None:
            holds = any(_equals(each, figure.value) for each in values)
            return [] if holds else [_differs(where, figure, values[:5])]
        came_to = computed(recipe, values)
        if came_to is None:
            return [f"{where}: {words(recipe)} meets something that is no number, and cannot be added up."]
        numbers.append(came_to)
    return _compared(where, figure, numbers)


def _compared(where: str, figure: Figure, numbers: list[float]) -> list[str]:
    if figure.against is not None and figure.against.how != "difference" and not numbers[1]:
        return [f"{where}: {words(figure)} divides by {words(figure.against)}, which is 0. Leave it out."]
    result = _against(figure, numbers)
    exact = figure.against is None and figure.op not in ("mean", "median")
    holds = _equals(result, figure.value) if exact else _rounds_to(result, figure.value)
    return [] if holds else [_differs(where, figure, [result])]


def _against(figure: Figure, numbers: list[float]) -> float:
    if figure.against is None:
        return numbers[0]
    one, other = numbers
    how = figure.against.how
    if how == "difference":
        return one - other
    return 100 * one / other if how == "share" else 100 * (one - other) / other


def _recipes(figure: Figure) -> list[Recipe]:
    return [figure, figure.against] if figure.against else [figure]


def walked(recipe: Recipe, results: Results) -> Iterator[tuple[Json, Json]]:
    """Yield each value that a recipe finds, with the entry that it stands in. UsageError for a wrong path."""
    parts = parse(recipe.path)
    last = max((n for n, part in enumerate(parts) if part == "*"), default=-1)
    for receipt in recipe.receipts:
        result = result_of(results[receipt])
        entries = follow(result, parts[: last + 1]) if last >= 0 else [result]
        for entry in entries if isinstance(entries, list) else []:
            value = follow(entry, parts[last + 1 :])
            if value is not MISSING and all(_meets(entry, each) for each in recipe.where):
                yield from ((entry, each) for each in (value if isinstance(value, list) else [value]))


def _meets(entry: Json, where: Where) -> bool:
    found = follow(entry, parse(where.field))
    if found is MISSING or found is None:
        return where.test == "!="
    order = _order(found, where.to)
    holds = {"=": order == 0, "!=": order != 0, "<": order < 0, "<=": order <= 0, ">": order > 0}
    return holds.get(where.test, order >= 0)


def _order(found: Json, to: str) -> int:
    """Return -1, 0 or 1. A text is compared as far as `to` goes where both begin with a day."""
    if isinstance(found, int | float) and not isinstance(found, bool):
        try:
            number = float(to)
        except ValueError:
            raise UsageError(f"{to!r} is no number to compare {found!r} with") from None
        return (found > number) - (found < number)
    text = as_text(found)
    if len(to) == 10 and to[4:5] == text[4:5] == "-" and to[:4].isdigit():
        text = text[:10]
    return (text > to) - (text < to)


def computed(recipe: Recipe, values: list[Json]) -> float | None:
    """Return what a recipe makes of its values; None when it needs numbers and meets something else."""
    if recipe.op == "count":
        return float(sum(recipe.equals is None or as_text(each) == recipe.equals for each in values))
    if recipe.op == "distinct":
        return float(len({json.dumps(each, sort_keys=True) for each in values}))
    there = [each for each in values if each is not None]
    if any(isinstance(each, bool) or not isinstance(each, int | float) for each in there):
        return None
    if recipe.op == "sum":
        return float(sum(there))
    if not there:
        return None
    if recipe.op in ("min", "max"):
        return float(min(there) if recipe.op == "min" else max(there))
    if recipe.op == "value":
        return float(there[0])
    return float(fmean(there) if recipe.op == "mean" else median(there))


def _may_be_empty(recipe: Recipe, results: Results) -> bool:
    """Whether to count nothing is a finding: a list was there and empty, or no entry met the conditions."""
    if recipe.op not in ("count", "distinct", "sum"):
        return False
    if recipe.where:
        return any(True for _ in walked(recipe.model_copy(update={"where": []}), results))
    if recipe.op != "count":
        return False
    before = parse(recipe.path.rpartition("[*]")[0] or recipe.path)
    lists = [follow(result_of(results[each]), before) for each in recipe.receipts]
    return all(isinstance(each, list) and all(inner == [] for inner in each) for each in lists)


def _rounds_to(result: float, value: float) -> bool:
    """Whether a value is a result, rounded to the decimals that the value has."""
    if _equals(result, value):
        return True
    digits = 0 if "e" in repr(value) else len(repr(value).partition(".")[2].rstrip("0"))
    return abs(result - value) <= 0.5 / 10.0**digits + 1e-9


def _differs(where: str, figure: Figure, found: list[Json]) -> str:
    came_to = ", ".join(_short(each) if isinstance(each, float) else json.dumps(each) for each in found)
    return (
        f"{where}: the figure {plain(figure.value)} is not what {words(figure)} comes to, "
        f"which is {came_to}. Correct the value, or the path and the receipts."
    )


def words(recipe: Recipe) -> str:
    """Return a recipe as people say it."""
    equal = f" equal to {recipe.equals!r}" if recipe.equals is not None and recipe.op == "count" else ""
    kept = "".join(f", where {each.field} {each.test} {each.to}," for each in recipe.where)
    text = f"the {recipe.op} of {recipe.path!r}{equal}{kept} in {', '.join(recipe.receipts)}"
    other = recipe.against if isinstance(recipe, Figure) else None
    return f"{text}, as {other.how} against {words(other)}," if other else text


def result_of(entry: Json) -> Json:
    """Return the verified result of an entry of `Results`."""
    return entry.get("result") if isinstance(entry, dict) else None


def as_text(value: Json) -> str:
    """Return a value as the text that `equals` is compared with."""
    return value if isinstance(value, str) else json.dumps(value)


def plain(value: float) -> str:
    """Return a number without a needless `.0`."""
    return str(int(value)) if float(value).is_integer() else str(value)


def _short(value: float) -> str:
    return plain(value if value.is_integer() else round(value, 4))


def _equals(found: object, value: float) -> bool:
    if isinstance(found, bool) or not isinstance(found, int | float):
        return False
    return isclose(found, value, rel_tol=1e-9, abs_tol=1e-9)
