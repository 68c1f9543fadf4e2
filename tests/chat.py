"""What tests of conversations share: small workflows, keys, and waiting until a run rests."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.service import ENDED, PROJECT, Service

WORKFLOWS = {
    "leave-note": """
name: leave-note
description: Leave a note about the days that have passed.
inputs:
  project: { type: string, description: Project that receives the note; an id or a /hex/ URL }
  days: { type: integer, default: 7, minimum: 1, maximum: 31, description: How far back to look }
steps:
  - id: note
    call: HEX_CREATE_CELL
    arguments:
      projectId: ${{ inputs.project }}
      cellType: MARKDOWN
      label: Note ${{ run.id }}
      contents: { markdownCell: { source: "What happened in ${{ inputs.days }} days" } }
outputs: { cell: "${{ steps.note.output.id }}", days: "${{ inputs.days }}" }
""",
    "list-runs": """
name: list-runs
description: Read how a project ran lately.
inputs:
  project: { type: string, description: Project whose runs are read; an id or a /hex/ URL }
  runs: { type: integer, default: 5, minimum: 1, maximum: 100, description: How many of the latest }
steps:
  - id: read
    call: HEX_GET_PROJECT_RUNS
    arguments: { projectId: "${{ inputs.project }}", limit: "${{ inputs.runs }}" }
outputs: { runs: "${{ steps.read.output.runs }}" }
""",
    "clean-up": """
name: clean-up
description: Remove a cell that nobody needs.
inputs:
  cell: { type: string, description: "The cell, by its id" }
steps:
  - { id: remove, call: HEX_DELETE_CELL, arguments: { cellId: "${{ inputs.cell }}" } }
""",
}
"""One call each: the sandbox has the quotas of the real service, thirty requests a minute for cells."""


def write_workflows(root: Path) -> None:
    """Write the workflows into a workspace."""
    (root / "workflows").mkdir()
    for name, text in WORKFLOWS.items():
        (root / "workflows" / f"{name}.yaml").write_text(text)


def a_key(service: Service, name: str, level: str) -> str:
    """Make a key of the service; from the first one on, every request needs one."""
    made = service.http.post("/api/keys", json={"name": name, "level": level})
    assert made.status_code == 201, made.text
    return str(made.json()["key"])


@contextmanager
def caller(service: Service, name: str, level: str) -> Iterator[Service]:
    """Use the service with another key."""
    headers = {"authorization": f"Bearer {a_key(service, name, level)}"}
    with httpx.Client(base_url=service.url, headers=headers, timeout=60) as http:
        yield Service(service.url, http, service.home)


def rest(service: Service, run: str) -> dict[str, Any]:
    """Wait until a run waits for somebody, or has ended."""
    ends = time.monotonic() + 50
    while not ((found := service.run(run))["status"] in ENDED or found["reason"] == "approval"):
        assert time.monotonic() < ends, found
        time.sleep(0.05)
    return found


def a_cell(service: Service) -> str:
    """Let a run make a cell in the sandbox, and return its id."""
    return str(rest(service, service.submit("leave-note", project=PROJECT))["outputs"]["cell"])
