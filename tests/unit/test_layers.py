"""The rooms: imports point one way, in no circle, and no room grows too large."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import definable

ROOT = Path(definable.__file__).parent

ROOMS = (
    *(
        "errors",
        "settings",
        "redaction",
        "observe",
        "spec",
        "workspace",
        "calls",
        "limits",
        "quota",
        "verify",
        "store",
    ),
    *("models", "toolkits", "sandbox", "graph", "engine", "chaos", "service", "cli", "__main__"),
)
"""A room imports only from rooms before it."""


LAZY = (
    "cli",
    "__main__",
    "models/__init__.py",
    "store/__init__.py",
    "engine/checkpoints.py",
    "engine/engine.py",
)
"""Where an import may stand inside a function: the command line starts fast, one SDK or driver loads, and who
only submits runs does not load the queue."""

MODULES = sorted(path for path in ROOT.rglob("*.py") if "_workspace" not in path.parts)


def _name(path: Path) -> str:
    parts = ("definable", *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(path: Path, tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Return the modules of this package that are imported when `path` is, and where."""
    known = {_name(module) for module in MODULES}
    for node in _run_at_import(tree):
        if isinstance(node, ast.Import):
            yield from (
                (alias.name, node.lineno) for alias in node.names if alias.name.split(".")[0] == "definable"
            )
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "definable":
            for alias in node.names:
                deeper = f"{node.module}.{alias.name}"
                yield (deeper if deeper in known else str(node.module)), node.lineno


def _run_at_import(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        typing_only = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or typing_only:
            continue
        yield node
        yield from _run_at_import(node)


def _room(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else None


def _trees() -> Iterator[tuple[Path, ast.AST]]:
    for path in MODULES:
        yield path, ast.parse(path.read_text(encoding="utf-8"), str(path))


def test_every_room_is_in_the_list() -> None:
    """A new room has to say where it stands."""
    rooms = {room for path in MODULES if (room := _room(_name(path)))}
    assert rooms <= set(ROOMS), rooms - set(ROOMS)


def test_imports_point_one_way() -> None:
    """Each room imports from itself and from the rooms before it."""
    wrong = [
        f"{path.relative_to(ROOT.parent)}:{line}: {room} imports {module}"
        for path, tree in _trees()
        if (room := _room(_name(path)))
        for module, line in _imports(path, tree)
        if (other := _room(module)) and ROOMS.index(other) > ROOMS.index(room)
    ]
    assert not wrong, "\n".join(wrong)


def test_no_import_goes_in_a_circle() -> None:
    """Inside the rooms as well: what a module needs does not need it."""
    needs = {_name(path): {module for module, _ in _imports(path, tree)} for path, tree in _trees()}
    done: set[str] = set()

    def visit(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, " → ".join((*way[way.index(module) :], module))
        if module not in done:
            for other in sorted(needs.get(module, set()) - {module}):
                visit(other, (*way, module))
            done.add(module)

    for module in needs:
        visit(module, ())


def test_imports_inside_functions_are_for_starting_fast_only() -> None:
    """Everywhere else they would hide a circle."""
    wrong = [
        f"{path.relative_to(ROOT.parent)}:{inner.lineno}"
        for path, tree in _trees()
        if not str(path.relative_to(ROOT)).startswith(LAZY)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(node)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_grows_beyond_a_room(path: Path) -> None:
    """A module of more than 400 lines is two modules."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def test_no_module_is_a_box_of_odds_and_ends() -> None:
    """Names say what is inside."""
    assert not {path.stem for path in MODULES} & {"utils", "util", "helpers", "common", "misc", "base"}
