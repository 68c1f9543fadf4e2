"""A real Chromium for the tests of the page, and a service for it to look at."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

expect.set_options(timeout=25_000)  # a busy machine is no finding

PROJECT = "85451515-12ab-55f4-85f5-d73048b59eae"
CELL = "5c432228-6a73-5d05-b215-f0cd459cbdef"
"""“Data Team Weekly” of the sandbox, and its first cell."""

FREELY = {"DEFINABLE_QUOTA_SHARE": "off"}
"""So that the tests of a module, which come to more than sixty requests a minute, do not wait for quota."""

GROUP = """
name: new-group
description: Make a group, then rename it once a person has agreed.
inputs:
  name: { type: string, description: Name of the group }
steps:
  - id: make
    call: HEX_CREATE_GROUP
    arguments: { name: "${{ inputs.name }}" }
  - id: rename
    call: HEX_EDIT_GROUP
    arguments: { groupId: "${{ steps.make.output.id }}", name: "${{ inputs.name }} (weekly)" }
outputs: { group: "${{ steps.make.output.id }}" }
"""

LOOK = """
name: look
description: Read one cell.
inputs:
  cell: { type: string, description: The cell }
steps:
  - id: read
    call: HEX_GET_CELL
    arguments: { cellId: "${{ inputs.cell }}" }
outputs: { label: "${{ steps.read.output.label }}" }
"""

FAULTS = """
seed: 1
faults:
  - { tool: HEX_LIST_PROJECTS, fault: rate_limit, with: { retry_after: 1 } }
  - { tool: HEX_CREATE_CELL, fault: lost_answer }
  - { tool: HEX_GET_CELL, fault: drift_rename, with: { from: label, to: cellLabel } }
"""


def installed() -> str | None:
    """Return the browser of this machine, if there is one."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def chromium() -> str:
    """Return the browser of this machine. Without one the tests are skipped, but never where all must run."""
    if found := installed():
        return found
    why = "no Chromium on this machine: nothing of the page is tested (apt-get install chromium)"
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


@contextmanager
def browsing() -> Iterator[Browser]:
    """Start the browser."""
    path = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def looking(browser: Browser, url: str, **how: Any) -> Iterator[Page]:
    """Open a window of its own; what goes wrong in the page's scripts fails the test."""
    context = browser.new_context(base_url=url, viewport={"width": 1200, "height": 800}, **how)
    context.set_default_timeout(25_000)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda line: wrong.append(line.text) if "Content Security" in line.text else None)
    try:
        yield page
    finally:
        context.close()
        assert not wrong, "the page's own scripts failed"


def workspace(root: Path) -> Path:
    """Make a workspace with a workflow that asks a person; return its file of faults."""
    (root / "workflows").mkdir(parents=True)
    for text in (GROUP, LOOK):
        name = re.search(r"name: (\S+)", text)
        assert name
        (root / "workflows" / f"{name[1]}.yaml").write_text(text)
    (root / "faults.yaml").write_text(FAULTS)
    return root / "faults.yaml"


@cache
def axe() -> str:
    """Return the checker's script."""
    return (files("axe_playwright_python") / "axe.min.js").read_text()


def violations(page: Page) -> list[str]:
    """Return what axe-core finds wrong on the page as it stands."""
    page.evaluate(axe())
    found: dict[str, Any] = page.evaluate("axe.run({resultTypes: ['violations']})")
    return [f"{each['id']}: {node['html'][:200]}" for each in found["violations"] for node in each["nodes"]]


def shown_log(page: Page) -> list[tuple[int, str]]:
    """Return the log as the run's page shows it: numbers and types."""
    if not page.locator("ol.log").count():
        page.get_by_text("Event log").click()
    page.wait_for_selector("ol.log li")
    rows: list[list[str]] = page.locator("ol.log li").evaluate_all(
        "rows => rows.map(row => [row.dataset.seq, row.querySelector('code').textContent])"
    )
    return [(int(seq), kind) for seq, kind in rows]
