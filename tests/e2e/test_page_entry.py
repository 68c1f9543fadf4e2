"""The page where a key is needed."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from tests.e2e.pagekit import browsing, looking
from tests.service import serving


def test_a_key_is_asked_for_where_one_is_needed(tmp_path: Path) -> None:
    """Any address asks for the key first; a wrong one is refused, the right one opens, and it can be left."""
    with serving(tmp_path) as service, browsing() as browser, looking(browser, service.url) as page:
        key = service.http.post("/api/keys", json={"name": "ana", "level": "admin"}).json()["key"]
        page.goto("/runs")
        page.get_by_label("Key").fill("dfn_wrong")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_contain_text("not known")
        page.get_by_label("Key").fill(key)
        page.keyboard.press("Enter")
        expect(page.get_by_text("No runs yet")).to_be_visible()
        expect(page.locator(".side-foot")).to_contain_text("ana, admin")
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_label("Key")).to_be_visible()
