"""What stands around the code: the lock, the Makefile, and what must not be in the repository."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

from definable.workspace import find

ROOT = Path(__file__).parents[2]

# Put together here, so that this file does not hold what it looks for.
HOSTS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("anaconda", "org"),
        ("crates", "io"),
        ("proxy", "golang", "org"),
    )
]
PLACES = ["/" + "work/", "/" + "tmp/", "/" + "root/", "/" + "home/[a-z]", "/" + "Users/[a-z]"]
FORBIDDEN = re.compile("|".join([*map(re.escape, HOSTS), *(rf"(?<![\w.~}}-]){place}" for place in PLACES)]))


def _tracked() -> list[Path]:
    """Return the files that are in the repository, or in the source archive when there is no git."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0:
        return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]
    built = {
        ".venv",
        "build",
        "dist",
        ".mypy_cache",
        ".ruff_cache",
        ".pytest_cache",
        ".hypothesis",
        ".definable",
    }
    return [p for p in ROOT.rglob("*") if p.is_file() and not built & set(p.relative_to(ROOT).parts)]


def _make(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    path = {"PATH": os.environ["PATH"]}
    return subprocess.run(
        ["make", *arguments], cwd=ROOT, capture_output=True, text=True, env=path | environ, timeout=30
    )


def test_every_pin_of_the_lock_has_hashes_and_no_address() -> None:
    """What is installed is what was locked, from whatever index the machine uses."""
    text = (ROOT / "requirements.txt").read_text()
    blocks = re.split(r"^(?=\S)", text, flags=re.MULTILINE)
    pins = [block for block in blocks if block.strip() and not block.startswith("#")]
    assert len(pins) > 50
    assert not [pin for pin in pins if not re.match(r"[a-z0-9.-]+==\S+", pin) or "--hash=sha256:" not in pin]
    assert "://" not in text
    assert "--index" not in text


def test_every_dependency_is_locked() -> None:
    """A dependency added to pyproject.toml without renewing the lock is found here."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [name for each in project["optional-dependencies"].values() for name in each]
    declared = [name for name in (*project["dependencies"], *extras) if not name.startswith(project["name"])]
    locked = set(re.findall(r"^([a-z0-9.-]+)==", (ROOT / "requirements.txt").read_text(), re.MULTILINE))
    assert {re.split(r"[<>=!~ ;[]", name)[0].lower() for name in declared} - locked == set()


def test_nothing_in_the_repository_names_a_registry_or_a_machine() -> None:
    """Others have other indexes and other folders."""
    found = []
    for path in _tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {match[0]}" for match in FORBIDDEN.finditer(text)]
    assert not found, "\n".join(found)


def test_make_help_lists_every_target() -> None:
    """A new user sees what there is."""
    told = _make("help").stdout
    for target in ("demo", "test", "lint", "format", "typecheck", "bench", "clean"):
        assert re.search(rf"^  make {target} +\S", told, re.MULTILINE), told


def test_demo_and_test_drop_every_key_and_address() -> None:
    """Whatever the toolkits and the models read from the environment, these two never see it."""
    names = {"OPENAI_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"}
    for toolkit in find(ROOT, {}).toolkits().values():
        names |= {source.variable for source in toolkit.credentials}
        names |= {toolkit.base_url.env, toolkit.exclusive_env or toolkit.base_url.env}
    for target, command in (("demo", "definable run weekly"), ("test", "-m pytest")):
        (line,) = [
            told for told in _make("-n", target).stdout.replace("\\\n", " ").splitlines() if command in told
        ]
        assert not [name for name in names if f"-u {name} " not in line]


def test_a_machine_without_a_fitting_python_is_told_so(tmp_path: Path) -> None:
    """The message names the program that was tried and what to do."""
    old = tmp_path / "old-python"
    old.write_text('#!/bin/sh\ncase "$1" in --version) echo Python 3.9.1;; *) exit 1;; esac\n')
    old.chmod(0o755)
    missing = _make("-B", ".venv/.stamp", "PYTHON=no-such-python")
    assert missing.returncode != 0
    assert "there is no 'no-such-python': install Python 3.11 or newer" in missing.stderr
    outdated = _make("-B", ".venv/.stamp", f"PYTHON={old}")
    assert f"'{old}' is Python 3.9.1, 3.11 or newer is needed" in outdated.stderr
