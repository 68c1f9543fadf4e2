"""The Hex toolkit as data: complete, and agreeing with itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from definable.spec.aliases import renamed, snake
from definable.spec.model import Effect
from definable.spec.paths import parse, references, texts
from definable.spec.toolkit import Look, Poll, Tool
from definable.toolkits.arguments import schema
from definable.verify.contracts import Contract
from definable.verify.readback import unmet
from tests.hexkit import ROOT, tool, toolkit, writes

SLUGS = set(
    """
HEX_CANCEL_RUN HEX_CREATE_CELL HEX_CREATE_COLLECTION HEX_CREATE_GROUP HEX_DEACTIVATE_USER HEX_DELETE_CELL
HEX_DELETE_GROUP HEX_DELETE_GUIDE_DRAFT HEX_EDIT_COLLECTION HEX_EDIT_GROUP
HEX_EDIT_PROJECT_SHARING_COLLECTIONS HEX_EDIT_PROJECT_SHARING_GROUPS
HEX_EDIT_PROJECT_SHARING_ORG_AND_PUBLIC HEX_EDIT_PROJECT_SHARING_USERS HEX_GET_CELL HEX_GET_COLLECTION
HEX_GET_GROUP HEX_GET_PROJECT HEX_GET_PROJECT_RUNS HEX_GET_RUN_STATUS HEX_LIST_CELLS HEX_LIST_COLLECTIONS
HEX_LIST_DATA_CONNECTIONS HEX_LIST_GROUPS HEX_LIST_PROJECTS HEX_LIST_USERS HEX_PUBLISH_GUIDE_DRAFTS
HEX_RUN_PROJECT HEX_UPDATE_CELL HEX_UPDATE_PROJECT HEX_UPSERT_GUIDE_DRAFT
    """.split()  # noqa: SIM905
)

ALL = sorted(toolkit().tools)


def test_there_are_exactly_the_31_tools() -> None:
    """Every slug is there and no other is offered; two more exist only to verify."""
    offered = sorted(slug for slug, each in toolkit().tools.items() if not each.internal)
    assert offered == sorted(SLUGS)
    assert set(ALL) - SLUGS == {"HEX_ME", "HEX_LIST_DRAFT_GUIDES"}


@pytest.mark.parametrize("slug", ALL)
def test_each_tool_says_what_it_is_needs_and_costs(slug: str) -> None:
    """Title, description, permission and quota are given; every quota counts against the user's own."""
    each = tool(slug)
    assert each.title
    assert len(each.description) > 40
    assert each.needs
    assert each.quota[0] == "user"
    assert set(each.quota) <= set(toolkit().quotas)
    assert slug == "HEX_" + snake(each.operation).upper()


@pytest.mark.parametrize("slug", ALL)
def test_each_argument_is_described(slug: str) -> None:
    """A model reads the descriptions: every leaf has one, unless its own object tells."""
    for name, given in tool(slug).arguments.items():
        assert given.get("description"), name


@pytest.mark.parametrize("slug", writes())
def test_each_write_says_what_its_receipt_may_claim(slug: str) -> None:
    """Evidence, what it rests on, where it lands, and what to do when the answer is lost."""
    each = tool(slug)
    assert each.evidence is not None
    assert each.basis
    assert each.lost is not None
    if each.lost.how == "new":
        assert each.lost.look in each.before
        assert each.settle > 0
    if each.lost.how == "state":
        assert each.after
        assert each.settle > 0


@pytest.mark.parametrize("slug", writes())
def test_destructive_and_admin_tools_ask(slug: str) -> None:
    """What takes something away, or says who may see what, waits for a person."""
    asks = tool(slug).effect in (Effect.DELETE, Effect.ADMIN) or slug == "HEX_PUBLISH_GUIDE_DRAFTS"
    assert tool(slug).asks is asks


@pytest.mark.parametrize("slug", ALL)
def test_reads_have_no_recipes(slug: str) -> None:
    """A read is verified by its contract; nothing is asked, looked for or lost."""
    each = tool(slug)
    if not each.effect.writes:
        recipes = (each.before, each.after, each.lost, each.evidence, each.asks, each.holds)
        assert not any(recipes)
        assert each.method == "GET"


def _looks(each: Tool) -> Iterator[tuple[Look | Poll, set[str]]]:
    """Every look with the names that its arguments may start with."""
    before = {"arguments", "web"}
    for look in each.before.values():
        yield look, before
    after = {*before, *each.before, "result"}
    if each.poll:
        yield each.poll, after
    for look in each.after.values():
        yield look, after
    if each.ensure:
        yield each.ensure.look, {"arguments"}
        yield each.ensure.update, {"arguments", "item"}


@pytest.mark.parametrize("slug", ALL)
def test_each_look_is_a_tool_and_gives_it_what_it_takes(slug: str) -> None:
    """A look names a read of this toolkit, only arguments that it has, and all that it requires."""
    each = tool(slug)
    for look, known in _looks(each):
        target = tool(look.call)
        assert set(look.arguments) <= set(target.arguments)
        assert set(target.required) <= set(look.arguments)
        is_update = each.ensure is not None and look is each.ensure.update
        assert target.effect is Effect.READ or is_update
        assert {path[0] for path in references(look.arguments)} <= known


def _paths(each: Tool) -> Iterator[tuple[str, ...]]:
    """Every path in a tool's conditions, recovery and link."""
    for condition in each.expect:
        bare = (condition.at, condition.in_, condition.entries, condition.shown)
        named = condition.named.in_ if condition.named else None
        yield from (parse(path) for path in (*bare, named) if path)
        yield from references([condition.is_, condition.where])
    if each.lost:
        yield from references([each.lost.where, each.lost.adopt])
        yield from (parse(path) for path in (each.lost.in_,) if path)
    if each.rewrite:
        yield from references(each.rewrite.arguments)
        yield from references(each.rewrite.when, expression=True)
    yield from references(each.link)
    whens = [look.when for look, _ in _looks(each) if look.when]
    yield from chain.from_iterable(references(when, expression=True) for when in whens)


@pytest.mark.parametrize("slug", ALL)
def test_each_path_of_a_recipe_starts_at_a_known_name(slug: str) -> None:
    """Nothing in a recipe leads nowhere: a condition that compares with nothing would always hold."""
    each = tool(slug)
    known = {"arguments", "result", "item", "web", *each.before, *each.after}
    for path in _paths(each):
        assert path[0] in known, path
        if path[0] == "arguments":
            assert path[1] in each.arguments, path


@pytest.mark.parametrize("slug", ALL)
def test_what_a_condition_compares_with_exists_in_the_arguments(slug: str) -> None:
    """A misspelt argument would be skipped as not given, so each is followed into the schema."""
    for path in _paths(tool(slug)):
        if path[0] == "arguments":
            assert _leads(schema(toolkit(), tool(slug)), path[1:]), path


def _leads(of: dict[str, Any], path: tuple[str, ...]) -> bool:
    if not path:
        return True
    kinds = [of, *of.get("anyOf", ())]
    return any(
        _leads(k["properties"][path[0]], path[1:]) for k in kinds if path[0] in k.get("properties", {})
    )


@pytest.mark.parametrize("slug", ALL)
def test_all_arguments_have_snake_case_aliases(slug: str) -> None:
    """Every name, at every level, is accepted in snake_case and becomes the product's own."""
    whole = schema(toolkit(), tool(slug))
    proper = _sample(whole)
    aliased = _respelt(proper)
    assert renamed(aliased, whole, toolkit().shapes)[0] == proper


def _sample(of: dict[str, Any]) -> Any:
    """Return a value with every property that a schema knows."""
    merged = {k: v for kind in (of, *of.get("anyOf", ())) for k, v in kind.get("properties", {}).items()}
    if merged:
        return {name: _sample(each) for name, each in merged.items()}
    return [_sample(of["items"])] if of.get("type") == "array" else "x"


def _respelt(value: Any) -> Any:
    if isinstance(value, dict):
        return {snake(k): _respelt(v) for k, v in value.items()}
    return [_respelt(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("slug", ALL)
def test_statuses_of_runs_are_not_guessed(slug: str) -> None:
    """No contract closes an enumeration that may grow: an unknown run status is waited on."""
    response = tool(slug).response
    assert "enum" not in {place[-1] for place, _ in texts([response, toolkit().shapes])}
    if response is not None:
        assert Contract.of(toolkit(), response).valid([]) is False


@pytest.mark.parametrize(
    ("wanted", "shown", "holds"),
    [("NONE", None, True), ("NONE", "NONE", True), ("NONE", "MEMBER", False), ("MEMBER", None, False)],
)
def test_an_access_that_was_taken_away_may_be_left_out(wanted: str, shown: str | None, holds: bool) -> None:
    """Hex does not say whether it shows NONE or nothing, so both are taken for it, and only for it."""
    conditions = tuple(c for c in tool("HEX_CREATE_COLLECTION").expect if c.at and c.at.endswith("members"))
    scope = {
        "arguments": {"sharing": {"workspace": {"members": wanted}}},
        "collection": {"sharing": {"workspace": {"members": shown} if shown else {}}},
    }
    assert len(conditions) == 1
    assert (unmet(conditions, scope) == []) is holds


def test_every_shape_is_used() -> None:
    """No contract is left over from a tool that is gone."""
    data = str([t.response for t in toolkit().tools.values()]) + str(toolkit().shapes)
    assert {name for name in toolkit().shapes if f"#/$defs/{name}'" not in data} == set()


def test_the_code_knows_no_product() -> None:
    """A toolkit for another product is another file: only the sandbox speaks of this one."""
    rooms = ("toolkits", "verify", "graph")
    files = [f for room in rooms for f in (ROOT / "definable" / room).rglob("*.py")]
    assert files
    found = [f"{Path(f).relative_to(ROOT)}" for f in files if re.search(r"\bHEX_", f.read_text("utf-8"))]
    assert found == []
