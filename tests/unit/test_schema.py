"""The JSON Schemas that editors are given."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest

from definable.spec.schema import Kind, in_words, json_schema
from definable.spec.source import read_yaml
from tests.unit.folder import NOTES

WORKFLOW = """
name: w
description: d
steps:
  - { id: a, agent: writer, prompt: "${{ inputs.x }}", limits: { time: 15m } }
  - { id: b, call: NOTES_CREATE, arguments: { count: "${{ inputs.x }}" }, when: "inputs.x == 1" }
approvals: [{ tools: [NOTES_*], timeout: 4h }]
"""


@pytest.mark.parametrize("kind", ["workflow", "agent", "toolkit"])
def test_each_is_a_draft_07_schema(kind: Kind) -> None:
    """Each is valid against draft-07 and refers only to its own definitions."""
    schema = json_schema(kind)
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert not list(jsonschema_rs.Draft7Validator({"$ref": schema["$schema"]}).iter_errors(schema))
    assert "$defs" not in schema
    refs = _values(schema, "$ref")
    assert all(ref.removeprefix("#/definitions/") in schema["definitions"] for ref in refs)


def _values(value: Any, key: str) -> list[Any]:
    if isinstance(value, list):
        return [found for each in value for found in _values(each, key)]
    if not isinstance(value, dict):
        return []
    own = [value[key]] if isinstance(value.get(key), str) else []
    return own + [found for each in value.values() for found in _values(each, key)]


def test_files_that_are_right_pass() -> None:
    """A workflow with durations and expressions passes, and so does a toolkit."""
    for kind, text in (("workflow", WORKFLOW), ("toolkit", NOTES)):
        validator = jsonschema_rs.validator_for(json_schema(kind))  # type: ignore[arg-type]
        assert [e.message for e in validator.iter_errors(read_yaml(text, "f").data)] == []


@pytest.mark.parametrize(
    "change",
    [
        ("15m", "15"),
        ("agent: writer", "agnt: writer"),
        ("call: NOTES_CREATE", "call: X, agent: y"),
        ("id: a,", ""),
    ],
)
def test_files_that_are_wrong_do_not(change: tuple[str, str]) -> None:
    """A duration without a unit, an unknown key, both kinds of step and a missing key are seen by editors."""
    validator = jsonschema_rs.validator_for(json_schema("workflow"))
    assert not validator.is_valid(read_yaml(WORKFLOW.replace(*change), "f").data)


def test_an_agents_prompt_is_no_key() -> None:
    """The prompt is the text below the front matter, so the schema of the front matter has no such key."""
    assert "prompt" not in json_schema("agent")["properties"]


def test_defaults_of_durations_are_written_as_files_write_them() -> None:
    """A default of four hours is shown as `4h`, which the schema's own type accepts."""
    timeout = json_schema("workflow")["definitions"]["ApprovalRule"]["properties"]["timeout"]
    assert timeout["default"] == "4h"
    assert [in_words(s) for s in (0.0, 0.5, 30.0, 90.0, 900.0, 86400.0)] == [
        "0s",
        "0.5s",
        "30s",
        "90s",
        "15m",
        "1d",
    ]


def test_it_is_plain_json() -> None:
    """The schema can be written down as it is."""
    assert json.loads(json.dumps(json_schema("toolkit"))) == json_schema("toolkit")
