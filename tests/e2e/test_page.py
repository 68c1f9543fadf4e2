"""The page in a real browser: from a wish to a verified result, with everything people decide on the way."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import APIResponse, Browser, Page, Route, expect

from tests.e2e.pagekit import CELL, FREELY, PROJECT, browsing, looking, workspace
from tests.service import Service, serving


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Serve a workspace whose sandbox fails now and then."""
    root = tmp_path_factory.mktemp("page")
    faults = workspace(root)
    with serving(root, FREELY, faults=faults) as made:
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start one browser for all of these tests."""
    with browsing() as made:
        yield made


@pytest.fixture
def page(browser: Browser, service: Service) -> Iterator[Page]:
    """Open a window."""
    with looking(browser, service.url) as made:
        yield made


def asks(service: Service, name: str) -> str:
    """Start a run that asks a person, and return it when it does."""
    run = service.submit("new-group", name=name)
    service.follow(run, until=("waiting",))
    return run


def brief(service: Service) -> str:
    """Return a weekly brief that is done."""
    done = service.http.get("/api/runs?workflow=weekly-brief&status=done").json()["runs"]
    run: str = done[0]["id"] if done else service.submit("weekly-brief", project=PROJECT)
    assert service.follow(run)["status"] == "done"
    return run


def test_words_start_a_run_too(page: Page) -> None:
    """Enter sends, Shift+Enter begins a line, and what the words leave open is asked back with a form."""
    page.goto("/")
    page.get_by_label("What should be done").fill("Read one cell")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("please")
    expect(page.get_by_label("What should be done")).to_have_value("Read one cell\nplease")
    page.keyboard.press("Enter")
    expect(page.locator(".message.user")).to_contain_text("Read one cell")
    expect(page.locator(".message.assistant .prose")).not_to_be_empty()


def test_what_was_said_stands_there_once_while_it_is_answered(page: Page) -> None:
    """The conversation may come with the words in it before their answer does."""
    asked: list[Route] = []
    answered: list[tuple[Route, APIResponse]] = []

    def read(route: Route) -> None:
        asked.append(route) if route.request.method == "GET" else route.continue_()

    page.route(re.compile(r"/api/threads/[^/]+$"), read)
    page.route("**/messages", lambda route: answered.append((route, route.fetch())))
    page.goto("/")
    page.get_by_label("What should be done").fill("Read one cell")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Reading it…")).to_be_visible()
    while not asked or not answered:
        page.wait_for_timeout(20)
    with page.expect_response(asked[0].request.url):
        asked[0].continue_()
    page.evaluate("() => new Promise(requestAnimationFrame)")
    expect(page.locator(".message.user")).to_have_count(1)
    expect(page.get_by_text("Reading it…")).to_be_visible()
    answered[0][0].fulfill(response=answered[0][1])
    expect(page.get_by_text("Reading it…")).to_have_count(0)
    expect(page.locator(".message.user")).to_have_count(1)


def test_each_figure_of_the_result_says_where_it_comes_from(page: Page, service: Service) -> None:
    """A focused figure shows its recipe and calls; Escape takes that away; a source leads to its call."""
    run = brief(service)
    page.goto(f"/runs/{run}")
    figure = page.locator(".result .figure > button").first
    told = page.locator(".result .figure .pop").first
    for _ in range(50):  # what is still coming in may draw the result once more
        figure.focus()
        if told.is_visible():
            break
        page.wait_for_timeout(100)
    expect(told).to_be_visible()
    findings = next(
        event["data"]["artifact"]
        for event in service.http.get(f"/api/runs/{run}/events").json()["events"]
        if event["type"] == "artifact"
    )
    first = findings["points"][0]["figures"][0]
    expect(told).to_contain_text(f"{first['value']:g} is the number of {first['path']}")
    expect(told).to_contain_text(first["receipts"][0])
    page.keyboard.press("Escape")
    expect(told).to_be_hidden()
    page.locator(".result .sources > button").first.focus()
    link = page.locator(".result .sources .pop a").first
    href = link.get_attribute("href") or ""
    link.click()
    expect(page.locator(f"#{href.partition('#')[2]}".replace(".", "\\."))).to_have_attribute("open", "")


def test_an_approval_can_be_edited_before_it_is_given(page: Page, service: Service) -> None:
    """The question shows the exact arguments; what is sent is what the person made of them."""
    run = asks(service, "Readers")
    page.goto("/inbox")
    ask = page.locator("section.ask")
    expect(ask).to_contain_text("Readers (weekly)")
    expect(page.locator(".nav .count")).to_contain_text("1")
    expect(ask.locator(".expiry")).to_contain_text("left to answer")
    ask.get_by_role("button", name="Change the arguments").click()
    ask.get_by_label("Name").fill("Readers of the brief")
    ask.get_by_role("button", name="Approve with changes").click()
    expect(page.get_by_text("Nothing waits for you")).to_be_visible()
    assert service.follow(run)["status"] == "done"
    receipt = service.http.get(f"/api/runs/{run}/receipts/rename.1").json()
    assert receipt["result"]["name"] == "Readers of the brief"
    page.goto(f"/runs/{run}")
    page.locator("[data-step=rename] .call > summary").click()
    expect(page.locator("[data-step=rename] .call")).to_contain_text("with other arguments")


def test_an_approval_is_given_in_the_run_itself(page: Page, service: Service) -> None:
    """The run's own page asks, and goes on before the reader's eyes."""
    run = asks(service, "Writers")
    page.goto(f"/runs/{run}")
    expect(page.locator("section.ask")).to_contain_text("Writers (weekly)")
    page.get_by_role("button", name="Approve", exact=True).click()
    expect(page.locator(f"[data-run='{run}']")).to_have_attribute("data-status", "done")
    expect(page.locator("section.ask")).to_have_count(0)
    receipt = service.http.get(f"/api/runs/{run}/receipts/rename.1").json()
    assert receipt["result"]["name"] == "Writers (weekly)"


def test_the_arguments_of_a_question_are_all_there_and_read_as_they_are_sent(
    page: Page, service: Service
) -> None:
    """No entry of a long list is left out, and no sign turns the order of a text around."""
    run = asks(service, "to \u202etnemeganam\u202c")
    page.goto(f"/runs/{run}")
    exact = page.locator("section.ask .exact")
    expect(exact).to_contain_text("to \\u202etnemeganam\\u202c (weekly)")
    script = """async () => {
        const { value } = await import("/page/parts.js");
        const { keep } = await import("/page/store.js");
        const { render } = await import("/page/view.js");
        for (const name of ["value", "last 100"]) keep(`fold a list.users ${name}`, true);
        const root = document.createElement("div");
        render(value("a list", { users: Array.from({ length: 300 }, (_, at) => `user ${at}`) }), root);
        return root.textContent;
    }"""
    assert "user 299" in page.evaluate(script)


def test_what_the_service_could_not_answer_is_asked_for_again(page: Page, service: Service) -> None:
    """A question that somebody else has answered does not stay open since the service was away just then."""
    run = asks(service, "Waiters")
    page.goto(f"/runs/{run}")
    expect(page.locator("section.ask")).to_contain_text("Waiters (weekly)")
    row, away = re.compile(rf"/api/runs/{run}$"), 0

    def refused(route: Route) -> None:
        nonlocal away
        away += 1
        route.fulfill(status=503, json={"detail": "not now"})

    page.route(row, refused)
    (ask,) = [each for each in service.http.get("/api/approvals").json() if each["run"] == run]
    said = {"approve": True, "arguments_hash": ask["arguments_hash"]}
    assert service.http.post(f"/api/approvals/{ask['id']}", json=said).status_code == 200
    expect(page.locator("[data-step=rename] .call.verified")).to_be_visible()
    assert service.follow(run)["status"] == "done"
    page.wait_for_timeout(500)  # whatever is asked for because of the run's end has been
    assert away
    page.unroute(row)
    expect(page.locator("section.ask")).to_have_count(0)


def test_a_refusal_keeps_its_reason(page: Page, service: Service) -> None:
    """Denying asks why; Escape thinks better of it; the reason stands in the run."""
    run = asks(service, "Nobody")
    page.goto(f"/runs/{run}")
    page.get_by_role("button", name="Deny").click()
    page.get_by_label("Why not").press("Escape")
    page.get_by_role("button", name="Deny").click()
    page.get_by_label("Why not").fill("We have that group")
    page.get_by_role("button", name="Deny").click()
    expect(page.locator(f"[data-run='{run}']")).to_have_attribute("data-status", "failed")
    expect(page.locator(".call.denied")).to_contain_text("We have that group")
    assert "We have that group" in json.dumps(service.http.get(f"/api/runs/{run}/receipts/rename.1").json())


def test_runs_are_found_by_words_status_and_workflow(page: Page, service: Service) -> None:
    """Filters stand in the address, and each narrows the list."""
    one, other = (
        service.submit("look", cell=CELL),
        service.submit("look", cell="00000000-0000-4000-8000-000000000001"),
    )
    assert service.follow(one)["status"] == "done"
    assert service.follow(other)["status"] == "failed"
    page.goto("/runs")
    row = page.locator("ul.rows li")
    expect(row.first).to_be_visible()
    page.get_by_label("Workflow").select_option("look")
    expect(row).to_have_count(2)
    page.get_by_label("Status").select_option("failed")
    expect(row).to_have_count(1)
    expect(row).to_contain_text(other)
    page.get_by_label("Status").select_option("")
    expect(row).to_have_count(2)
    page.get_by_label("Search runs").fill("5c432228")
    expect(row).to_have_count(1)
    expect(row).to_contain_text(one)
    assert "q=5c432228" in page.url
    page.get_by_label("Search runs").fill("nothing like that")
    expect(page.get_by_text("No run is like that")).to_be_visible()


def test_more_runs_stand_on_the_next_page(page: Page, service: Service) -> None:
    """Older leads to the runs before, Newest back."""
    for _ in range(2):
        service.follow(service.submit("look", cell=CELL))
    page.route("**/api/runs?*", lambda route: route.continue_(url=f"{route.request.url}&limit=1"))
    runs = service.http.get("/api/runs").json()["runs"]
    page.goto("/runs")
    expect(page.locator("ul.rows li")).to_contain_text(runs[0]["id"])
    page.get_by_role("link", name="Older").click()
    expect(page.locator("ul.rows li")).to_contain_text(runs[1]["id"])
    page.get_by_role("link", name="Newest").click()
    expect(page.locator("ul.rows li")).to_contain_text(runs[0]["id"])


def test_a_repair_is_accepted_or_rejected(page: Page, service: Service) -> None:
    """What a product changed stands there with its proof, and keeps a person's word."""
    assert service.follow(service.submit("look", cell=CELL))["status"] == "done"
    page.goto("/contracts")
    patch = page.locator("article.patch")
    expect(patch.first).to_contain_text("cellLabel")
    expect(patch.first).to_contain_text("Proof:")
    patch.first.get_by_role("button", name="Accept").click()
    expect(patch.first.locator("[data-status]")).to_have_text("Accepted")
    patch.first.get_by_role("button", name="Reject").click()
    expect(patch.first.locator("[data-status]")).to_have_text("Rejected")
    assert service.http.get("/api/contracts").json()[-1]["status"] == "rejected"


def test_a_failed_run_says_why_and_can_go_on_from_a_step(page: Page, service: Service) -> None:
    """The error stands there with the call that failed; a fork begins a run with other inputs."""
    run = service.submit("look", cell="00000000-0000-4000-8000-000000000002")
    assert service.follow(run)["status"] == "failed"
    page.goto(f"/runs/{run}")
    expect(page.locator(".problem").first).to_contain_text("was not found")
    expect(page.locator(".call.failed")).to_have_attribute("open", "")
    page.get_by_text("Do it again from a step").click()
    page.get_by_label("Cell").fill(CELL)
    page.get_by_role("button", name="Start").click()
    expect(page.locator(".page[data-run]")).not_to_have_attribute("data-run", run)
    expect(page.locator(".page[data-run]")).to_have_attribute("data-status", "done")


def test_a_chart_is_drawn_from_the_data_that_was_verified(page: Page, service: Service) -> None:
    """As many bars stand there as the call brought runs, and the source stands under them."""
    run = service.submit("ship-chart", project="62cc2191-90d1-5548-b40a-6206007e7ecd")
    assert service.follow(run)["status"] == "done"
    runs = service.http.get(f"/api/runs/{run}/receipts/data.1").json()["result"]["runs"]
    page.goto(f"/runs/{run}")
    expect(page.locator(".chart rect")).to_have_count(len([each for each in runs if each.get("elapsedTime")]))
    page.get_by_text("Source", exact=True).click()
    expect(page.locator(".listing")).to_contain_text("pd.DataFrame")


def test_a_batch_is_sent_and_followed(page: Page, service: Service) -> None:
    """What is wrong with a file is said with its line; a good one becomes a batch, followed to its end."""
    page.goto("/batches")
    page.get_by_text("New batch").click()
    page.get_by_label("Workflow").select_option("look")
    page.set_input_files("#batch-file", {"name": "items.csv", "mimeType": "text/csv", "buffer": b"cel\nx\n"})
    page.get_by_role("button", name="Start the batch").click()
    expect(page.get_by_role("alert")).to_contain_text("items.csv:1")
    good = f"cell\n{CELL}\n".encode()
    page.set_input_files("#batch-file", {"name": "items.csv", "mimeType": "text/csv", "buffer": good})
    page.get_by_role("button", name="Start the batch").click()
    expect(page.locator(".badge")).to_have_text("Ended")
    expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "1")
    with page.expect_download() as sent:
        page.get_by_role("link", name="Results").click()
    assert "About this page" in sent.value.path().read_text()
