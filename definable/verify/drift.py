"""The classes of drift, in the words of tools that compare APIs."""

from __future__ import annotations

from collections.abc import Collection

from definable.calls import Change

CLASSES = {
    "field_added": "a property that nobody declared; accepted as it is",
    "field_removed": "a property is gone",
    "field_renamed": "a property has another name",
    "field_retyped": "a value has another JSON type, or an entry of a list has",
    "field_made_nullable": "null stands where no null was",
    "field_moved": "a property stands in another place",
    "values_exchanged": "two properties have each what the other one had",
    "unit_changed": "a number is in another unit",
    "entry_doubled": "one thing stands twice in a list, and differs",
    "wrapped": "a value stands in an envelope, or in one more object",
    "unwrapped": "an envelope or an object around properties is gone",
    "enum_changed": "a word of an enumeration is new, or written in another way",
    "format_changed": "a text has another format, such as an id that was a uuid",
    "list_became_map": "a list of objects is a map, by their ids, or a table",
    "success_code_changed": "another 2xx than promised",
    "body_appeared": "a body where none was promised",
    "body_vanished": "no body, or no JSON, where one was promised",
    "paging_moved": "the way to the next page has another name or place",
    "error_envelope_changed": "an error body has another form",
    "argument_renamed": "an argument is wanted under another name, or in another place",
    "argument_retyped": "an argument is wanted in another JSON type",
    "argument_word_changed": "a word of an argument's enumeration is written in another way",
}
"""Class → what it means."""

OF_RULES = {
    "case": "field_renamed",
    "rename": "field_renamed",
    "move": "field_moved",
    "unwrap": "wrapped",
    "wrap": "unwrapped",
    "coerce": "field_retyped",
    "success_code": "success_code_changed",
}
"""Rule of `repair.py` → the class that it heals, where the rule alone says it."""


OF_REWORDINGS = {"rename": "argument_renamed", "coerce": "argument_retyped", "word": "argument_word_changed"}
"""How a request was reworded → the class that it heals."""


def drift_of(change: Change, reads: Collection[tuple[str, ...]] = ()) -> str:
    """Return the class of a change; `reads` are the paths that paging reads."""
    source, target = change.source, change.target
    if (*change.place, *target) in reads:
        return "paging_moved"
    if change.how.startswith(("values", "table")):
        return "list_became_map"
    if change.how == "exchange":
        return "values_exchanged"
    if change.how.startswith(("times", "per:")):
        return "unit_changed"
    if change.how.startswith(("text", "moment")):
        return "format_changed"
    if source == target:
        return "field_retyped"
    if source[: len(target)] == target:
        return "wrapped"
    if target[: len(source)] == source:
        return "unwrapped"
    return "field_renamed" if source[:-1] == target[:-1] else "field_moved"
