"""Checking a toolkit's own recipes."""

from __future__ import annotations

from pathlib import Path

import pytest

from definable.workspace import check
from tests.unit.folder import NOTES, workspace


def test_a_toolkit_that_is_right(tmp_path: Path) -> None:
    """The notes toolkit has no problem."""
    assert check(workspace(tmp_path), ["tools/notes.yaml"]) == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("request: GET /notes", "request: FETCH notes", "NOTES_LIST: a method and a path is expected"),
        ("/folders/{folderId}", "/folders/{folder}", "NOTES_CREATE: {folder} is not among the arguments"),
        (
            "required: [folderId]",
            "required: []",
            "{folderId} is in the path, so it must be among the required",
        ),
        (
            "required: [folderId]",
            "required: [folderId, lable]",
            "there is no argument 'lable'; did you mean 'label'?",
        ),
        ("quota: [user]", "quota: [usr]", "NOTES_LIST: there is no quota 'usr'; did you mean 'user'?"),
        ("quota: [user]", "holds: slots", "NOTES_LIST: there is no semaphore 'slots'"),
        ("values[*].id", "value[*].id", "identity: there is no 'value'; did you mean 'values'?"),
        (
            "effect: create",
            "effect: create\n    targets: [folder]",
            "targets: there is no 'folder'; did you mean",
        ),
        ("look: notes", "look: note", "there is no look under before 'note'; did you mean 'notes'?"),
        ("notes: { call: NOTES_LIST }", "notes: { call: NOTES_LISTS }", "did you mean 'NOTES_LIST'?"),
        (
            "with: { limit: 50 }",
            "with: { limt: 50 }",
            "NOTES_LIST has no argument 'limt'; did you mean 'limit'?",
        ),
        (
            'with: { folderId: "${{ arguments.folderId }}" }',
            "with: {}",
            "NOTES_CREATE needs the argument 'folderId'",
        ),
        (
            "match: { label: title }",
            "match: { lbl: title }",
            "there is no argument 'lbl'; did you mean 'label'?",
        ),
        ("in: all.values", "in: al.values", "al.values: there is no 'al' here; did you mean 'all'?"),
        ("${{ result.id }}", "${{ reslt.id }}", "reslt.id: there is no 'reslt' here; did you mean 'result'?"),
        ("${{ item }}", "${{ item", "'${{' without '}}' in '${{ item'"),
        ("type: integer, minimum: 1", "type: integr, minimum: 1", "arguments: this is not a JSON Schema"),
        (
            'items: { $ref: "#/$defs/Note" }',
            'items: { $ref: "#/$defs/Not" }',
            "response: this is not a JSON Schema",
        ),
        ("^n[0-9]+$", "(", "'(' is not a regular expression"),
        ("title: Notes", "title: Notes\nwho: NOTES_WHO", "there is no tool 'NOTES_WHO'"),
    ],
)
def test_recipes_that_cannot_work(tmp_path: Path, old: str, new: str, problem: str) -> None:
    """Names in a toolkit that lead nowhere, and schemas that are none, are found before anything is sent."""
    assert old in NOTES
    space = workspace(tmp_path, {"tools/notes.yaml": NOTES.replace(old, new)})
    problems = check(space, ["tools/notes.yaml"])
    assert any(problem in each.message for each in problems), problems


def test_places_in_a_toolkit(tmp_path: Path) -> None:
    """A problem in a recipe is reported at the recipe, not at the top of the file."""
    space = workspace(tmp_path, {"tools/notes.yaml": NOTES.replace("look: notes", "look: note")})
    (only,) = check(space, ["tools/notes.yaml"])
    line = next(n for n, text in enumerate(NOTES.splitlines(), 1) if "look: notes" in text)
    assert (only.file, only.line) == ("tools/notes.yaml", line)
