"""Files become models, and every problem in them is said in plain sentences."""

from __future__ import annotations

import pytest

from definable.errors import DefinitionError
from definable.spec.agent import Agent
from definable.spec.load import load, read
from definable.spec.source import read_yaml
from definable.spec.toolkit import Toolkit
from definable.spec.workflow import Workflow

STEPS = "steps: [{ id: a, agent: writer }]\n"
HEAD = f"name: w\ndescription: d\n{STEPS}"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("limits: { tokens: many }", "f:4:19: limits.tokens: a whole number is expected, not 'many'"),
        ("limits: { tokens: 2.5 }", "a whole number is expected, not 2.5"),
        ("limits: { tokens: no }", "a whole number is expected, not 'no'"),
        ("limits: { usd: 0 }", "limits.usd: more than 0 is expected, not 0"),
        ("limits: { calls: 0 }", "limits.calls: at least 1 is expected, not 0"),
        ("limits: { time: 15 }", "a duration is a number with a unit, such as 30s, 15m, 4h or 1d, not 15"),
        ("limits: 3", "f:4:9: limits: an object (keys and values) is expected, not 3"),
        ("outputs: [1]", "outputs: an object (keys and values) is expected, not a list"),
        ("approvals: [{ tools: [] }]", "approvals[0].tools: at least 1 entry is expected, not an empty list"),
        ("approvals: [{ tools: X_* }]", "approvals[0].tools: a list is expected, not 'X_*'; write [X_*]"),
        (
            "inputs: { x: { type: strin } }",
            "integer, number, boolean, array, object is expected, not 'strin'",
        ),
        ("inputs: { x: { type: strin } }", "did you mean 'string'?"),
        (
            "inputs: { x: { type: string, required: yes } }",
            "true or false is expected, not 'yes'; write true",
        ),
        (
            "inputs: { x: { type: string, defalt: 1 } }",
            "f:4:30: unknown key 'defalt'; did you mean 'default'?",
        ),
        ("inputs: { x: { default: 1 } }", "f:4:11: missing key 'type' in inputs.x"),
        (
            "zzz: 1",
            "f:4:1: unknown key 'zzz'; known: approvals, batch, concurrency, description, inputs, limits, "
            "name, outputs, steps, triggers",
        ),
        ("batch: { key: '' }", "f:4:15: batch.key: a text of at least 1 character is expected, not ''"),
    ],
)
def test_each_problem_says_what_is_expected_and_what_is_there(text: str, problem: str) -> None:
    """A wrong value or key is one problem at its place, with the value and what is expected."""
    with pytest.raises(DefinitionError) as caught:
        load(read_yaml(HEAD + text, "f"), Workflow)
    assert problem in str(caught.value)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        ("{ id: a, agent: x, promt: y }", "f:3:28: unknown key 'promt'; did you mean 'prompt'?"),
        ("{ id: a }", "f:3:9: steps[0]: a step has either an agent or a call"),
        ("{ id: a, agent: x, call: Y }", "f:3:9: steps[0]: a step has either an agent or a call"),
        ("{ id: a, call: Y, prompt: z }", "f:3:9: steps[0]: prompt does not go with 'call'"),
        (
            "{ id: A b, agent: x }",
            "small letters, digits and hyphens, starting with a letter is expected, not 'A b'",
        ),
        ("{ id: a, agent: x, when: true }", "steps[0].when: a text is expected, not true; put it in quotes"),
        (
            "{ id: a, agent: x, model: gpt }",
            "openai/MODEL, anthropic/MODEL or offline/MODEL is expected, not 'gpt'",
        ),
        ("{ id: a, agent: x, revisions: 11 }", "steps[0].revisions: at most 10 is expected, not 11"),
        ("{ agent: x }", "f:3:9: missing key 'id' in steps[0]"),
    ],
)
def test_problems_of_a_step_point_at_the_step(step: str, problem: str) -> None:
    """What is wrong in or with a step is reported in it."""
    with pytest.raises(DefinitionError) as caught:
        load(read_yaml(f"name: w\ndescription: d\nsteps: [{step}]", "f"), Workflow)
    assert str(caught.value).startswith("f:3:")
    assert problem in str(caught.value)


def test_all_problems_come_at_once_in_file_order() -> None:
    """Nothing is held back: every problem of a file, from top to bottom."""
    text = "name: W\nsteps:\n  - { id: a, agnt: x }\n  - 4\nlimits: { tokens: no, x: 1 }\n"
    with pytest.raises(DefinitionError) as caught:
        load(read_yaml(text, "f"), Workflow)
    assert [(p.line, p.column) for p in caught.value.problems] == [
        (1, 1),
        (1, 7),
        (3, 14),
        (4, 5),
        (5, 19),
        (5, 23),
    ]


def test_the_rest_is_kept_when_only_details_are_wrong() -> None:
    """Beside its problems, a file gives what is right in it, so that references can be checked as well."""
    workflow, problems = read(read_yaml(HEAD + "limits: { tokens: no, calls: 3, x: 1 }", "f"), Workflow)
    assert len(problems) == 2
    assert workflow is not None
    assert workflow.limits.calls == 3
    assert workflow.limits.tokens is None


def test_missing_keys_say_what_they_are_for() -> None:
    """A missing key is reported where it belongs, with its description."""
    with pytest.raises(DefinitionError) as caught:
        load(read_yaml("name: a\ndescription: b\nhands_in: Draft\n", "f"), Agent)
    assert str(caught.value) == "f:1:1: missing key 'model': provider/model"


def test_keys_that_must_be_numbers() -> None:
    """A status that is no number is reported at its key."""
    text = "toolkit: t\ntitle: t\nbase_url: { env: A, default: b }\ncredentials: [{ env: A }]\n"
    text += "statuses: { abc: x }\n"
    tool = "tools: { A: { title: a, description: b, operation: c, request: GET /, effect: read } }\n"
    assert load(read_yaml(text.replace("abc", "401") + tool, "f"), Toolkit).statuses == {401: "x"}
    with pytest.raises(DefinitionError, match="f:5:13: the key 'abc': input should be a valid integer"):
        load(read_yaml(text + tool, "f"), Toolkit)


def test_a_file_that_is_no_object() -> None:
    """A list, where keys and values are expected, is one problem at its start."""
    with pytest.raises(
        DefinitionError, match=r"f:1:1: an object \(keys and values\) is expected, not a list"
    ):
        load(read_yaml("- 1", "f"), Workflow)
