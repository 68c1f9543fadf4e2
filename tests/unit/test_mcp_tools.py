"""What is offered over MCP, and a question to a person as a form."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import jsonschema

from definable.calls import Ask
from definable.service.answers import form, question
from definable.service.mcp_tools import hints, offered
from definable.service.report import sound
from definable.spec.model import Effect
from definable.workspace import checked, find


def test_every_tool_has_schemas_that_are_some(tmp_path: Path) -> None:
    """Each input and output schema is valid JSON Schema, and refers to nothing that is not there."""
    workspace = find(tmp_path, {})
    flows = [checked(workspace, name) for name in sorted(workspace.workflows())]
    tools = offered(workspace, flows)
    assert len({tool.name for tool in tools}) == len(tools) > 30
    for tool in tools:
        jsonschema.Draft202012Validator.check_schema(tool.input_schema)
        jsonschema.Draft202012Validator.check_schema(tool.output_schema or {})
        wrong = jsonschema.Draft202012Validator(tool.input_schema).iter_errors({"no such argument": 1})
        assert "additionalProperties" in {each.validator for each in wrong}
        assert "null" not in tool.input_schema["properties"]


def test_hints_never_promise_more_than_the_worst_that_may_happen() -> None:
    """With one more effect a call is never said to be safer."""
    for few in combinations(Effect, 2):
        for more in Effect:
            before, after = hints("", few), hints("", [*few, more])
            assert before.read_only_hint or not after.read_only_hint
            assert before.idempotent_hint or not after.idempotent_hint
            assert after.destructive_hint or not before.destructive_hint
    assert hints("", [Effect.READ]).read_only_hint
    assert not hints("", [Effect.CREATE]).idempotent_hint


def test_a_form_asks_for_what_the_question_leaves_open() -> None:
    """Candidates can be chosen, another one made where that is a choice; a flat form has no objects."""
    plain = Ask(reason="approval", question="May it?", tool="T", arguments={"a": 1}, arguments_hash="h")
    lost = plain.model_copy(update={"candidates": ({"id": "c1"},), "again": "makes another"})
    assert set(form(plain, flat=True)["properties"]) == {"approve", "reason"}
    assert set(form(plain, editable=True)["properties"]) >= {"arguments", "arguments_hash"}
    assert form(lost, flat=True)["properties"]["adopt"]["enum"] == ["c1"]
    assert "again" in form(lost, flat=True)["properties"]
    assert question(plain) == 'May it?\nT {"a": 1}'
    assert "candidate c1" in question(lost)


def test_half_a_character_breaks_no_answer() -> None:
    """A broken response may have one; no protocol takes it."""
    assert sound({"a": "x\ud800"}) == {"a": "x?"}
