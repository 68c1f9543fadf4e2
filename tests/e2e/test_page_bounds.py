"""What holds for the page everywhere: accessible, nothing from elsewhere, small, safe, readable when long."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Route, expect

from benchmarks.service import shown
from tests.e2e.pagekit import CELL, FREELY, PROJECT, browsing, looking, violations, workspace
from tests.service import Service, serving


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Serve a workspace in which a run was healed, one waits for a person, and one failed."""
    root = tmp_path_factory.mktemp("bounds")
    with serving(root, FREELY, faults=workspace(root)) as made:
        thread = made.http.post("/api/threads", json={}).json()["id"]
        wish = {"workflow": "weekly-brief", "inputs": {"project": PROJECT}}
        said = made.http.post(f"/api/threads/{thread}/runs", json=wish).json()["messages"]
        asking = made.submit("new-group", name="Readers")
        looks = [made.submit("look", cell=cell) for cell in (CELL, "00000000-0000-4000-8000-000000000001")]
        made.follow(asking, until=("waiting",))
        for run in (said[-1]["run"], *looks):
            made.follow(run)
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start one browser for all of these tests."""
    with browsing() as made:
        yield made


def places(service: Service) -> list[tuple[str, str]]:
    """Return the addresses of the page, each with what stands there when it is drawn."""
    runs = service.http.get("/api/runs").json()["runs"]
    by_status = {run["status"]: run["id"] for run in runs}
    thread = service.http.get("/api/threads").json()[0]["id"]
    return [
        ("/", ".offer"),
        (f"/chat/{thread}", ".result"),
        ("/runs", "ul.rows"),
        *((f"/runs/{by_status[status]}", ".facts") for status in ("done", "waiting", "failed")),
        ("/inbox", "section.ask"),
        ("/contracts", "article.patch"),
        ("/batches", "h1"),
    ]


@pytest.mark.parametrize(("theme", "width"), [("light", 1200), ("dark", 390)])
def test_no_page_has_anything_that_axe_finds(
    browser: Browser, service: Service, theme: str, width: int
) -> None:
    """No violation on any page, in either theme, wide or narrow, with everything open; nothing is cut off."""
    with looking(browser, service.url, color_scheme=theme, reduced_motion="reduce") as page:
        page.set_viewport_size({"width": width, "height": 800})
        for address, drawn in places(service):
            page.goto(address)
            page.locator(drawn).first.wait_for()
            for each in page.locator(".call > summary, .artifact > summary").all():
                each.click()
            assert violations(page) == [], address
            assert page.evaluate("document.documentElement.scrollWidth") <= width, address


def test_nothing_comes_from_elsewhere_and_it_is_little(browser: Browser, service: Service) -> None:
    """Every request goes to the service; the page's own files are at most 150 kB on the wire."""
    with looking(browser, service.url) as page:
        hosts, sizes = set[str](), dict[str, int]()
        cdp = page.context.new_cdp_session(page)
        cdp.send("Network.enable")
        urls: dict[str, str] = {}
        cdp.on("Network.requestWillBeSent", lambda e: urls.update({e["requestId"]: e["request"]["url"]}))
        cdp.on("Network.loadingFinished", lambda e: sizes.update({e["requestId"]: e["encodedDataLength"]}))
        page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
        for address, drawn in places(service):
            page.goto(address)
            page.locator(drawn).first.wait_for()
        assert hosts == {service.url.split("/")[2]}
        own = {urls[each]: size for each, size in sizes.items() if "/api" not in urls[each]}
        assert len(own) > 15
        assert sum(own.values()) <= 150_000, own


def test_what_is_written_stands_on_the_page_soon(browser: Browser, service: Service) -> None:
    """Each step that another process writes comes into the document; the benchmark's bar is 50 ms."""
    found = shown(browser, service.url, service.home, seconds=0.5, rate=20.0)
    assert 0 < found["median ms"] < 2_000  # a busy machine is no finding


def test_what_the_service_is_stands_on_the_page(browser: Browser, service: Service) -> None:
    """That nothing real is touched, and that no language model is asked, is said before anything is done."""
    with looking(browser, service.url) as page:
        page.goto("/")
        expect(page.locator(".banner")).to_contain_text("Simulator: nothing real is touched.")
        expect(page.locator(".banner")).to_contain_text("Offline model: no language model is asked")


def test_a_chosen_theme_is_kept(browser: Browser, service: Service) -> None:
    """The toggle turns the theme round, and a reload leaves it so."""
    with looking(browser, service.url, color_scheme="light") as page:
        page.goto("/runs")
        light = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.get_by_role("button", name="Dark").click()
        page.reload()
        page.get_by_role("button", name="Light").wait_for()
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light


def test_everything_can_be_done_with_the_keyboard(browser: Browser, service: Service) -> None:
    """From the skip link to an approval, without a mouse, and what has the focus is seen."""
    run = service.submit("new-group", name="Keys")
    service.follow(run, until=("waiting",))
    with looking(browser, service.url) as page:
        page.goto(f"/runs/{run}")
        expect(page.get_by_role("button", name="Approve", exact=True)).to_be_visible()
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("#main")).to_be_focused()
        for _ in range(60):
            page.keyboard.press("Tab")
            focused = page.locator(":focus")
            assert focused.evaluate("node => getComputedStyle(node).outlineStyle !== 'none'")
            if focused.inner_text() == "Approve":
                break
        page.keyboard.press("Enter")
        expect(page.locator(f"[data-run='{run}']")).to_have_attribute("data-status", "done")
        page.locator(".call > summary").first.focus()
        page.keyboard.press("Enter")
        expect(page.locator(".call[open] .evidence").first).to_be_visible()


HOSTILE = (
    "<img src=x onerror=window.pwned=1> **bold** [x](javascript:window.pwned=1) "
    "<script>window.pwned=1</script>"
)


def long_log(run: str) -> list[dict[str, Any]]:
    """Return the log of a run with three hundred calls and a brief of 20 kB that means harm."""
    said: list[tuple[str, str | None, dict[str, Any]]] = [
        ("run.started", None, {"workflow": "look"}),
        ("step.started", None, {"kind": "agent", "agent": "researcher"}),
    ]
    for n in range(1, 301):
        call, arguments = f"read.{n}", {"projectId": f"{n:08d}-{'0' * 120}", "limit": 100}
        receipt: dict[str, Any] = {
            "call": call,
            "tool": "HEX_LIST_CELLS",
            "arguments": arguments,
        }
        receipt |= {"status": "verified", "evidence": "response", "attempts": 1, "heals": [], "failure": "ok"}
        proposed: dict[str, Any] = {
            "id": call,
            "tool": "HEX_LIST_CELLS",
            "arguments": arguments,
            "step": "read",
        }
        said += [("call.proposed", call, proposed), ("receipt", call, receipt)]
    brief = HOSTILE + "\n\n" + "\n\n".join(f"- Point {n}: {'word ' * 20}" for n in range(180)) + "y" * 2000
    draft = {"shape": "Draft", "artifact": {"markdown": brief}}
    said += [("artifact", None, draft), ("step.done", None, {"output": {"markdown": brief}})]
    said += [("run.done", None, {"outputs": {"brief": brief}})]
    at = "2026-11-28T12:00:00.000Z"
    return [
        {"run": run, "seq": n, "at": at, "type": kind, "step": "read", "call": call, "data": data}
        for n, (kind, call, data) in enumerate(said, 1)
    ]


@pytest.mark.parametrize("width", [1200, 390])
def test_a_very_long_run_stays_readable_and_its_text_stays_text(
    browser: Browser, service: Service, width: int
) -> None:
    """Three hundred calls are one line; a long brief fits; nothing that a tool or a model wrote is run."""
    real = service.http.get("/api/runs?status=done").json()["runs"][0]["id"]
    log = json.dumps({"events": long_log(real)})

    def events(route: Route) -> None:
        route.fulfill(body=log, content_type="application/json")

    with looking(browser, service.url) as page:
        page.set_viewport_size({"width": width, "height": 800})
        page.route(f"**/api/runs/{real}/events?after=0", events)
        page.route(f"**/api/runs/{real}/events?after={len(long_log(real))}", lambda route: route.abort())
        page.goto(f"/runs/{real}")
        expect(page.locator("details.call")).to_have_count(1)
        expect(page.locator("details.call.group")).to_contain_text("300")
        expect(page.locator(".headline")).to_contain_text("300 calls verified")
        expect(page.locator(".result")).to_contain_text("<img src=x onerror=window.pwned=1> bold")
        page.locator(".call.group > summary").click()
        expect(page.locator("details.call")).to_have_count(301)
        assert page.evaluate("window.pwned") is None
        assert page.locator(".result a[href^=javascript]").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= width


REDUCE = """async log => {
    const { empty, reduce } = await import('/page/run.js');
    const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
    const frozen = value => {
        for (const each of Object.values(value)) if (each && typeof each === 'object') frozen(each);
        return Object.freeze(value);
    };
    let view = frozen(empty(log[0].run));
    for (const event of log) view = frozen(reduce(view, event));
    const twice = log.flatMap(event => [event, event]).reduce(reduce, empty(log[0].run));
    const halves = [...log.slice(0, 40), ...log.slice(20)].reduce(reduce, empty(log[0].run));
    const gap = [log[0], log[2]].reduce(reduce, empty(log[0].run));
    const seqs = view.log.map(line => line.seq);
    return { view, seqs, twice: same(view, twice), halves: same(view, halves), gap: [gap.seq, gap.gap] };
}"""


def test_an_address_that_was_cut_off_says_so(browser: Browser, service: Service) -> None:
    """Half an escape at the end of a link is no view, and no blank page."""
    with looking(browser, service.url) as page:
        for address in ("/runs/%E0%A4%A", "/chat/%", "/batches/%ff"):
            page.goto(address)
            expect(page.get_by_role("heading", name="Not here")).to_be_visible()


@pytest.mark.parametrize("mark", [">", "- "])
def test_what_is_nested_without_end_is_drawn_as_text(browser: Browser, service: Service, mark: str) -> None:
    """A model that writes ten thousand quotes within each other does not take the page away."""
    script = """async mark => {
        const { markdown } = await import("/page/markdown.js");
        const nodes = markdown(mark.repeat(10000) + "x");
        const deep = (node) => 1 + Math.max(0, ...(node.children ?? []).map(deep));
        return Math.max(...nodes.map(deep));
    }"""
    with looking(browser, service.url) as page:
        page.goto("/")
        assert page.evaluate(script, mark) < 100


def test_the_reducer_is_pure_and_takes_each_event_once(browser: Browser, service: Service) -> None:
    """The same log gives the same view, whatever comes twice; a gap is noticed; nothing changes in place."""
    run = service.http.get("/api/runs?workflow=weekly-brief").json()["runs"][0]["id"]
    log = service.http.get(f"/api/runs/{run}/events").json()["events"]
    with looking(browser, service.url) as page:
        page.goto("/runs")
        found = page.evaluate(REDUCE, log)
    assert found["twice"]
    assert found["halves"]
    assert found["gap"] == [1, True]
    assert found["seqs"] == [event["seq"] for event in log]
    view = found["view"]
    receipts = {each["call"]: each for each in service.http.get(f"/api/runs/{run}/receipts").json()}
    assert view["status"] == "done"
    assert set(view["calls"]) == set(receipts)
    for call, receipt in receipts.items():
        shown = view["calls"][call]
        assert shown["receipt"]["status"] == receipt["status"]
        assert len(shown["attempts"]) == len(receipt["trail"])
