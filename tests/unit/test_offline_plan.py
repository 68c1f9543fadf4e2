"""What the offline model asks for: reads only, ids from results only, nothing twice."""

from __future__ import annotations

import pytest

from definable.models.offline.names import kind, label, lists, points_to, singular, target, words
from definable.models.offline.plan import plan
from definable.models.offline.seen import Result, Seen, Tool, Use, result, split
from tests.unit.offline_world import CELLS, COMPANY, TOOLS, Workspace, company, ident, project, research, tool

FINDINGS = frozenset({"title", "points", "markdown"})
MODELS = pytest.mark.parametrize("model", ["openai/gpt-5.5", "anthropic/claude-opus-4-7"])


def seen(*tools: str, results: tuple[Result, ...] = (), **context: object) -> Seen:
    """Return a request with tools written as `NAME argument argument`."""
    offered = tuple(Tool(t.split()[0], tool(*t.split()).schema) for t in tools)
    return Seen("Do it", FINDINGS, offered, tuple(r.use for r in results), results, dict(context))


@MODELS
@pytest.mark.anyio
async def test_lists_come_first_and_then_what_hangs_on_their_ids(model: str) -> None:
    """One turn for the lists, one for everything below them, side by side; then the findings."""
    workspace = company()
    await research(model, "What ran?", workspace)
    asked = [[(u.name, u.arguments) for u in t.uses] for t in workspace.turns]
    assert asked[0] == [("HEX_LIST_PROJECTS", {})]
    assert asked[1] == [
        ("HEX_GET_PROJECT_RUNS", {"projectId": ident(n), "limit": 100}) for n in (0, 1, 2, 3, 6)
    ]
    assert asked[2:] == [[]]


@MODELS
@pytest.mark.anyio
async def test_the_same_request_gets_the_same_answer(model: str) -> None:
    """Ids of calls included: a replay finds what was recorded."""
    first, second = company(), company()
    assert await research(model, "What ran?", first) == await research(model, "What ran?", second)
    assert first.turns == second.turns


@pytest.mark.anyio
async def test_at_most_twenty_calls_of_one_tool() -> None:
    """Sixty projects do not mean sixty calls; one that the inputs name is among them."""
    workspace = Workspace([project(n, f"P{n}", n) for n in range(60)], {n: [] for n in range(60)}, {})
    await research("openai/gpt-5.5", "What ran?", workspace, inputs={"projectId": ident(59)})
    asked = [u.arguments["projectId"] for u in workspace.turns[1].uses]
    assert asked == [ident(59), *(ident(n) for n in range(19))]


@pytest.mark.anyio
async def test_a_question_ranks_what_to_look_into() -> None:
    """When there are more than can be read, those that share words with the question come first."""
    projects = [project(n, f"P{n}", n) for n in range(30)] + [project(30, "Churn Model", 1)]
    workspace = Workspace(projects, {}, {})
    await research("openai/gpt-5.5", "Look", workspace, (TOOLS[0], CELLS), inputs={"question": "Why churn?"})
    assert workspace.turns[1].uses[0].arguments["projectId"] == ident(30)


def test_tools_that_may_change_something_are_never_called() -> None:
    """Only a reading verb in the name makes a tool one to call, whatever is offered."""
    offered = seen("HEX_DELETE_CELL", "HEX_RUN_PROJECT", "CANCEL_ALL", "HEX_PUBLISH_GUIDE_DRAFTS")
    assert plan(offered) == []


def test_an_id_from_the_inputs_is_used_where_nothing_lists_it() -> None:
    """`project`, `projectId` and `project_id` all name a project."""
    for key in ("project", "projectId", "project_id"):
        assert plan(seen("HEX_LIST_CELLS projectId", inputs={key: "p1"})) == [
            Use("HEX_LIST_CELLS", {"projectId": "p1", "limit": 100})
        ]


def test_a_tool_whose_arguments_nobody_knows_is_left_alone() -> None:
    """Nothing is guessed."""
    assert (
        plan(seen("HEX_GET_CELL cellId", "HEX_LIST_THINGS color", "HEX_GET_RUN_STATUS projectId runId")) == []
    )


def test_two_ids_are_both_taken_from_the_inputs() -> None:
    """A call that needs two ids is made when both are given."""
    offered = seen("HEX_GET_RUN_STATUS projectId runId", inputs={"project": "p", "run": "r"})
    assert [u.arguments for u in plan(offered)] == [{"projectId": "p", "runId": "r", "limit": 100}]


def test_a_search_is_made_with_the_question() -> None:
    """The one text that may be passed on is what was asked."""
    offered = seen("FIND_PAGES query", inputs={"question": "refunds"})
    assert plan(offered) == [Use("FIND_PAGES", {"query": "refunds"})]


def test_another_product_is_read_by_the_same_rules() -> None:
    """Names of tools and fields are read, not known: ids of issues lead to their comments."""
    listed = Result("r.1", Use("JIRA_LIST_ISSUES", {}), {"issues": [{"id": "7"}, {"id": "8"}]})
    asked = plan(seen("JIRA_LIST_ISSUES", "JIRA_LIST_ISSUE_COMMENTS issue_id", results=(listed,)))
    assert [u.arguments["issue_id"] for u in asked] == ["7", "8"]


def test_nothing_is_asked_for_twice() -> None:
    """A failed read is not repeated: retries are the Verifier's."""
    failed = Result("r.1", Use("HEX_LIST_PROJECTS", {}), error="503")
    assert plan(seen("HEX_LIST_PROJECTS", results=(failed,))) == []


def test_a_draft_needs_no_reading() -> None:
    """A writer with tools still writes from what was handed over."""
    request = Seen("Write", frozenset({"markdown"}), (Tool("HEX_LIST_PROJECTS", {}),))
    assert plan(request) == []


def test_what_was_handed_over_is_not_read_again() -> None:
    """A designer reads only when nothing was handed over."""
    shape = frozenset({"kind", "source", "caption"})
    offered = (Tool("HEX_LIST_PROJECTS", {}),)
    assert plan(Seen("Draw", shape, offered)) == [Use("HEX_LIST_PROJECTS", {})]
    assert plan(Seen("Draw", shape, offered, context={"previous": {"runs": []}})) == []


def test_the_archived_and_the_unpublished_have_no_runs_to_read() -> None:
    """What was put away is not looked into; what was never published has cells, but no runs."""
    listed = Result("r.1", Use("HEX_LIST_PROJECTS", {}), {"values": COMPANY[0]})
    asked = plan(seen("HEX_LIST_PROJECTS", "HEX_LIST_CELLS projectId", results=(listed,)))
    assert [u.arguments["projectId"] for u in asked] == [ident(n) for n in (0, 1, 2, 3, 4, 6)]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("HEX_LIST_PROJECTS", "project"),
        ("HEX_GET_PROJECT_RUNS", "run"),
        ("HEX_GET_RUN_STATUS", ""),
        ("X", ""),
    ],
)
def test_a_plural_says_that_a_tool_lists(name: str, said: str) -> None:
    """`STATUS` ends in an s and is none."""
    assert lists(name) == said


def test_names_are_split_into_words() -> None:
    """Camel case, snake case and capitals alike."""
    assert words("orgGuideFileId") == words("org_guide_file_id") == ["org", "guide", "file", "id"]
    assert points_to("dataConnectionId") == {"data", "connection"}
    assert points_to("limit") == points_to("id") == set()
    assert (singular("queries"), singular("process"), kind("HEX_LIST_DATA_CONNECTIONS")) == (
        "query",
        "process",
        "connection",
    )
    assert target("HEX_CREATE_CELL") == []
    assert label("HEX_GET_PROJECT_RUNS", ("projectId",)) == "runs"
    assert label("HEX_LIST_DATA_CONNECTIONS", ()) == "data connections"


def test_the_context_is_the_last_fence_of_the_prompt() -> None:
    """An example in the step's own text does not take its place; broken JSON is left as text."""
    assert split('Say ```json\n{"a": 1}\n```\n\n```json\n{"b": 2}\n```') == (
        'Say ```json\n{"a": 1}\n```',
        {"b": 2},
    )
    assert split("Write ```json\n{broken\n```") == ("Write ```json\n{broken\n```", {})


@pytest.mark.parametrize(
    ("content", "failed", "body", "error"),
    [
        ('{"receipt": "r.1", "result": {"a": 1}}', False, {"a": 1}, ""),
        ('{"receipt": "r.1", "error": "404"}', True, None, "404"),
        ('{"receipt": "r.1", "error": {"code": 404}}', False, None, '{"code": 404}'),
        ("plain text", False, "plain text", ""),
        ("plain text", True, None, "plain text"),
        ("[1]", False, [1], ""),
    ],
)
def test_a_tool_result_is_read_in_any_form(content: str, failed: bool, body: object, error: str) -> None:
    """With a receipt as agreed; anything else is taken for what it is."""
    got = result(Use("T", {}), content, failed)
    assert (got.body, got.error) == (body, error)
