"""The page where something went wrong or is taken back: what people say to it; and axe on all of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from definable.sandbox import Faults, World
from definable.sandbox import serve as simulated
from tests.e2e.pagekit import GROUP, PROJECT, browsing, looking, violations
from tests.service import Service, serving

MAKE = """
name: make-group
description: Make a group.
inputs:
  name: { type: string, description: Name of the group }
steps:
  - id: make
    call: HEX_CREATE_GROUP
    arguments: { name: "${{ inputs.name }}" }
outputs: { group: "${{ steps.make.output.id }}" }
"""

READ = """
name: read-group
description: Read one group.
inputs:
  group: { type: string, description: The group }
steps:
  - id: read
    call: HEX_GET_GROUP
    arguments: { groupId: "${{ inputs.group }}" }
"""

START = """
name: start-project
description: Run a project.
inputs:
  project: { type: string, description: The project }
steps:
  - id: start
    call: HEX_RUN_PROJECT
    arguments: { projectId: "${{ inputs.project }}" }
outputs: { run: "${{ steps.start.output.runId }}" }
"""

NOTE = """
name: write-note
description: Write a cell.
inputs:
  project: { type: string, description: The project }
steps:
  - id: write
    call: HEX_CREATE_CELL
    arguments:
      projectId: "${{ inputs.project }}"
      cellType: MARKDOWN
      label: Note
      contents: { markdownCell: { source: Hello } }
"""

SHOUTS: dict[str, Any] = {"fault": "drift_enum", "times": 99}
SOURCE = "contents.markdownCell.source"
FAULTS: list[dict[str, Any]] = [
    {"tool": "HEX_RUN_PROJECT", "fault": "lost_answer"},
    {"tool": "HEX_GET_CELL", **SHOUTS, "with": {"path": SOURCE, "to": "HELLO"}},
    {"tool": "HEX_LIST_CELLS", **SHOUTS, "after": 1, "with": {"path": f"values[*].{SOURCE}", "to": "HELLO"}},
]
"""The answer to a run's start is lost; and what is written is shown in another way from then on."""

NOWHERE = "00000000-0000-4000-8000-000000000001"


class Shared(World):
    """A workspace in which somebody else runs the same project in the moment in which our answer is lost."""

    def saw(self, tool: str, status: str) -> None:
        """Count a request."""
        super().saw(tool, status)
        if (tool, status) == ("HEX_RUN_PROJECT", "none"):
            ours = next(reversed(self.state["runs"].values()))
            theirs = {**ours, "id": self.new_id()}
            self.state["runs"][theirs["id"]] = theirs


@dataclass
class Stage:
    """A service, and the simulator that it works in."""

    service: Service
    world: World
    faults: Faults
    note: str
    """A run whose cell is shown in another way than it was written."""

    def effects(self, tool: str) -> list[str]:
        """Return the ids of what a tool really did, in order."""
        return [each["id"] for each in self.world.effects if each["tool"] == tool]

    def waiting(self, workflow: str, **inputs: str) -> str:
        """Start a run and return it when it waits for a person."""
        run = self.service.submit(workflow, **inputs)
        assert self.service.follow(run, until=("waiting", "failed", "done"))["status"] == "waiting"
        return run


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Serve workflows over a simulator of their own, without quotas; the run that takes longest has begun."""
    root = tmp_path_factory.mktemp("decisions")
    (root / "workflows").mkdir()
    for text in (GROUP, MAKE, READ, START, NOTE):
        (root / "workflows" / f"{text.split()[1]}.yaml").write_text(text)
    faults = Faults.parse({"seed": 1, "faults": FAULTS})
    with simulated(Shared(quotas=False), faults) as there:
        environ = {"HEX_BASE_URL": there.base_url, "HEX_API_TOKEN": there.token}
        with serving(root, environ | {"DEFINABLE_QUOTA_SHARE": "off"}) as made:
            note = made.submit("write-note", project=PROJECT)
            yield Stage(made, there.world, faults, note)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start one browser for all of these tests."""
    with browsing() as made:
        yield made


@pytest.fixture
def page(browser: Browser, stage: Stage) -> Iterator[Page]:
    """Open a window."""
    with looking(browser, stage.service.url) as made:
        yield made


def test_of_two_that_may_be_the_lost_one_a_person_takes_one(page: Page, stage: Stage) -> None:
    """Both are shown; the one that is taken is the call's result, and nothing is sent again."""
    run = stage.waiting("start-project", project=PROJECT)
    (ours,) = stage.effects("HEX_RUN_PROJECT")
    page.goto(f"/runs/{run}")
    ask = page.locator("section.ask")
    expect(ask).to_contain_text("Needs a look")
    expect(ask).to_contain_text("2 that match are new")
    expect(ask.locator(".candidate")).to_have_count(2)
    expect(ask.locator("dl.means")).to_contain_text("it did not happen: send it again")
    expect(ask.get_by_role("button", name="Send again")).to_have_count(0)
    stage.world.clock.advance(3600)
    ask.get_by_role("button", name=f"This is it: {ours}").click()
    expect(ask).to_have_count(0)
    expect(page.locator(f"[data-run='{run}']")).to_have_attribute("data-status", "done")
    expect(page.locator(".result")).to_contain_text(ours)
    page.locator("[data-step=start] .call > summary").click()
    expect(page.locator("[data-step=start] .call")).to_contain_text(f", who took {ours}")
    receipt = stage.service.http.get(f"/api/runs/{run}/receipts/start.1").json()
    assert (receipt["status"], receipt["result"]["runId"]) == ("verified", ours)
    assert stage.effects("HEX_RUN_PROJECT") == [ours]


def test_a_waiting_run_is_cancelled_and_says_what_it_leaves(page: Page, stage: Stage) -> None:
    """Cancelling asks once, and No thinks better of it; what was done stays, with what takes it back."""
    run = stage.waiting("new-group", name="Left")
    page.goto(f"/runs/{run}")
    expect(page.locator("section.ask")).to_be_visible()
    page.get_by_role("button", name="Cancel the run").click()
    page.get_by_role("button", name="No", exact=True).click()
    page.get_by_role("button", name="Cancel the run").click()
    sure = page.get_by_role("group", name="Cancel the run")
    expect(sure.get_by_role("button", name="Cancel the run")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(f"[data-run='{run}']")).to_have_attribute("data-status", "cancelled")
    expect(page.locator("section.ask")).to_have_count(0)
    expect(page.locator("ul.left")).to_contain_text("Create a group done")
    expect(page.locator("ul.left")).to_contain_text("Taken back by HEX_DELETE_GROUP")
    expect(page.get_by_role("button", name="Cancel the run")).to_have_count(0)
    expect(page.get_by_role("button", name="Undo what it did")).to_be_visible()
    assert "Left" in [each["name"] for each in stage.world.state["groups"].values()]
    page.goto("/inbox")
    expect(page.locator(f"a[href='/runs/{run}']")).to_have_count(0)


def test_a_done_run_is_undone_with_a_yes_to_each_call(page: Page, stage: Stage) -> None:
    """Undoing leads to a run of its own, which asks before it deletes; then what was made is gone."""
    run = stage.service.submit("make-group", name="Passing")
    group = stage.service.follow(run)["outputs"]["group"]
    page.goto(f"/runs/{run}")
    page.get_by_role("button", name="Undo what it did").click()
    page.get_by_role("group", name="Undo what it did").get_by_role("button", name="Undo").click()
    undoing = page.locator(".page[data-run]")
    expect(undoing).not_to_have_attribute("data-run", run)
    expect(page.locator("section.ask")).to_contain_text("Delete a group")
    expect(page.locator("section.ask")).to_contain_text(group)
    assert group in stage.world.state["groups"]
    page.get_by_role("button", name="Approve", exact=True).click()
    expect(undoing).to_have_attribute("data-status", "done")
    assert group not in stage.world.state["groups"]


def batch(stage: Stage) -> str:
    """Send a batch of which one item waits and one has failed, and return it when that is so."""
    items = [{"name": "One of many"}, {"name": ""}]
    content = "\n".join(map(json.dumps, items)).encode()
    sent = stage.service.http.post(
        "/api/batches",
        data={"workflow": "new-group", "skip_bad": "true"},
        files={"file": ("items.jsonl", content)},
    )
    made: str = sent.raise_for_status().json()["id"]
    return made


@pytest.fixture(scope="module")
def places(stage: Stage) -> list[tuple[str, str]]:
    """Return where a batch and a done, a failed and a waiting run are, each with what to wait for."""
    done = stage.service.submit("make-group", name="Kept")
    failed = stage.service.submit("read-group", group=NOWHERE)
    assert stage.service.follow(done)["status"] == "done"
    assert stage.service.follow(failed)["status"] == "failed"
    waiting = stage.waiting("new-group", name="Asks")
    return [
        (f"/batches/{batch(stage)}", "section ul.left a"),
        (f"/runs/{done}", ".result"),
        (f"/runs/{failed}", ".call.failed"),
        (f"/runs/{waiting}", "section.ask .answers"),
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_where_things_went_wrong(
    browser: Browser, stage: Stage, places: list[tuple[str, str]], theme: str
) -> None:
    """No violation on a batch, a done, a failed and a waiting run, with all that opens open."""
    with looking(browser, stage.service.url, color_scheme=theme, reduced_motion="reduce") as page:
        for address, drawn in places:
            page.goto(address)
            page.locator(drawn).first.wait_for()
            shut = page.locator("main details:not([open]) > summary")
            while shut.count():  # what opens may have more in it
                shut.first.click()
            assert violations(page) == [], address
            if page.get_by_role("button", name="Deny").count():
                page.get_by_role("button", name="Change the arguments").click()
                page.get_by_role("button", name="Deny").click()
                page.get_by_role("button", name="Cancel the run").click()
                page.get_by_label("Why not").wait_for()
                assert violations(page) == [], address


def test_what_was_made_in_another_form_is_made_again_only_when_that_is_said(page: Page, stage: Stage) -> None:
    """Each answer says what it does; sending again makes a second one, and that there are two is told."""
    run = stage.note
    assert stage.service.follow(run, until=("waiting", "failed", "done"))["status"] == "waiting"
    page.goto(f"/runs/{run}")
    ask = page.locator("section.ask")
    expect(ask).to_contain_text("it was made, and is there in another form")
    expect(ask.locator(".candidate")).to_have_count(1)
    expect(ask.locator("dl.means")).to_contain_text("a second one is made, and the first stays")
    assert len(stage.effects("HEX_CREATE_CELL")) == 1
    stage.faults.entries = []
    ask.get_by_role("button", name="Send again").click()
    expect(page.locator(f"[data-run='{run}']")).to_have_attribute("data-status", "failed")
    expect(page.locator("[data-step=write] .call")).to_contain_text("it is there 2 times")
    assert len(stage.effects("HEX_CREATE_CELL")) == 2
    expect(page.locator("[data-step=write] .call")).to_contain_text(", who had it sent again")
