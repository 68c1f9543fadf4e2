"""The page while a run goes on: the product stands still until the page has shown what it should."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from definable.sandbox import Faults, World
from definable.sandbox import serve as simulated
from tests.e2e.pagekit import FREELY, PROJECT, browsing, looking, shown_log, workspace
from tests.service import Service, serving


class Halting(World):
    """A workspace that can be made to stand still in the middle of somebody's work."""

    def __init__(self) -> None:
        """Answer everybody at once."""
        super().__init__(quotas=False)
        self.halt = ""
        self.go_on = threading.Event()

    def saw(self, tool: str, status: str) -> None:
        """Count a request; the answer to one of the tool that it halts at goes out when the halt is over."""
        super().saw(tool, status)
        if tool == self.halt:
            assert self.go_on.wait(120)

    @contextmanager
    def standing_still(self, at: str) -> Iterator[None]:
        """Answer nobody any more once the tool `at` was called, until the block ends."""
        self.go_on.clear()
        self.halt = at
        try:
            yield
        finally:
            self.halt = ""
            self.go_on.set()


@dataclass
class Stage:
    """A service, and the simulator that it works in."""

    service: Service
    world: Halting


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Serve a workspace over a simulator that fails now and then."""
    world, faults = Halting(), Faults.load(workspace(tmp_path))
    with simulated(world, faults) as there:
        environ = {"HEX_BASE_URL": there.base_url, "HEX_API_TOKEN": there.token}
        with serving(tmp_path, environ | FREELY) as made:
            yield Stage(made, world)


@pytest.fixture
def page(stage: Stage) -> Iterator[Page]:
    """Open a window."""
    with browsing() as browser, looking(browser, stage.service.url) as made:
        yield made


def test_a_form_starts_a_run_and_shows_each_call_until_it_is_done(page: Page, stage: Stage) -> None:
    """What is missing is said at its field; then calls appear as they happen, and the healed say how."""
    page.goto("/")
    page.get_by_role("button", name="Weekly brief").click()
    page.get_by_label("Days").fill("99")
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_label("Project", exact=True)).to_be_focused()
    expect(page.get_by_text("This is needed.")).to_be_visible()
    expect(page.get_by_text("It has to be at most 31; it is 99.")).to_be_visible()
    page.get_by_label("Project", exact=True).fill(PROJECT)
    page.get_by_label("Days").fill("7")
    run = page.locator("article.run")
    with stage.world.standing_still("HEX_GET_PROJECT_RUNS"):
        page.get_by_role("button", name="Start").click()
        expect(run.locator("[data-step=research] .call").first).to_be_visible()
        expect(run).to_have_attribute("data-status", "running")
    expect(run).to_have_attribute("data-status", "done", timeout=30_000)
    expect(run.locator(".headline")).to_contain_text("2 healed")
    listed = run.locator(".call", has_text="List projects")
    listed.locator("summary").first.click()
    expect(listed.locator(".attempts li")).to_have_count(2)
    expect(listed.locator(".attempts li").first).to_contain_text("429")
    expect(listed.locator(".healing")).to_contain_text("rate limited")
    expect(run.locator(".call.group").first).to_contain_text("11")
    made = run.locator("[data-step=deliver] .call")
    made.locator("summary").first.click()
    expect(made).to_contain_text("Read back afterwards, and equal to what was asked for")
    expect(made.locator(".attempts")).to_contain_text("no answer")
    expect(run.locator(".result")).to_contain_text("What nobody looked at")


def test_a_reload_in_the_middle_neither_loses_nor_repeats_an_event(page: Page, stage: Stage) -> None:
    """The log on the page is the log of the run, however often the page was loaded on the way."""
    with stage.world.standing_still("HEX_GET_PROJECT_RUNS"):
        run = stage.service.submit("weekly-brief", project=PROJECT)
        page.goto(f"/runs/{run}")
        shown = page.locator(f"[data-run='{run}']")
        expect(shown.locator(".call", has_text="List a project's runs").first).to_be_visible()
        expect(shown).to_have_attribute("data-status", "running")
        page.reload()
        expect(shown.locator(".call", has_text="List a project's runs").first).to_be_visible()
        expect(shown).to_have_attribute("data-status", "running")
    expect(shown).to_have_attribute("data-status", "done", timeout=30_000)
    log = stage.service.http.get(f"/api/runs/{run}/events").json()["events"]
    assert shown_log(page) == [(event["seq"], event["type"]) for event in log]
