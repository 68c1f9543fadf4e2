"""The wheel: built without network, installed beside the locked dependencies, used from another folder."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DATA = ("agents", "tools", "workflows")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel with the backend that the project names."""
    folder = tmp_path_factory.mktemp("wheel")
    _run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)], ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel alone into an empty environment that sees the locked dependencies; return its `bin`.

    A folder named in a .pth file is searched, but its own .pth files are not read: the checkout stays out.
    """
    folder = tmp_path_factory.mktemp("env")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    site = _run([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], folder).strip()
    (Path(site) / "locked.pth").write_text(sysconfig.get_path("purelib"))
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*pip, "--no-deps", "--no-index", str(wheel)], folder)
    return folder / "bin"


def _run(command: list[str], folder: Path) -> str:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    done = subprocess.run(command, cwd=folder, env=kept, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_holds_the_package_and_the_workspace_and_nothing_else(wheel: Path) -> None:
    """The names `agents` and `tools` stay free at the top: other libraries own them."""
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"definable", "definable_workflows"}
    for folder in DATA:
        here = {str(p.relative_to(ROOT)) for p in (ROOT / folder).rglob("*.yaml")}
        here |= {str(p.relative_to(ROOT)) for p in (ROOT / folder).rglob("*.md")}
        shipped = {
            name.removeprefix("definable/_workspace/") for name in names if f"_workspace/{folder}/" in name
        }
        assert shipped == here


def test_the_wheel_checks_its_own_workspace_from_anywhere(installed: Path, tmp_path: Path) -> None:
    """`definable check` in an empty folder reads the workspace inside the wheel and finds nothing wrong."""
    where = "from definable.workspace.find import builtin; print(builtin())"
    shipped = Path(_run([str(installed / "python"), "-c", where], tmp_path).strip())
    assert shipped.is_relative_to(installed.parent)
    assert shipped.parts[-2:] == ("definable", "_workspace")
    assert {folder.name for folder in shipped.iterdir()} == set(DATA)
    _run([str(installed / "definable"), "check"], tmp_path)


def test_the_wheel_says_whose_it_is() -> None:
    """The distribution's name differs from the import name, and the versions agree."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["name"] == "definable-workflows"
    assert f'__version__ = "{project["version"]}"' in (ROOT / "definable" / "__init__.py").read_text()
