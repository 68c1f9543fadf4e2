"""Contracts: what passes, and what is said of what does not."""

from __future__ import annotations

from typing import Any

import pytest

from definable.spec.toolkit import Toolkit
from definable.verify.contracts import Contract, Violation, shown

TOOLKIT = Toolkit.model_validate_json(
    """{
    "toolkit": "shop", "title": "Shop", "base_url": {"env": "SHOP_URL", "default": "http://localhost"},
    "credentials": [{"env": "SHOP_TOKEN"}],
    "formats": {"order": {"pattern": "^o-[0-9]+$"}},
    "shapes": {"Order": {"type": "object", "required": ["id", "state"], "properties": {
        "id": {"type": "string", "format": "order"},
        "state": {"enum": ["OPEN", "PAID"]},
        "buyer": {"anyOf": [{"$ref": "#/$defs/Buyer"}, {"type": "null"}]},
        "paidAt": {"type": ["string", "null"], "format": "date-time"}}},
      "Buyer": {"type": "object", "required": ["email"], "properties": {"email": {"type": "string"}}}},
    "tools": {"SHOP_LIST_ORDERS": {"title": "List", "description": "List", "operation": "List",
      "effect": "read", "request": "GET /orders",
      "arguments": {"limit": {"type": "integer", "maximum": 100}}, "required": ["limit"],
      "paging": {"kind": "cursor", "items": "orders", "next": "next", "into": "after", "largest": 100},
      "response": {"type": "object", "required": ["orders"], "properties": {
        "orders": {"type": "array", "items": {"$ref": "#/$defs/Order"}},
        "next": {"type": ["string", "null"]}}}}}}"""
)
TOOL = TOOLKIT.tools["SHOP_LIST_ORDERS"]
ORDER = {"id": "o-1", "state": "OPEN", "buyer": {"email": "a@b.c"}, "paidAt": None}


def contract() -> Contract:
    """Return the contract of the list."""
    assert TOOL.response is not None
    return Contract.of(TOOLKIT, TOOL.response)


def body(**changed: Any) -> dict[str, Any]:
    """Return a list of one order with some fields changed."""
    return {"orders": [{**ORDER, **changed}], "next": None}


def only(changed: dict[str, Any]) -> Violation:
    """Return the one violation there is."""
    (found,) = contract().violations(changed)
    return found


def test_a_body_passes_and_what_is_added_to_it_passes_as_well() -> None:
    """A contract is silent about what it does not declare."""
    assert contract().valid(body())
    assert contract().valid({**body(color="red"), "total": 1})
    assert contract().violations(body(color="red")) == []


@pytest.mark.parametrize(
    ("changed", "rule", "path", "message"),
    [
        (
            {"state": 7},
            "enum",
            ("orders", 0, "state"),
            'orders[0].state is 7, expected one of "OPEN", "PAID"',
        ),
        (
            {"state": "VOID"},
            "enum",
            ("orders", 0, "state"),
            'orders[0].state is "VOID", expected one of "OPEN", "PAID"',
        ),
        ({"id": "x"}, "format", ("orders", 0, "id"), 'orders[0].id is "x", expected format "order"'),
        ({"paidAt": 5}, "type", ("orders", 0, "paidAt"), "orders[0].paidAt is 5, expected null or string"),
        (
            {"paidAt": "soon"},
            "format",
            ("orders", 0, "paidAt"),
            'orders[0].paidAt is "soon", expected format "date-time"',
        ),
        ({"buyer": {}}, "required", ("orders", 0, "buyer", "email"), "orders[0].buyer.email is missing"),
        ({"buyer": "x"}, "type", ("orders", 0, "buyer"), 'orders[0].buyer is "x", expected null or object'),
    ],
)
def test_a_violation_says_where_what_and_what_was_expected(
    changed: dict[str, Any], rule: str, path: tuple[str | int, ...], message: str
) -> None:
    """Each violation names the innermost place, the rule, the value found and what was wanted."""
    found = only(body(**changed))
    assert (found.rule, found.path, found.message) == (rule, path, message)


def test_every_violation_is_listed() -> None:
    """Nothing stops at the first violation."""
    found = contract().violations({"orders": [{**ORDER, "id": 1, "state": "X"}, {}], "next": 4})
    assert [each.path for each in found] == [
        ("orders", 0, "id"),
        ("orders", 0, "state"),
        ("orders", 1, "id"),
        ("orders", 1, "state"),
        ("next",),
    ]


def test_the_same_schema_gives_the_same_contract_and_another_gives_another() -> None:
    """A contract is compiled once for a schema of a toolkit."""
    assert contract() is contract()
    other = {"type": "object"}
    assert Contract.of(TOOLKIT, other) is not Contract.of(TOOLKIT, {"type": "object", "required": ["x"]})


def test_arguments_have_a_contract_that_refuses_what_is_not_declared() -> None:
    """Arguments may hold nothing undeclared, and are otherwise checked like responses."""
    arguments = Contract.of_arguments(TOOLKIT, TOOL)
    assert arguments.valid({"limit": 5})
    assert [v.message for v in arguments.violations({"limit": 500, "size": 1})] == [
        "limit is 500, expected maximum 100",
        "size: not known here",
    ]


def test_a_declared_property_that_is_gone_beside_a_new_one_is_not_settled() -> None:
    """A body is not settled when an optional property is missing that is read, or beside a new one."""
    responses = Contract.of_response(TOOLKIT, TOOL)
    assert responses is not None
    assert responses.settled(body())
    assert responses.settled({"orders": [], "next": "abc"})
    assert not responses.settled({"orders": []}), "what paging reads is not there"
    assert responses.settled({**body(), "total": 1})
    assert not responses.settled({"orders": [], "cursor": "abc"})
    assert not responses.settled({"orders": [{"id": "o-1", "state": "OPEN", "color": "red"}], "next": None})
    assert not responses.settled(body(state="VOID"))


def test_settled_is_never_weaker_than_valid_where_branches_exclude_each_other() -> None:
    """Making the branches of a `oneOf` stricter lets nothing invalid through."""
    one = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {}}}
    other = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    both = Contract({"oneOf": [one, other]})
    assert not both.valid({"a": 1, "c": 2})
    assert not both.settled({"a": 1, "c": 2})


def test_long_values_are_cut_and_large_ones_counted() -> None:
    """Messages stay short whatever was found."""
    assert shown(list(range(100))) == "an array with 100 entries"
    assert shown("x" * 200, 20) == '"' + "x" * 18 + "…"
