"""The command line's frame: exit codes, suggestions, errors for people, in this process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from definable.cli import app, main
from definable.errors import DefinitionError, Problem, UpstreamError

PROJECT = "85451515-12ab-55f4-85f5-d73048b59eae"


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Keep the tests away from the user's own environment."""
    for name in ("DEFINABLE_LOG", "DEFINABLE_HOME", "DEFINABLE_WORKSPACE", "HEX_API_TOKEN", "HEX_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let every command raise `error`."""

    def fail() -> None:
        raise error

    command = click.Command("x", callback=fail)
    monkeypatch.setattr(app.Root, "get_command", lambda self, ctx, name: command)


@pytest.mark.parametrize(
    ("arguments", "message", "help"),
    [
        (["rnus"], "error: there is no command 'rnus'; did you mean 'runs'?", "definable --help"),
        (
            ["runs", "sohw"],
            "error: there is no command 'sohw'; did you mean 'show'?",
            "definable runs --help",
        ),
        (
            ["check", "--jsn"],
            "error: No such option '--jsn'. Did you mean '--json'?",
            "definable check --help",
        ),
        (["run", "h\udcff"], "error: the argument 'h\\udcff' is not UTF-8", "type it in a UTF-8 terminal"),
        (["run"], "error: Missing argument 'WORKFLOW'.", "definable run --help"),
        (
            ["batch", "context-pull", "/dev/null", "--sandbox"],
            "error: items from '/dev/null' need a --name",
            "by it",
        ),
        (["run", "hello", "--key", ""], "error: --key is empty: it names no run", "is the variable set"),
        (
            ["batch", "hello", "i.jsonl", "--limit-usd", "nan"],
            "error: Invalid value for '--limit-usd': 'nan' is not a valid number.",
            "definable batch --help",
        ),
        (["schema", "x"], "error: Invalid value for '{workflow|agent|toolkit}': 'x' is not one of", "schema"),
    ],
)
def test_wrong_use_is_exit_2_and_says_what_was_meant(
    arguments: list[str], message: str, help: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unknown command or option suggests the nearest one, on stderr, and points to the right help."""
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(message)
    assert help in err.splitlines()[-1]


def test_an_error_of_ours_is_one_message_and_a_hint(
    stand_in: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A DefinableError ends with its exit code, its message and its hint, and no traceback."""
    raising(stand_in, UpstreamError("Hex at 'http://x' does not answer", hint="is HEX_BASE_URL right?"))
    assert main(["check"]) == 5
    expected = "error: Hex at 'http://x' does not answer\n  is HEX_BASE_URL right?\n"
    assert capsys.readouterr().err == expected


def test_every_problem_of_a_definition_is_a_line(
    stand_in: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong definition lists all its problems as file:line:col, and counts them."""
    raising(stand_in, DefinitionError([Problem("w.yaml", 3, 5, "unknown key 'stesp'")]))
    assert main(["check"]) == 2
    err = capsys.readouterr().err
    assert err == "w.yaml:3:5: unknown key 'stesp'\nerror: 1 problem in what was read; nothing was run\n"


def test_an_unexpected_error_is_one_line_unless_the_traceback_is_wanted(
    stand_in: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A defect shows no traceback but says how to get it, and DEFINABLE_LOG=debug shows it."""
    raising(stand_in, RuntimeError("odd\nmore"))
    assert main(["check"]) == 1
    first = capsys.readouterr().err
    assert first.startswith("error: unexpected RuntimeError: odd\n")
    assert "DEFINABLE_LOG=debug" in first
    stand_in.setenv("DEFINABLE_LOG", "debug")
    assert main(["check"]) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["runs"]])
def test_a_group_alone_shows_what_there_is(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """No command at all is wrong use, answered with the help and not called an error."""
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith("Usage: definable")


def test_a_current_folder_that_is_gone_is_said(
    stand_in: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command in a folder that was deleted under it says so."""
    (tmp_path / "gone").mkdir()
    stand_in.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert main(["check"]) == 2
    assert capsys.readouterr().err.startswith("error: the current folder does not exist any more\n")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("DEFINABLE_HOM", "x", "error: the environment sets DEFINABLE_HOM, which means nothing"),
        ("DEFINABLE_LOG", "loud", "error: DEFINABLE_LOG='loud' is not a level"),
        ("DEFINABLE_HOME", "~nobody-of-that-name/x", "error: DEFINABLE_HOME='~nobody-of-that-name/x' has a"),
    ],
)
def test_every_command_refuses_settings_that_mean_nothing(
    stand_in: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
    value: str,
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A variable of ours with a typing mistake is named before anything is done."""
    stand_in.setenv(name, value)
    stand_in.chdir(tmp_path)
    assert main(["runs", "list"]) == 2
    assert capsys.readouterr().err.startswith(message)


def test_half_a_character_is_refused_before_anything_is_sent(
    stand_in: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """JSON can hold a lone surrogate, which no text can: wrong use, and it is said in which argument."""
    stand_in.setenv("DEFINABLE_HOME", str(tmp_path))
    files = r'files=[{"filePath": "a.md", "contents": "\ud800"}]'
    assert main(["tools", "call", "HEX_UPSERT_GUIDE_DRAFT", "--sandbox", "-i", files]) == 2
    assert "HEX_UPSERT_GUIDE_DRAFT: files: a text has half a character" in capsys.readouterr().err


def test_ctrl_c_is_exit_130(stand_in: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """An interrupted command says so in one word and ends with 130."""
    raising(stand_in, KeyboardInterrupt())
    assert main(["check"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_help_is_quick_because_it_imports_little() -> None:
    """`definable --help` loads none of the heavy libraries."""
    code = (
        "import sys; from definable.cli import main; main(['--help']); print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"pydantic", "langgraph", "openai", "anthropic", "httpx", "httpx2", "rich", "yaml", "starlette"}
    assert heavy & set(done.stderr.split()) == set()
    assert "Commands:" in done.stdout


def test_init_makes_a_workspace_that_checks(
    stand_in: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A new workspace has no problems, and its example is pointed at a schema that is there."""
    folder = tmp_path / "new"
    assert main(["init", str(folder)]) == 0
    assert "next:" in capsys.readouterr().err
    assert main(["--workspace", str(folder), "check", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    first = (folder / "workflows/hello.yaml").read_text().splitlines()[0]
    schema = folder / "workflows" / first.partition("$schema=")[2]
    assert json.loads(schema.read_text())["$schema"].startswith("http://json-schema.org/draft-07")


def test_init_overwrites_nothing(
    stand_in: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder with a file of the same name is refused, named, and left as it was."""
    (tmp_path / "workflows").mkdir()
    mine = tmp_path / "workflows" / "hello.yaml"
    mine.write_text("mine")
    assert main(["init", str(tmp_path)]) == 2
    assert "has workflows/hello.yaml already; nothing was written" in capsys.readouterr().err
    assert mine.read_text() == "mine"
    assert not (tmp_path / "agents").exists()


def test_init_under_a_file_is_refused(
    stand_in: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A place where no folder can be made is an error for people."""
    (tmp_path / "f").write_text("")
    assert main(["init", str(tmp_path / "f" / "x")]) == 2
    assert "cannot make a workspace in" in capsys.readouterr().err


def test_a_workspace_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """--workspace with a folder that does not exist is exit 2."""
    assert main(["--workspace", "/no/such", "check"]) == 2
    assert "the workspace '/no/such' does not exist" in capsys.readouterr().err


def test_tools_lists_shows_and_suggests(
    stand_in: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`tools` lists 31 tools, `tools SLUG` shows one with its arguments, a wrong slug suggests one."""
    stand_in.chdir(tmp_path)
    assert main(["tools", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert len(listed) == 31
    assert {"slug", "title", "effect", "asks"} <= set(listed[0])
    assert main(["tools", "hex_get_cell"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("HEX_GET_CELL: ")
    assert "* cellId" in shown
    assert main(["tools", "HEX_GET_CELL", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["arguments"]["required"] == ["cellId"]
    assert main(["tools", "HEX_GET_CEL"]) == 2
    assert "there is no tool 'HEX_GET_CEL'; did you mean 'HEX_GET_CELL'?" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["workflow", "agent", "toolkit"])
def test_schema_prints_a_json_schema(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each kind of file has a JSON Schema for editors."""
    assert main(["schema", kind]) == 0
    assert json.loads(capsys.readouterr().out)["type"] == "object"


def test_graph_prints_mermaid(
    stand_in: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A workflow's graph names its agents and the three nodes every workflow has."""
    stand_in.chdir(tmp_path)
    assert main(["graph", "weekly-brief"]) == 0
    drawn = capsys.readouterr().out
    for node in ("researcher", "writer", "distributor", "verifier", "approval"):
        assert node in drawn


def test_without_a_key_nothing_is_started(
    stand_in: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run or a call that needs a key which is not set is exit 5, and leaves no run behind."""
    stand_in.chdir(tmp_path)
    assert main(["run", "weekly-brief", "-i", "project=x"]) == 5
    assert "there is no key for Hex" in capsys.readouterr().err
    assert main(["tools", "call", "HEX_LIST_PROJECTS"]) == 5
    assert "add --sandbox" in capsys.readouterr().err
    assert main(["runs", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_a_dry_run_names_the_calls_and_makes_none(
    stand_in: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """--dry needs no key, says which calls would be made with which arguments, and leaves no run."""
    stand_in.chdir(tmp_path)
    assert (
        main(["run", "weekly-brief", "--dry", "-i", "project=00000000-0000-4000-8000-000000000001", "--json"])
        == 0
    )
    steps = json.loads(capsys.readouterr().out)["steps"]
    assert steps[-1]["tool"] == "HEX_CREATE_CELL"
    assert steps[-1]["arguments"]["projectId"] == "00000000-0000-4000-8000-000000000001"


def test_inputs_come_from_a_file_and_single_ones_win(
    stand_in: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """-i goes over --inputs, and both are read by the declared types."""
    stand_in.chdir(tmp_path)
    (tmp_path / "in.json").write_text('{"project": "00000000-0000-4000-8000-000000000001", "days": 3}')
    assert main(["run", "weekly-brief", "--dry", "--inputs", "in.json", "-i", "days=5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["inputs"]["days"] == 5
    assert main(["run", "weekly-brief", "--dry", "--inputs", "in.json", "-i", "days=x"]) == 2
    assert "days: a whole number is expected, not 'x'" in capsys.readouterr().err


def test_the_faults_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """`sandbox --faults help` says what the sandbox can do wrong."""
    assert main(["sandbox", "--faults", "help"]) == 0
    assert "lost_answer" in capsys.readouterr().out


def test_doctor_names_keys_and_never_shows_them(
    stand_in: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The doctor says which keys are set, by name."""
    stand_in.chdir(tmp_path)
    stand_in.setenv("HEX_API_TOKEN", "hxtp_canary")
    assert main(["doctor"]) == 0
    told = "".join(capsys.readouterr())
    assert "HEX_API_TOKEN set" in told
    assert "canary" not in told
