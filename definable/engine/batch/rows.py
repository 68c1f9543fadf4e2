"""One row of an items file: its `custom_id`, and its inputs as the workflow takes them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from definable.calls import Json, digest
from definable.spec.explain import shown
from definable.spec.inputs import fitted, read_text
from definable.spec.nearest import suggest
from definable.spec.workflow import Workflow

ID: Final = "custom_id"
WRAP: Final = "inputs"

LONGEST_ID: Final = 200
"""Characters of a `custom_id`."""

Foresee = Callable[[Mapping[str, Json]], list[str]]
"""Says what a call would refuse of inputs that fit, before anything is called."""


@dataclass(frozen=True, slots=True)
class Item:
    """One item: what a run of the workflow is given. `line` is where it begins in its file."""

    line: int
    custom_id: str
    inputs: dict[str, Json]
    derived: bool = False
    """Its name was made of its inputs, because the row has none."""

    @property
    def mark(self) -> str:
        """What tells these inputs from others."""
        return digest(self.inputs)


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be run, and everything that is wrong with it."""

    line: int
    problems: tuple[str, ...]
    custom_id: str | None = None


@dataclass(frozen=True)
class Reading:
    """How rows are read: for which workflow, and which column names an item."""

    workflow: Workflow
    column: str | None = None
    """The column, or member, that names the items; `custom_id` unless given."""
    foresee: Foresee = lambda inputs: []

    @property
    def named_by(self) -> str:
        """Where an item's name stands."""
        return self.column or ID

    def of_object(self, line: int, row: Json) -> Item | BadRow:
        """Read a row of JSON: the inputs themselves, or `{"custom_id": …, "inputs": {…}}`."""
        if not isinstance(row, dict):
            return BadRow(line, (f"{shown(row)} stands here, where an object with the inputs is expected",))
        given = dict(row)
        name = self._name(given)
        if WRAP in given and WRAP not in self.workflow.inputs:
            inner = given.pop(WRAP)
            if strange := sorted(given):
                return BadRow(line, (f"{strange[0]!r} stands beside {WRAP!r}: only {ID!r} goes there",))
            if not isinstance(inner, dict):
                return BadRow(line, (f"{WRAP}: an object is expected, not {shown(inner)}",))
            given = dict(inner)
            name = self._name(given) if name is None else name
        return self._item(line, name, given, [])

    def of_texts(self, line: int, cells: Mapping[str, str]) -> Item | BadRow:
        """Read a row of texts, by the types of the inputs. An empty one is an input not given."""
        texts = {key: text for key, text in cells.items() if text != ""}
        name = self._name(texts)
        given: dict[str, Json] = {}
        problems = []
        for key, text in texts.items():
            try:
                given[key] = read_text(self.workflow.inputs.get(key), text)
            except ValueError as error:
                given[key] = None
                problems.append(f"{key}: {error}")
        return self._item(line, name, given, problems)

    def columns(self, names: list[str]) -> str:
        """Return what is wrong with the columns of a table, or an empty text."""
        for number, name in enumerate(names, start=1):
            if not name.strip():
                return f"column {number} has no name"
            if names.count(name) > 1:
                return f"two columns are named {name!r}"
        known = {*self.workflow.inputs, self.named_by, ID}
        for name in names:
            if name not in known:
                return f"the column {name!r} is no input of {self.workflow.name}{suggest(name, known)}"
        if self.column is not None and self.column not in names:
            return f"there is no column {self.column!r} to name the items{suggest(self.column, names)}"
        return ""

    def _name(self, given: dict[str, Json] | dict[str, str]) -> Json:
        """Take an item's name out of its row; it stays there where it is an input as well."""
        where = self.named_by
        return given.get(where) if where in self.workflow.inputs and self.column else given.pop(where, None)

    def _item(self, line: int, name: Json, given: Mapping[str, Json], wrong: list[str]) -> Item | BadRow:
        inputs, problems = fitted(self.workflow, given, wrong)
        known, said = self._named(name, inputs)
        if name is None and problems:
            known = ""
        problems = [*([said] if said else []), *problems]
        if not problems:
            problems = self.foresee(inputs)
        if problems:
            return BadRow(line, tuple(problems), known or None)
        return Item(line, known, inputs, derived=name is None)

    def _named(self, name: Json, inputs: Mapping[str, Json]) -> tuple[str, str]:
        """Return an item's name, made of its inputs where it has none, and what is wrong with it."""
        if name is None and self.column:
            return "", f"{self.column}: missing; it names the item"
        if name is None:
            return f"row-{digest(dict(inputs))[:12]}", ""
        if isinstance(name, bool) or not isinstance(name, str | int):
            return "", f"{self.named_by}: a text or a whole number is expected, not {shown(name)}"
        text = str(name)
        if not text.isprintable() or not text.strip() or len(text) > LONGEST_ID:
            return (
                "",
                f"{self.named_by}: 1 to {LONGEST_ID} printable characters are expected, not {shown(text)}",
            )
        return text, ""
