"""The files of one workspace folder, by name, and how several files become one toolkit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from definable.errors import DefinitionError, Problem
from definable.spec.events import Node, Spot
from definable.spec.source import Document

YAML: Final = (".yaml", ".yml")
_JOINED: Final = {"shapes", "tools", "quotas", "holds", "formats", "statuses"}
"""Keys of a toolkit whose entries may stand in several of its files."""


def listed(folder: Traversable, endings: tuple[str, ...]) -> dict[str, Traversable]:
    """Return the files of a folder by their stem, READMEs left out; none when it is not there.

    DefinitionError when the folder cannot be read, or when two files have the same stem.
    """
    found: dict[str, Traversable] = {}
    for path in sorted(entries(folder), key=lambda p: p.name):
        stem, dot, ending = path.name.rpartition(".")
        if f"{dot}{ending}" not in endings or stem.upper() == "README":
            continue
        if not path.is_file():
            what = "this is a folder" if path.is_dir() else "this is a link that leads nowhere"
            raise refusal(str(path), f"{what}; a file is expected")
        if stem in found:
            raise refusal(str(path), f"{found[stem].name!r} beside it has the same name; keep one")
        found[stem] = path
    return found


def mark(file: Traversable) -> object:
    """Return what changes when a file does, or what is in a folder; what is in an archive never does."""
    if not isinstance(file, Path):
        return str(file)
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def entries(folder: Traversable) -> list[Traversable]:
    """Return what is in a folder, hidden names left out; nothing when there is no such folder."""
    if folder.is_file():
        raise refusal(str(folder), "this is a file; a folder is expected")
    if not folder.is_dir():
        return []
    try:
        return [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError as error:
        raise refusal(str(folder), f"the folder cannot be read: {error.strerror}") from error


def toolkit_files(folder: Traversable) -> dict[str, list[Traversable]]:
    """Return the files of each toolkit in a `tools` folder: `NAME.yaml`, or all of `NAME/*.yaml`."""
    found: dict[str, list[Traversable]] = {name: [path] for name, path in listed(folder, YAML).items()}
    for inner in sorted(entries(folder), key=lambda p: p.name):
        if inner.is_dir() and (parts := listed(inner, YAML)):
            if inner.name in found:
                raise refusal(
                    str(inner), f"{found[inner.name][0].name!r} beside it is the same toolkit; keep one"
                )
            found[inner.name] = list(parts.values())
    return found


def merged(documents: list[Document]) -> Document:
    """Return several files of one toolkit as one document. DefinitionError for each key that is set twice."""
    if len(documents) == 1:
        return documents[0]
    root = Node({}, documents[0].root.spot)
    problems = [problem for document in documents for problem in _join(root, document)]
    if problems:
        raise DefinitionError(problems)
    return Document(documents[0].file, root.value, root)


def _join(root: Node, document: Document) -> Iterator[Problem]:
    if not isinstance(document.data, dict):
        yield document.problem((), "an object (keys and values) is expected")
        return
    for key, node in document.root.inner.items():
        name, where = str(key), document.root.keys[str(key)]
        if name not in root.keys:
            _put(root, name, where, _copy(node) if name in _JOINED else node)
        elif name in _JOINED and isinstance(node.value, dict) and isinstance(root.value[name], dict):
            yield from _add(root.inner[name], name, node)
        else:
            yield _twice(name, where, root.keys[name])


def _add(into: Node, name: str, node: Node) -> Iterable[Problem]:
    for key, each in node.inner.items():
        where = node.keys[str(key)]
        if str(key) in into.keys:
            yield _twice(f"{name}.{key}", where, into.keys[str(key)])
        else:
            _put(into, str(key), where, each)


def _copy(node: Node) -> Node:
    if not isinstance(node.value, dict):
        return node
    return Node(dict(node.value), node.spot, dict(node.inner), dict(node.keys))


def _put(into: Node, key: str, where: Spot, node: Node) -> None:
    into.value[key], into.inner[key], into.keys[key] = node.value, node, where


def _twice(name: str, where: Spot, first: Spot) -> Problem:
    message = f"{name!r} is set twice, first in {first.file}:{first.line}"
    return Problem(where.file, where.line, where.column, message)


def refusal(file: str, message: str) -> DefinitionError:
    """Return the error that one thing is wrong with a whole file or folder."""
    return DefinitionError([Problem(file, 1, 1, message)])
