"""The page where a key is needed, and where a key is not enough."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.pagekit import FREELY, browsing, looking, workspace
from tests.service import Service, serving


@dataclass
class Keyed:
    """A service that needs a key: one of each kind, and a run that waits."""

    service: Service
    admin: str
    viewer: str
    run: str


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    """Serve a workspace, let a run wait, and then make the keys."""
    root = tmp_path_factory.mktemp("entry")
    workspace(root)
    with serving(root, FREELY) as made:
        run = made.submit("new-group", name="Readers")
        assert made.follow(run, until=("waiting", "failed"))["status"] == "waiting"
        keys = []
        for name, level in (("ana", "admin"), ("vera", "viewer")):
            wish = {"name": name, "level": level}
            keys.append(made.http.post("/api/keys", json=wish).raise_for_status().json()["key"])
            made.http.headers["authorization"] = f"Bearer {keys[0]}"
        yield Keyed(made, keys[0], keys[1], run)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start one browser for all of these tests."""
    with browsing() as made:
        yield made


@pytest.fixture
def page(browser: Browser, keyed: Keyed) -> Iterator[Page]:
    """Open a window."""
    with looking(browser, keyed.service.url) as made:
        yield made


def sign_in(page: Page, key: str) -> None:
    """Type a key and enter."""
    page.get_by_label("Key", exact=True).fill(key)
    page.keyboard.press("Enter")
    expect(page.get_by_label("Key", exact=True)).to_have_count(0)


def test_a_key_is_asked_for_where_one_is_needed(page: Page, keyed: Keyed) -> None:
    """Any address asks for the key first; a wrong one is refused, the right one opens, and it can be left."""
    page.goto("/runs")
    page.get_by_label("Key", exact=True).fill("dfn_wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("not known")
    sign_in(page, keyed.admin)
    expect(page.locator("ul.rows li")).to_contain_text(keyed.run)
    expect(page.locator(".side-foot")).to_contain_text("ana, admin")
    page.reload()
    expect(page.locator(".side-foot")).to_contain_text("ana, admin")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Key", exact=True)).to_be_visible()


def test_a_viewer_sees_all_and_is_offered_nothing_that_is_refused(page: Page, keyed: Keyed) -> None:
    """The question stands there without answers, the run without deeds; why is said where one would look."""
    page.goto(f"/runs/{keyed.run}")
    sign_in(page, keyed.viewer)
    expect(page.locator(".side-foot")).to_contain_text("vera, viewer")
    ask = page.locator("section.ask")
    expect(ask).to_contain_text("Readers (weekly)")
    expect(ask).to_contain_text("Only an approver may answer; this key is a viewer")
    expect(page.locator("main").get_by_role("button", name=re.compile("Approve|Deny|Cancel"))).to_have_count(
        0
    )
    page.goto("/")
    expect(page.get_by_text("This key may look, and not start runs.")).to_be_visible()
    expect(page.locator("button.offer").first).to_be_disabled()
    expect(page.get_by_label("What should be done")).to_have_count(0)
    page.goto("/batches")
    expect(page.get_by_text("No batches yet")).to_be_visible()
    expect(page.get_by_text("New batch")).to_have_count(0)


def test_a_deed_that_the_key_does_not_allow_any_more_is_refused_in_words(page: Page, keyed: Keyed) -> None:
    """A page that was drawn for another key says who may not and what would help; the run still waits."""
    page.goto(f"/runs/{keyed.run}")
    sign_in(page, keyed.admin)
    expect(page.locator(".side-foot")).to_contain_text("ana, admin")
    about = keyed.service.http.get("/api").json()
    page.route(re.compile(r"/api$"), lambda route: route.fulfill(json=about))
    other = page.context.request.post("/api/session", data={"key": keyed.viewer})
    assert other.json()["level"] == "viewer"
    page.get_by_role("button", name="Approve", exact=True).click()
    refused = page.locator("section.ask").get_by_role("alert")
    expect(refused).to_contain_text("the key 'vera' is for a viewer; this needs approver")
    expect(refused).to_contain_text("definable keys grant NAME --scope approver")
    page.get_by_role("button", name="Cancel the run").click()
    page.get_by_role("group", name="Cancel the run").get_by_role("button", name="Cancel the run").click()
    expect(page.locator(".actions").get_by_role("alert")).to_contain_text("this needs operator")
    assert keyed.service.run(keyed.run)["status"] == "waiting"


def test_who_signs_in_next_is_shown_nothing_of_who_was_there_before(page: Page, keyed: Keyed) -> None:
    """What the page knew goes with the sign-out: until the new answers are there, no deed is offered."""
    page.goto(f"/runs/{keyed.run}")
    sign_in(page, keyed.admin)
    expect(page.get_by_role("button", name="Approve", exact=True)).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Key", exact=True)).to_be_visible()
    page.route(re.compile(r"/api$"), lambda route: None)
    sign_in(page, keyed.viewer)
    expect(page.locator("section.ask")).to_contain_text("Readers (weekly)")
    expect(page.locator("main").get_by_role("button", name=re.compile("Approve|Deny|Cancel"))).to_have_count(
        0
    )
    expect(page.locator("main")).not_to_contain_text("undefined")
    expect(page.locator(".side-foot")).not_to_contain_text("ana")
