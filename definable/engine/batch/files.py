"""The files of a batch: `output.jsonl`, `errors.jsonl`, `summary.json`. What they say is in the store, too.

A line is written with one write, and half a line that a killed process left is cut off at the next start.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from definable.calls import Json
from definable.engine.batch.shape import dumped
from definable.errors import StoreError, UsageError

OUTPUT, ERRORS, SUMMARY = "output.jsonl", "errors.jsonl", "summary.json"

Keep = Callable[[str, str], bool]
"""Whether the line of this item (`custom_id`) and run is still its result; asked once a line, in order."""


class Lines:
    """A file that grows by whole lines."""

    def __init__(self, path: Path) -> None:
        """Open the file, made when it is not there. StoreError when that cannot be."""
        self.path = path
        with _written(path):
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        self._size = os.fstat(self._file).st_size

    def add(self, line: Mapping[str, Json]) -> None:
        """Write a line; all of it or nothing. StoreError when there is no room."""
        data = memoryview(dumped(line))
        with _written(self.path):
            try:
                rest = data
                while rest:
                    rest = rest[os.write(self._file, rest) :]
            except OSError:
                os.ftruncate(self._file, self._size)
                raise
        self._size += len(data)

    def empty(self) -> None:
        """Take all lines out."""
        with _written(self.path):
            os.ftruncate(self._file, 0)
        self._size = 0

    def close(self) -> None:
        """Let go of the file, all of it on the disk."""
        with _written(self.path):
            os.fsync(self._file)
        os.close(self._file)


class Files:
    """The files of one batch in a folder. Use `Files.open`; `close` at the end."""

    def __init__(self, folder: Path, batch: str) -> None:
        """Make the folder. UsageError when it has what is not this batch's, StoreError when it cannot be."""
        self.folder = folder
        self.batch = batch
        with _written(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self._mine()
        self.summary: dict[str, Any] = {"batch": batch, "status": "running"}
        self.sum_up(self.summary)

    def open(self, keep: Keep) -> None:
        """Take up the results that are there, but for those that `keep` does not want; errors begin anew."""
        tidy(self.folder / OUTPUT, keep)
        self.output = Lines(self.folder / OUTPUT)
        self.errors = Lines(self.folder / ERRORS)
        self.errors.empty()

    def sum_up(self, summary: Mapping[str, Any]) -> None:
        """Replace the summary."""
        new = self.folder / f"{SUMMARY}.new"
        with _written(self.folder):
            with new.open("w", encoding="utf-8") as file:
                file.write(json.dumps(summary, indent=2, ensure_ascii=False) + "\n")
                file.flush()
                os.fsync(file.fileno())  # after a power failure, too, it says whose the other files are
            new.replace(self.folder / SUMMARY)

    def close(self) -> None:
        """Let go of the files."""
        self.output.close()
        self.errors.close()

    def _mine(self) -> None:
        try:
            known = json.loads((self.folder / SUMMARY).read_bytes())["batch"]
        except (OSError, ValueError, KeyError, TypeError):
            known = None
        if known is None:
            self._nobodys()
        elif known != self.batch:
            raise UsageError(
                f"{str(self.folder)!r} has the results of the batch {known!r}",
                hint="name another folder: --out",
            )

    def _nobodys(self) -> None:
        """UsageError when a file is there that no batch wrote: it would be written over."""
        for name in (OUTPUT, ERRORS, SUMMARY):
            if os.path.lexists(self.folder / name):
                raise UsageError(
                    f"{str(self.folder / name)!r} is there, and is not known to be the result of a batch",
                    hint="move it away, or name another folder: --out",
                )


def tidy(path: Path, keep: Keep) -> None:
    """Take out of a file of results what is no whole line, and what is not wanted any more."""
    if not path.exists():
        return
    new = path.with_name(f"{path.name}.new")
    with _written(path):
        with path.open("rb") as old, new.open("wb") as file:
            changed = False
            for line in old:
                if line.endswith(b"\n") and keep(*_whose(line)):
                    file.write(line)
                else:
                    changed = True
            file.flush()
            os.fsync(file.fileno())
        new.replace(path) if changed else new.unlink()


def _whose(line: bytes) -> tuple[str, str]:
    """Return the item and the run of a line; empty when it is no result."""
    try:
        found = json.loads(line)
        return str(found["custom_id"]), str(found["id"])
    except (ValueError, KeyError, TypeError):
        return "", ""


class _written:
    """Turns what the disk refuses into a StoreError that names the place."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise StoreError(
                f"the results cannot be written to {str(self.path)!r}: {error.strerror}",
                hint="nothing is lost: free some space or name another folder with --out, and run it again",
            ) from error
