"""What the documents say is true: links lead somewhere, tables match the code, nothing is left out."""

from __future__ import annotations

import re
import runpy
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
from pydantic import BaseModel

from definable import errors
from definable.cli.app import Root
from definable.sandbox.faults import Faults
from definable.settings import Settings
from definable.spec.agent import Agent
from definable.spec.artifacts import SHAPES
from definable.spec.toolkit import Tool, Toolkit
from definable.spec.workflow import ApprovalRule, Input, Limits, Step, Workflow
from definable.verify.plan import table_as_markdown
from tests.integration import test_invariants

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CHANGELOG.md")]
PAGES += [ROOT / room / "README.md" for room in ("agents", "tools", "workflows", "benchmarks")]
PAGES += sorted(DOCS.rglob("*.md"))
DECISIONS = sorted((DOCS / "decisions").glob("*.md"))
GENERATE: dict[str, Any] = runpy.run_path(str(DOCS / "generate.py"))


def page(name: str) -> str:
    """Return the text of a page in docs/."""
    return (DOCS / name).read_text(encoding="utf-8")


def quoted(text: str) -> set[str]:
    """Return every word that stands in backquotes, alone or with others."""
    return {word for inner in re.findall(r"`([^`\n]+)`", text) for word in re.findall(r"\w+", inner)}


def names(*models: type[BaseModel]) -> set[str]:
    """Return the keys of files that these models read."""
    return {field.alias or name for model in models for name, field in model.model_fields.items()}


def test_the_readme_is_short_and_starts_with_two_commands() -> None:
    """Under 200 lines, and the commands that make something happen come before any prose."""
    lines = README.splitlines()
    assert len(lines) < 200
    assert [line.split("#")[0].strip() for line in lines[2:4]] == ["make demo", "make test"]


def test_the_readme_has_every_command_and_every_variable() -> None:
    """A command or a setting that nobody can find does not exist."""
    told = set(re.findall(r"`definable ([a-z]+)", README))
    root = Root("definable")
    assert told == set(root.list_commands(click.Context(root)))
    assert set(re.findall(r"`DEFINABLE_([A-Z_]+)`", README)) == {
        name.upper() for name in Settings.model_fields
    }


def test_the_readme_has_every_exit_code() -> None:
    """What errors end with, and what a run ends with when it waits or is interrupted."""
    heads = next(line for line in README.splitlines() if line.startswith("| 0 | 1 |"))
    kinds = [each for each in vars(errors).values() if isinstance(each, type)]
    codes = {each.exit_code for each in kinds if issubclass(each, errors.DefinableError)}
    assert set(map(int, re.findall(r"\d+", heads))) == codes | {0, 3, 130}


def test_the_reference_has_every_key_of_a_workflow() -> None:
    """What a file may say stands in docs/workflows.md, and what agents hand in as well."""
    text = page("workflows.md")
    said = quoted(text) | set(re.findall(r"^(\w+):", text, re.MULTILINE)) | {"name", "id", "description"}
    assert names(Step, Input, Limits, ApprovalRule, Workflow) <= said
    assert names(*SHAPES.values()) <= said
    assert all(f"| {shape} |" in text for shape in SHAPES)


def test_the_reference_has_every_key_of_a_toolkit() -> None:
    """What a file may say stands in docs/toolkits.md, in the tables or in the example."""
    text = page("toolkits.md")
    said = (
        quoted(text) | set(re.findall(r"(\w+): ", text)) | set(re.findall(r"^ *(\w+):", text, re.MULTILINE))
    )
    assert names(Tool, Toolkit) - said == set()
    assert names(Agent) - {"description", "prompt"} <= quoted(
        (ROOT / "agents" / "README.md").read_text(encoding="utf-8")
    )


@pytest.mark.parametrize("name", sorted(path.name for path in DOCS.glob("*.md")))
def test_tables_are_as_the_code_has_them(name: str) -> None:
    """What `make docs` would write stands there already."""
    assert GENERATE["fresh"](page(name)) == page(name)


def test_every_table_is_somewhere() -> None:
    """The rules of healing, the repairs, the 31 tools and the faults are each printed on a page."""
    text = "".join(page(path.name) for path in DOCS.glob("*.md"))
    assert sorted(re.findall(r"<!-- table: (\w+) -->", text)) == sorted(GENERATE["TABLES"])
    assert table_as_markdown() in page("healing.md")
    assert GENERATE["tools"]().count("\n| `HEX_") == 31


def test_every_rule_of_healing_is_explained() -> None:
    """Whatever a receipt may say under `heals` can be looked up."""
    sources = (path.read_text(encoding="utf-8") for path in (ROOT / "definable" / "verify").glob("*.py"))
    rules = {rule for text in sources for rule in re.findall(r'(?:\.heal\([^"]*?|rule = )"(\w+)"', text)}
    assert "retry_after" in rules
    assert rules <= quoted(page("healing.md"))


def test_the_invariants_name_their_tests() -> None:
    """ARCHITECTURE.md names a test for each of the six, and those tests exist."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    named = re.findall(r"^\d\. \*\*[^*]+\*\* \(`(test_\w+)`\)", text, re.MULTILINE)
    assert len(named) == 6
    assert all(callable(getattr(test_invariants, name)) for name in named)


def test_every_dependency_has_its_reason() -> None:
    """One package, one line in decision 17."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [each for extra in project["optional-dependencies"].values() for each in extra]
    wanted = [*project["dependencies"], *extras]
    text = (DOCS / "decisions" / "0017-dependencies.md").read_text(encoding="utf-8")
    said = set(re.findall(r"[\w-]+", text))
    assert {re.split(r"[^\w-]", each)[0] for each in wanted} - said == {project["name"]}  # with its extras


def test_the_faults_of_the_demo_are_faults() -> None:
    """The file that `make demo` names is read without a problem."""
    assert Faults.load(DOCS / "demo" / "faults.yaml").entries


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    """Every relative link has a file at its end, and its heading when it names one."""
    for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", path.read_text(encoding="utf-8")):
        there = path.parent / target if target else path
        assert there.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", there.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = [re.sub(r"[^\w -]", "", each).strip().lower().replace(" ", "-") for each in headings]
            assert anchor in slugs


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_that_are_named_exist(path: Path) -> None:
    """A path in backquotes is a path in the repository, or in its package."""
    text = path.read_text(encoding="utf-8")
    paths = re.findall(r"`((?:[a-z_-]+/)+[a-z_-]+\.(?:py|md))`", text)
    tops = (ROOT, ROOT / "definable", path.parent)
    assert not [each for each in paths if not any((top / each).is_file() for top in tops)]


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_has_its_three_parts_on_a_page(path: Path) -> None:
    """Context, decision, consequence; numbered as its file is."""
    text = path.read_text(encoding="utf-8")
    assert text.startswith(f"# {int(path.name[:4])}. ")
    assert re.findall(r"^\*\*(\w+)\.\*\*", text, re.MULTILINE) == ["Context", "Decision", "Consequence"]
    assert len(text.splitlines()) <= 50


def test_decisions_are_numbered_without_gaps() -> None:
    """One number, one decision."""
    assert [int(path.name[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))
