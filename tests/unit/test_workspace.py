"""Finding the workspace and reading its files."""

from __future__ import annotations

from pathlib import Path

import pytest

from definable.errors import DefinitionError, UsageError
from definable.workspace import Workspace, find
from definable.workspace.find import builtin
from tests.unit.folder import NOTES, WRITER, workspace

HELLO = "name: hello\ndescription: d\nsteps: [{ id: a, agent: writer }]\n"


def test_the_nearest_folder_upwards_is_the_workspace(tmp_path: Path) -> None:
    """The nearest folder upwards with workflows/ or .definable/ is found, else the start itself."""
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert find(inner, {}).root == inner
    (tmp_path / "workflows").mkdir()
    assert find(inner, {}).root == tmp_path
    (tmp_path / "a" / ".definable").mkdir()
    assert find(inner, {}).root == tmp_path / "a"
    assert find(inner, {}).home == tmp_path / "a" / ".definable"


def test_a_named_workspace_wins_and_must_exist(tmp_path: Path) -> None:
    """A flag wins over DEFINABLE_WORKSPACE, which wins over the search; both must be folders."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    environ = {"DEFINABLE_WORKSPACE": "one", "DEFINABLE_HOME": "state"}
    assert find(tmp_path, environ).root == tmp_path / "one"
    assert find(tmp_path, environ).home == tmp_path / "state"
    assert find(tmp_path, environ, Path("two")).root == tmp_path / "two"
    with pytest.raises(UsageError, match="the workspace 'three' does not exist"):
        find(tmp_path, {}, Path("three"))
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="DEFINABLE_WORKSPACE: the workspace 'file' is a file, not a folder"):
        find(tmp_path, {"DEFINABLE_WORKSPACE": "file"})


def test_an_empty_workspace_has_what_is_built_in(tmp_path: Path) -> None:
    """In an empty folder the built-in agents, tools and workflows are there."""
    found = find(tmp_path, {})
    assert set(found.agents()) >= {"researcher", "writer", "designer", "engineer"}
    assert found.toolkit_of("HEX_RUN_PROJECT").toolkit == "hex"
    assert found.workflow("weekly-brief").name == "weekly-brief"


def test_the_users_files_win_by_name(tmp_path: Path) -> None:
    """An agent of the user's takes the place of the built-in one; the others stay."""
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "writer.md").write_text(WRITER)
    agents = find(tmp_path, {}).agents()
    assert agents["writer"].description == "Writes."
    assert "researcher" in agents


def test_the_checkout_is_not_read_twice() -> None:
    """Inside the checkout, the built-in workspace and the user's are the same folder."""
    root = Path(str(builtin()))
    assert set(find(root, {}).workflows()) == set(Workspace(root, root, root, root / "nothing").workflows())


def test_only_what_is_asked_for_is_read(tmp_path: Path) -> None:
    """A broken workflow, agent or README beside does not disturb the one that is run."""
    space = workspace(
        tmp_path,
        {
            "workflows/hello.yaml": HELLO,
            "workflows/broken.yaml": "{",
            "agents/broken.md": "",
            "agents/README.md": "no front matter",
            "tools/README.md": "x",
            "workflows/.hidden.yaml": "{",
        },
    )
    assert space.workflow("hello").name == "hello"
    assert space.agent("writer").name == "writer"
    assert set(space.workflows()) == {"hello", "broken"}
    with pytest.raises(
        DefinitionError, match=r"agents/broken\.md:1:1: the file must start with front matter"
    ):
        space.agents()


def test_unknown_names_suggest_the_nearest(tmp_path: Path) -> None:
    """What does not exist is refused with the nearest name, or with what there is."""
    space = workspace(tmp_path, {"workflows/hello.yaml": HELLO})
    with pytest.raises(UsageError, match=r"there is no workflow 'helo'; did you mean 'hello'\?"):
        space.workflow("helo")
    with pytest.raises(UsageError, match="there is no workflow 'zzz'; known: hello"):
        space.workflow("zzz")
    with pytest.raises(UsageError, match=r"the workflow file 'x\.yaml' does not exist"):
        space.workflow("x.yaml")
    with pytest.raises(UsageError, match=r"the workflow file '\./workflows' is a folder"):
        space.workflow("./workflows")
    with pytest.raises(UsageError, match=r"there is no agent 'writr'; did you mean 'writer'\?"):
        space.agent("writr")
    with pytest.raises(UsageError, match=r"there is no tool 'NOTES_LIS'; did you mean 'NOTES_LIST'\?"):
        space.toolkit_of("NOTES_LIS")


def test_a_workflow_is_found_by_its_path(tmp_path: Path) -> None:
    """A path works as well as a name, also outside of the workspace, under any file name."""
    space = workspace(tmp_path, {"elsewhere/My File.yml": HELLO})
    assert space.workflow("elsewhere/My File.yml").name == "hello"


def test_a_name_must_be_its_files_name(tmp_path: Path) -> None:
    """A workflow, agent or toolkit whose name is not its file's is refused."""
    space = workspace(
        tmp_path, {"workflows/other.yaml": HELLO, "agents/poet.md": WRITER, "tools/memo.yaml": NOTES}
    )
    with pytest.raises(DefinitionError) as caught:
        space.workflow("other")
    assert str(caught.value) == (
        "workflows/other.yaml:1:7: name: 'hello' stands in a file named 'other'; make them the same"
    )
    with pytest.raises(DefinitionError, match="name: 'writer' stands in a file named 'poet'"):
        space.agent("poet")
    with pytest.raises(DefinitionError, match="toolkit: 'notes' stands in a file named 'memo'"):
        space.tools()


def test_two_files_of_one_name(tmp_path: Path) -> None:
    """`x.yaml` beside `x.yml`, or beside a folder `x` of tools, is refused."""
    space = workspace(tmp_path, {"workflows/hello.yaml": HELLO, "workflows/hello.yml": HELLO})
    with pytest.raises(DefinitionError, match=r"'hello\.yaml' beside it has the same name; keep one"):
        space.workflow("hello")
    space = workspace(tmp_path, {"tools/notes/more.yaml": "tools: {}"})
    with pytest.raises(DefinitionError, match=r"'notes\.yaml' beside it is the same toolkit; keep one"):
        space.tools()


def test_a_toolkit_in_several_files_is_one(tmp_path: Path) -> None:
    """The files of a folder are joined: tools, shapes and quotas of all, everything else from one."""
    head, tools = NOTES.split("shapes:\n")
    space = workspace(
        tmp_path,
        {
            "tools/pad/a.yaml": head.replace("toolkit: notes", "toolkit: pad"),
            "tools/pad/b.yaml": "shapes:\n" + tools.replace("NOTES_", "PAD_"),
            "tools/pad/c.yaml": "quotas: { group: [{ limit: 1, window: 1s }] }\n",
        },
    )
    toolkit = space.toolkit_of("PAD_CREATE")
    assert set(toolkit.quotas) == {"user", "group"}
    assert set(space.tools()) >= {"PAD_LIST", "PAD_ME", "NOTES_LIST"}


def test_a_key_set_in_two_files_of_a_toolkit(tmp_path: Path) -> None:
    """A key or a tool that two files of a toolkit set is a problem that names both places."""
    space = workspace(
        tmp_path,
        {
            "tools/pad/a.yaml": NOTES,
            "tools/pad/b.yaml": "title: x\ntools:\n  NOTES_ME: {}\n",
            "tools/pad/c.yaml": "- 1\n",
        },
    )
    with pytest.raises(DefinitionError) as caught:
        space.read_toolkit("pad")
    a = "tools/pad/a.yaml"
    assert [str(p) for p in caught.value.problems] == [
        f"tools/pad/b.yaml:1:1: 'title' is set twice, first in {a}:2",
        f"tools/pad/b.yaml:3:3: 'tools.NOTES_ME' is set twice, first in {a}:28",
        "tools/pad/c.yaml:1:1: an object (keys and values) is expected",
    ]


def test_places_in_a_joined_toolkit_name_their_own_file(tmp_path: Path) -> None:
    """A problem in one of a toolkit's files is reported with that file's name."""
    space = workspace(
        tmp_path,
        {
            "tools/pad/a.yaml": NOTES.replace("toolkit: notes", "toolkit: pad"),
            "tools/pad/b.yaml": "quotas: { x: 1 }\n",
        },
    )
    with pytest.raises(DefinitionError) as caught:
        space.toolkits()
    assert [str(p) for p in caught.value.problems] == [
        "tools/pad/b.yaml:1:14: quotas.x: a list is expected, not 1"
    ]


def test_a_file_where_a_folder_is_expected(tmp_path: Path) -> None:
    """A file named `workflows` is said to be a file."""
    (tmp_path / "workflows").write_text("x")
    with pytest.raises(DefinitionError, match="this is a file; a folder is expected"):
        Workspace(tmp_path, tmp_path, tmp_path, tmp_path / "nothing").workflows()


def test_one_tool_in_two_toolkits(tmp_path: Path) -> None:
    """A tool that two toolkits have is refused, because calls name tools only."""
    space = workspace(tmp_path, {"tools/memo.yaml": NOTES.replace("toolkit: notes", "toolkit: memo")})
    with pytest.raises(DefinitionError, match="the tool 'NOTES_LIST' is in 'memo' as well"):
        space.tools()


def test_a_link_that_leads_nowhere_and_a_folder_that_is_named_like_a_file(tmp_path: Path) -> None:
    """What has the name of a workflow's file and is none is a problem, not passed over."""
    (tmp_path / "workflows").mkdir()
    (tmp_path / "workflows" / "gone.yaml").symlink_to("nowhere.yaml")
    with pytest.raises(DefinitionError, match=r"gone\.yaml:1:1: this is a link that leads nowhere"):
        find(tmp_path, {}).workflows()
    (tmp_path / "workflows" / "gone.yaml").unlink()
    (tmp_path / "workflows" / "odd.yaml").mkdir()
    with pytest.raises(DefinitionError, match=r"odd\.yaml:1:1: this is a folder; a file is expected"):
        find(tmp_path, {}).workflows()


def test_a_folder_is_no_workflow(tmp_path: Path) -> None:
    """A folder that was named as a workflow is said to be one."""
    (tmp_path / "workflows").mkdir()
    with pytest.raises(UsageError, match="the workflow file 'workflows' is a folder"):
        find(tmp_path, {}).workflow("workflows")


def test_a_workspace_is_read_again_when_a_file_of_it_has_changed(tmp_path: Path) -> None:
    """Changed, added or repaired: what comes next has it, and who works with the old one keeps that."""
    before = workspace(tmp_path)
    assert before.agent("writer").prompt == "You write."
    assert before.toolkit_of("NOTES_LIST").title == "Notes"
    assert before.current() is before
    (tmp_path / "agents" / "writer.md").write_text(WRITER.replace("You write.", "You write well."))
    after = before.current()
    assert after.agent("writer").prompt == "You write well."
    assert before.agent("writer").prompt == "You write."
    assert after.current() is after
    (tmp_path / "agents" / "other.md").write_text(WRITER.replace("name: writer", "name: other"))
    assert set(after.current().agents()) == {"writer", "other"}


def test_a_file_that_is_being_written_changes_nothing_until_it_is_right(tmp_path: Path) -> None:
    """Runs begin as if it had not changed, and nobody reads it again and again meanwhile."""
    before = workspace(tmp_path)
    assert before.agents()
    file = tmp_path / "tools" / "notes.yaml"
    before.tools()
    file.write_text(NOTES[: len(NOTES) // 2] + "\n  - {")
    assert before.current() is before
    assert before.current() is before
    file.write_text(NOTES.replace("title: Notes", "title: Better notes"))
    assert before.current().toolkit_of("NOTES_LIST").title == "Better notes"
