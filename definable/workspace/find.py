"""Finds the workspace folder, and the built-in one that stands behind it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from definable.errors import UsageError
from definable.settings import Settings
from definable.workspace.contents import Workspace

_MARKS = ("workflows", ".definable")


def find(start: Path, environ: Mapping[str, str], explicit: Path | None = None) -> Workspace:
    """Return the workspace to use; UsageError when a folder that was named does not exist, or
    when a DEFINABLE_* variable means nothing.

    `explicit` wins, then DEFINABLE_WORKSPACE, then the nearest folder from `start` upwards that has a
    `workflows/` or `.definable/` folder, then `start` itself. State goes to DEFINABLE_HOME, else to
    `.definable` in the workspace.
    """
    start = start.absolute()
    settings = Settings.read(environ)
    root = _root(start, settings, explicit)
    home = (start / settings.home) if settings.home else root / ".definable"
    return Workspace(root=root, home=home, start=start, builtin=builtin())


def builtin() -> Traversable:
    """Return the workspace that ships with the package: inside the wheel, or the checkout's own folders."""
    package = resources.files("definable")
    shipped = package / "_workspace"
    return shipped if shipped.is_dir() else Path(str(package)).parent


def _root(start: Path, settings: Settings, explicit: Path | None) -> Path:
    if explicit is not None:
        return _folder(start / explicit, str(explicit), "")
    if settings.workspace:
        return _folder(start / settings.workspace, str(settings.workspace), "DEFINABLE_WORKSPACE: ")
    for folder in (start, *start.parents):
        if any((folder / mark).is_dir() for mark in _MARKS):
            return folder
    return start


def _folder(path: Path, shown: str, source: str) -> Path:
    if path.is_dir():
        return path
    what = "is a file, not a folder" if path.exists() else "does not exist"
    raise UsageError(f"{source}the workspace {shown!r} {what}", hint="`definable init DIR` makes a new one.")
