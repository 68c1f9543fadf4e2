"""What the documents say is true: examples check, links lead somewhere, tables match the command line."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from definable.cli.app import Root
from definable.sandbox.faults import Faults
from definable.settings import Settings
from definable.workspace import check, find

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CHANGELOG.md")]
PAGES += sorted((ROOT / "docs").rglob("*.md"))
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))


def test_the_readme_is_short_and_starts_with_two_commands() -> None:
    """Under 150 lines, and the commands that make something happen come before any prose."""
    lines = README.splitlines()
    assert len(lines) < 150
    assert [line.split("#")[0].strip() for line in lines[2:4]] == ["make demo", "make help"]


def test_the_workflow_in_the_readme_checks(tmp_path: Path) -> None:
    """What a reader copies has no problem in it."""
    (block,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    (tmp_path / "workflows").mkdir()
    (tmp_path / "workflows" / "weekly-brief.yaml").write_text(block, encoding="utf-8")
    assert check(find(tmp_path, {}), ["weekly-brief"]) == []


def test_the_readme_has_every_command_and_every_variable() -> None:
    """A command or a setting that nobody can find does not exist."""
    told = set(re.findall(r"`definable ([a-z]+)", README))
    root = Root("definable")
    assert told == set(root.list_commands(click.Context(root)))
    assert set(re.findall(r"`DEFINABLE_([A-Z]+)`", README)) == {
        name.upper() for name in Settings.model_fields
    }


def test_the_faults_of_the_demo_are_faults() -> None:
    """The file that `make demo` names is read without a problem."""
    assert Faults.load(ROOT / "docs" / "demo" / "faults.yaml").entries


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    """Every relative link has something at its end."""
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert not [link for link in links if not (page.parent / link).exists()]


@pytest.mark.parametrize("page", [ROOT / "ARCHITECTURE.md", *DECISIONS], ids=lambda page: page.stem)
def test_files_that_are_named_exist(page: Path) -> None:
    """A path in backquotes is a path in the repository, or in its package."""
    text = page.read_text(encoding="utf-8")
    paths = re.findall(r"[`(]([a-z_]+(?:/[a-z_]+)+\.py)\b", text)
    assert not [
        path for path in paths if not any((ROOT / top / path).is_file() for top in (".", "definable"))
    ]


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_a_decision_has_its_three_parts_on_a_page(page: Path) -> None:
    """Context, decision, consequence; numbered as its file is."""
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {int(page.name[:4])}. ")
    assert re.findall(r"^\*\*(\w+)\.\*\*", text, re.MULTILINE) == ["Context", "Decision", "Consequence"]
    assert len(text.splitlines()) <= 50


def test_decisions_are_numbered_without_gaps() -> None:
    """One number, one decision."""
    assert [int(page.name[:4]) for page in DECISIONS] == list(range(1, len(DECISIONS) + 1))
