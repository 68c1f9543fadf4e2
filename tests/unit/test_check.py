"""Checking files against each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from definable.errors import DefinitionError, UsageError
from definable.workspace import check, checked, find
from definable.workspace.find import builtin
from tests.unit.folder import WRITER, workspace

INPUTS = "inputs: { days: { type: integer, default: 7 }, folder: { type: string } }"
GIVES = "in what writer (Draft) gives,"
KINDS = "noteKind: one of 'PLAIN', 'RICH' is expected, not 'RIHC'; did you mean 'RICH'?"
DAYS = "the input 'days' is of type integer"
FOLDER = "the input 'folder' is of type string"
INTERNAL = "the tool 'NOTES_ME' only serves to verify others and cannot be called"
CALL = '{ id: b, call: NOTES_CREATE, arguments: { folderId: "${{ inputs.folder }}" } }'


def found(root: Path, *steps: str, rest: str = "") -> list[str]:
    """Return the problems of a workflow of these steps, one a line from line 5 on, without its name."""
    lines = ["name: w", "description: d", INPUTS, "steps:", *(f"  - {step}" for step in steps), rest]
    space = workspace(root, {"workflows/w.yaml": "\n".join(lines) + "\n"})
    return [str(problem).removeprefix("workflows/w.yaml:") for problem in check(space, ["w"])]


def at(step: str, token: str, line: int = 5) -> str:
    """Return the place of the first `token` in a step that `found` writes into this line."""
    return f"{line}:{f'  - {step}'.index(token) + 1}: "


def test_what_is_right_has_no_problems(tmp_path: Path) -> None:
    """Agents, tools, paths and arguments that fit are not complained of, in any spelling."""
    prompt = "${{ inputs.days }} ${{ run.week }}"
    arguments = (
        'folder_id: n1, label: "W ${{ run.date }}", note_kind: RICH, '
        'contents: { plain_text: "${{ steps.a.output.markdown }}" }'
    )
    outputs = (
        'x: "${{ steps.b.output.extra.any.thing }}", y: "${{ steps.c.output.values[0].tags[*] }}", '
        'z: "${{ steps.b.output.body.text }}"'
    )
    problems = found(
        tmp_path,
        f'{{ id: a, agent: writer, tools: [NOTES_*], prompt: "{prompt}" }}',
        f"{{ id: b, call: NOTES_CREATE, ensure: [label], arguments: {{ {arguments} }} }}",
        "{ id: c, call: NOTES_LIST, arguments: { limit: '${{ inputs.days }}' }, when: steps.b.output.id }",
        rest=f"outputs: {{ {outputs} }}\napprovals: [{{ tools: [NOTES_C*] }}]",
    )
    assert problems == []


@pytest.mark.parametrize(
    ("step", "token", "problem"),
    [
        ("{ id: a, agent: writr }", "writr", "there is no agent 'writr'; did you mean 'writer'?"),
        ("{ id: a, call: NOTES_LIS }", "NOTES", "there is no tool 'NOTES_LIS'; did you mean 'NOTES_LIST'?"),
        ("{ id: a, call: OTHER }", "OTHER", "there is no tool 'OTHER'; `definable tools` lists them"),
        ("{ id: a, call: NOTES_ME }", "NOTES", INTERNAL),
        ("{ id: a, call: NOTES_* }", "NOTES", "a call names one tool, not a glob"),
        ("{ id: a, agent: writer, tools: [NOTES_X*] }", "NOTES", "no tool matches 'NOTES_X*'"),
        ("{ id: a, agent: writer, tools: [NOTES_LIST, NOTES_ME] }", "NOTES_ME", INTERNAL),
    ],
)
def test_agents_and_tools_that_do_not_exist(tmp_path: Path, step: str, token: str, problem: str) -> None:
    """An unknown agent or tool, a glob that matches nothing and an internal tool are found in place."""
    assert found(tmp_path, step) == [at(step, token) + problem]


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("input.days", "there is no 'input' here; did you mean 'inputs'?"),
        ("inputs.day", "there is no input 'day'; did you mean 'days'?"),
        ("inputs.days.x", "the input 'days' is of type integer and has no 'x'"),
        ("run.dat", "run has no 'dat'; did you mean 'date'?"),
        ("steps", "name a step: steps.ID.output"),
        ("steps.zz.output", "there is no step 'zz'; known: a, b, c"),
        ("steps.b.output", "the step 'b' refers to its own output (cyclic)"),
        ("steps.c.output", "the step 'c' comes later; a step can use only those before it"),
        ("steps.a.outptu", "a step gives steps.a.output, and a call steps.a.link too"),
        (
            "steps.a.output.markdwn",
            f"{GIVES} there is no 'markdwn'; did you mean 'markdown'?",
        ),
        ("steps.a.output.markdown.x", f"{GIVES} markdown is string and has no 'x'"),
    ],
)
def test_paths_that_lead_nowhere(tmp_path: Path, path: str, problem: str) -> None:
    """A path to an unknown, later or own step, input or field is found in prompts and in `when`."""
    first, last = "{ id: a, agent: writer }", "{ id: c, agent: writer }"
    for text in (f"prompt: 'x ${{{{ {path} }}}}'", f"when: '{path} == 1'"):
        step = f"{{ id: b, agent: writer, {text} }}"
        expected = f"{at(step, chr(39), 6)}${{{{ {path} }}}}: {problem}"
        assert found(tmp_path, first, step, last) == [expected]


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("a.output.value", "there is no 'value'; did you mean 'values'?"),
        ("a.output.values.id", "values is a list; go on with [0] or [*], not 'id'"),
        ("a.output.values[*].titel", "there is no 'titel' in values[*]; did you mean 'title'?"),
        ("a.output.values[0].tags[0].x", "values[0].tags[0] is string and has no 'x'"),
        ("a.output.values[0].body.txt", "there is no 'txt' in values[0].body; did you mean 'text'?"),
        ("a.output[*]", "it is an object, not a list"),
    ],
)
def test_fields_that_a_tool_does_not_give(tmp_path: Path, path: str, problem: str) -> None:
    """Outputs of calls are followed through the tool's response: lists, references, unions and null."""
    rest = f"outputs: {{ x: '${{{{ steps.{path} }}}}' }}"
    expected = f"6:15: ${{{{ steps.{path} }}}}: in what NOTES_LIST gives, {problem}"
    assert found(tmp_path, "{ id: a, call: NOTES_LIST }", rest=rest) == [expected]


@pytest.mark.parametrize(
    ("arguments", "token", "problem"),
    [
        ("folderId: n1, lable: x", "lable", "unknown argument 'lable'; did you mean 'label'?"),
        ("folderId: n1, note_knd: x", "note_knd", "unknown argument 'note_knd'; did you mean 'note_kind'?"),
        ("label: x", "{ label", "missing argument 'folderId': Folder that gets it"),
        ("folderId: 3", "3", "folderId: a text is expected, not 3"),
        ("folderId: =x", "=x", "folderId: '=x' is no note-id. An id looks like n12."),
        ("folderId: n1, note_kind: RIHC", "RIHC", KINDS),
        ("folderId: '${{ inputs.days }}'", "'${{", f"folderId: a text is expected, but {DAYS}"),
        (
            "folderId: n1, count: '${{ inputs.folder }}'",
            "'${{",
            f"count: a whole number is expected, but {FOLDER}",
        ),
        (
            "folderId: n1, count: 'x ${{ run.id }}'",
            "'x",
            "count: a whole number is expected, not 'x ${{ run.id",
        ),
        ("folderId: n1, folder_id: n2", "folder_id", "'folder_id' and 'folderId' are one argument; keep one"),
        ("folderId: n1, label: '${{ run.id }}', count: 1", "{ folderId", "give label or count"),
        (
            "folderId: n1, contents: { plain_txt: x }",
            "plain_txt",
            "contents: unknown key 'plain_txt'; did you mean",
        ),
        ("folderId: n1, contents: =", "=", "contents: an object is expected, not '='"),
        (
            "folderId: n1, contents: { richText: { bold: 9 } }",
            "9",
            "contents.richText.bold: true or false is",
        ),
    ],
)
def test_arguments_that_do_not_fit(tmp_path: Path, arguments: str, token: str, problem: str) -> None:
    """Arguments are checked by the tool's schemas as far as they are known, in both spellings."""
    step = f"{{ id: a, call: NOTES_CREATE, arguments: {{ {arguments} }} }}"
    problems = found(tmp_path, step)
    place = at(step, "arguments" if token.startswith("{") else token)
    assert any(each.startswith(f"{place}NOTES_CREATE: {problem}") for each in problems), problems


def test_what_only_a_run_knows_is_not_complained_of(tmp_path: Path) -> None:
    """Values from other steps may turn out to be anything, so nothing is said of them."""
    step = (
        "{ id: b, call: NOTES_CREATE, "
        "arguments: { folderId: '${{ steps.a.output.x }}', count: '${{ steps.a.output.n }}',"
        " contents: { richText: '${{ steps.a.output.t }}' }, noteKind: '${{ inputs.folder }}' } }"
    )
    agent = WRITER.replace("name: writer", "name: open").replace("hands_in: Draft", "hands_in: Nothing")
    lines = f"name: w\ndescription: d\n{INPUTS}\nsteps:\n  - {{ id: a, agent: open }}\n  - {step}\n"
    space = workspace(tmp_path, {"workflows/w.yaml": lines, "agents/open.md": agent})
    assert check(space, ["w"]) == []


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        (
            "{ id: a, call: NOTES_LIST, ensure: [limit], arguments: { limit: 1 } }",
            "NOTES_LIST has no way to ensure that something exists once",
        ),
        (
            "{ id: a, call: NOTES_CREATE, ensure: [labl], arguments: { folderId: n1, label: x } }",
            "NOTES_CREATE cannot be ensured by 'labl'; did you mean 'label'?",
        ),
        (
            "{ id: a, call: NOTES_CREATE, ensure: [label], arguments: { folderId: n1 } }",
            "NOTES_CREATE: ensure names 'label', which has no value here",
        ),
    ],
)
def test_ensure_needs_a_recipe_and_a_value(tmp_path: Path, step: str, problem: str) -> None:
    """`ensure` names arguments that the tool can look for, and that have a value."""
    marked = step.replace("[l", "[@")
    assert found(tmp_path, step) == [at(marked, "@") + problem]


def test_conditions_and_templates_that_cannot_be_read(tmp_path: Path) -> None:
    """A broken `when`, an open `${{` and what is no path are found with the value."""
    problems = found(
        tmp_path,
        "{ id: a, agent: writer, when: 'run.id ==' }",
        "{ id: b, agent: writer, prompt: '${{ run.id' }",
        "{ id: c, agent: writer, prompt: '${{ 1 + 1 }}' }",
    )
    assert problems == [
        "5:35: 'run.id ==': it ends where a value was expected",
        "6:37: '${{' without '}}' in '${{ run.id'",
        "7:37: '1 + 1' is not a path",
    ]


def test_everything_is_said_at_once(tmp_path: Path) -> None:
    """Wrong keys, references, inputs, repeated steps and approvals come together, in file order."""
    problems = found(
        tmp_path,
        "{ id: a, agent: writr, promt: x }",
        CALL.replace("id: b", "id: a"),
        rest="approvals: [{ tools: [X_*] }]\nlimits: { calls: no }",
    )
    assert [each.partition(": ")[2] for each in problems] == [
        "there is no agent 'writr'; did you mean 'writer'?",
        "unknown key 'promt'; did you mean 'prompt'?",
        "the step 'a' is there already, on line 5",
        "no tool matches 'X_*'",
        "limits.calls: a whole number is expected, not 'no'",
    ]


def test_all_files_of_a_workspace_are_checked(tmp_path: Path) -> None:
    """Without files named, every agent, toolkit and workflow is checked, the unreadable ones too."""
    space = workspace(
        tmp_path,
        {
            "agents/poet.md": WRITER.replace("name: writer", "name: poet").replace(
                "NOTES_LIST", "NOTES_LOST"
            ),
            "agents/mute.md": WRITER.replace("name: writer", "name: mute").replace("You write.", ""),
            "workflows/a.yaml": "{",
            "workflows/b.yaml": "name: c\ndescription: d\nsteps: [{ id: a, agent: writer }]\n",
        },
    )
    assert [str(p).partition(" ")[0] + " " + p.message[:35] for p in check(space)] == [
        "agents/mute.md:9:1: the prompt is missing: the text bel",
        "agents/poet.md:6:9: there is no tool 'NOTES_LOST'; did ",
        "workflows/a.yaml:2:1: this is not YAML: did not find expe",
        "workflows/b.yaml:1:7: name: 'c' stands in a file named 'b",
    ]


def test_single_files_can_be_named(tmp_path: Path) -> None:
    """Agents and toolkits are checked by their paths; files of another workspace are refused."""
    (tmp_path / "other" / "tools").mkdir(parents=True)
    (tmp_path / "other" / "tools" / "x.yaml").write_text("toolkit: x\n")
    mute = WRITER.replace("You write.", "")
    space = workspace(tmp_path / "mine", {"agents/writer.md": mute, "tools/memo/a.yaml": "title: 3\n"})
    assert [p.file for p in check(space, ["agents/writer.md"])] == ["agents/writer.md"]
    assert {p.file for p in check(space, ["tools/memo"])} == {"tools/memo/a.yaml"}
    assert {p.file for p in check(space, [Path("tools/memo/a.yaml")])} == {"tools/memo/a.yaml"}
    with pytest.raises(
        UsageError, match=r"'\.\./other/tools/x\.yaml' is no agent or toolkit of the workspace"
    ):
        check(space, ["../other/tools/x.yaml"])
    with pytest.raises(UsageError, match="there is no workflow 'nope'"):
        check(space, ["nope"])


def test_a_workflow_is_run_only_when_what_it_uses_is_right(tmp_path: Path) -> None:
    """`checked` gives a workflow whose agents and tools are right, whatever else is wrong."""
    text = "name: w\ndescription: d\nsteps: [{ id: a, agent: writer }]\n"
    space = workspace(
        tmp_path, {"workflows/w.yaml": text, "workflows/broken.yaml": "{", "agents/broken.md": ""}
    )
    assert checked(space, "w").name == "w"
    space = workspace(tmp_path, {"agents/writer.md": WRITER.replace("hands_in: Draft", "hands_in: Draf")})
    with pytest.raises(DefinitionError, match=r"agents/writer\.md:5:11: hands_in: one of Findings, Draft"):
        checked(space, "w")


def test_a_broken_toolkit_makes_no_false_alarms(tmp_path: Path) -> None:
    """While a toolkit cannot be read, its tools are not called unknown: only its own problems are said."""
    text = f"name: w\ndescription: d\n{INPUTS}\nsteps: [{CALL}]\n"
    space = workspace(tmp_path, {"workflows/w.yaml": text, "tools/notes.yaml": "toolkit: notes\n"})
    assert {p.file for p in check(space)} == {"tools/notes.yaml"}


def test_what_ships_is_right(tmp_path: Path) -> None:
    """The built-in agents, toolkits and workflows have no problem."""
    assert list(map(str, check(find(tmp_path, {})))) == []
    assert find(Path(str(builtin())), {}).workflows()
