"""A small workspace on disk with a made-up product, for the tests of reading and checking files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from definable.workspace import Workspace

NOTES: Final = """\
toolkit: notes
title: Notes
base_url: { env: NOTES_URL, default: "https://notes.example/api" }
credentials: [{ env: NOTES_TOKEN }]
quotas: { user: [{ limit: 60, window: 1m }] }
formats:
  note-id: { pattern: "^n[0-9]+$", extract: ["/notes/(n[0-9]+)"], hint: An id looks like n12. }
shapes:
  Note:
    type: object
    properties:
      id: { type: string }
      title: { type: [string, "null"] }
      tags: { type: array, items: { type: string } }
      extra: { type: object }
      body: { anyOf: [{ type: object, properties: { text: { type: string } } }, { type: "null" }] }
tools:
  NOTES_LIST:
    title: List notes
    description: All notes.
    operation: list
    request: GET /notes
    effect: read
    arguments: { limit: { type: integer, minimum: 1, maximum: 50 } }
    response: { type: object, properties: { values: { type: array, items: { $ref: "#/$defs/Note" } } } }
    quota: [user]
    identity: ["values[*].id"]
  NOTES_ME:
    title: Me
    description: Whose token it is.
    operation: me
    request: GET /me
    effect: read
    internal: true
  NOTES_CREATE:
    title: Create a note
    description: One note.
    operation: create
    request: POST /folders/{folderId}/notes
    effect: create
    arguments:
      folderId: { type: string, format: note-id, description: Folder that gets it }
      noteKind: { type: string, enum: [PLAIN, RICH] }
      label: { type: string }
      count: { type: integer }
      contents:
        anyOf:
          - type: object
            additionalProperties: false
            required: [plainText]
            properties: { plainText: { type: string } }
          - type: object
            additionalProperties: false
            required: [richText]
            properties: { richText: { type: object, properties: { bold: { type: boolean } } } }
    required: [folderId]
    rules: [{ schema: { not: { required: [label, count] } }, says: give label or count }]
    response: { $ref: "#/$defs/Note" }
    before: { notes: { call: NOTES_LIST } }
    after: { all: { call: NOTES_LIST, with: { limit: 50 } } }
    expect: [{ in: all.values, where: { id: "${{ result.id }}" }, count: 1 }]
    lost: { how: new, look: notes, in: notes.values, id: id, adopt: "${{ item }}" }
    ensure:
      look: { call: NOTES_LIST }
      in: values
      match: { label: title }
      update: { call: NOTES_CREATE, with: { folderId: "${{ arguments.folderId }}" } }
    link: ${{ web }}/n/${{ result.id }}
"""

WRITER: Final = """\
---
name: writer
description: Writes.
model: openai/gpt-5.5
hands_in: Draft
tools: [NOTES_LIST]
---
You write.
"""


def workspace(root: Path, files: Mapping[str, str] | None = None) -> Workspace:
    """Return a workspace with the notes toolkit, a writer and these files alone."""
    every = {"tools/notes.yaml": NOTES, "agents/writer.md": WRITER} | dict(files or {})
    for name, text in every.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return Workspace(root=root, home=root / ".definable", start=root, builtin=root / "nothing")
