"""The sandbox's world: the seed, tokens, snapshots."""

from __future__ import annotations

import json

import pytest

from definable.errors import UsageError
from definable.sandbox import World
from tests.unit.sandbox_desk import NOW, Desk, markdown, still


def test_same_seed_and_time_give_the_same_world() -> None:
    """Two worlds with one seed and one time are equal, tokens included; another seed has other ids."""
    one, two, other = World(7, still()), World(7, still()), World(8, still())
    assert one.snapshot() == two.snapshot()
    assert not one.state["projects"].keys() & other.state["projects"].keys()


def test_ids_hang_on_the_seed_alone() -> None:
    """A world planted a month later has the same ids, and its runs are as fresh as they were."""
    one, later = World(1, still()), World(1, still(NOW + 30 * 86_400))
    assert one.state["projects"].keys() == later.state["projects"].keys()
    assert min(r["asked"] for r in later.state["runs"].values()) > NOW + 19 * 86_400


@pytest.mark.parametrize("hour", range(0, 24, 3))
def test_reorder_forecast_has_failed_three_mornings_in_a_row(hour: int) -> None:
    """At any hour, the last three scheduled runs of the forecast failed and the one before did not."""
    desk = Desk()
    desk.world = World(1, still(NOW + hour * 3600))
    desk.gateway.world = desk.world
    _, body = desk.ask("GET", f"/projects/{desk.project('Inventory Reorder Forecast')}/runs")
    assert [r["status"] for r in body["runs"][:4]] == ["ERRORED"] * 3 + ["COMPLETED"]
    assert {r["runTrigger"] for r in body["runs"]} == {"SCHEDULED"}


def test_seed_is_worth_reading() -> None:
    """The workspace has a dozen projects, each with at least three cells, and two groups of one name."""
    state = World(1, still()).state
    assert len(state["projects"]) >= 12
    counts = [sum(c["projectId"] == key for c in state["cells"].values()) for key in state["projects"]]
    assert min(counts) >= 3
    names = [group["name"] for group in state["groups"].values()]
    assert len(names) == 4
    assert names.count("Analysts") == 2


def test_tokens_have_hexs_form() -> None:
    """Personal tokens start with hxtp_, workspace tokens with hxtw_, and 96 hex digits follow."""
    world = World(1, still())
    assert world.token.startswith("hxtp_")
    workspace = world.issue_token(kind="workspace", scopes=("projects:read",))
    assert workspace.startswith("hxtw_")
    assert all(len(bytes.fromhex(t[5:])) == 48 for t in (world.token, workspace))


@pytest.mark.parametrize(
    ("user", "scopes", "message"),
    [
        ("priya.ramen@harrowlane.example", (), "did you mean 'priya.raman@harrowlane.example'"),
        ("marcus.webb@harrowlane.example", (), "is EXPLORER: API tokens need Editor or higher"),
    ],
)
def test_tokens_need_a_known_editor(user: str, scopes: tuple[str, ...], message: str) -> None:
    """A token for nobody, or for somebody below Editor, is refused in words."""
    with pytest.raises(UsageError, match=message):
        World(1, still()).issue_token(user, scopes=scopes)


def test_scopes_are_checked() -> None:
    """An unknown scope is refused with the nearest known one."""
    with pytest.raises(UsageError, match="unknown scope 'project:read'") as caught:
        World(1, still()).issue_token(kind="workspace", scopes=("project:read",))
    assert caught.value.hint == "did you mean 'projects:read'?"


def test_snapshot_round_trips_through_json() -> None:
    """A restored world has the same state, effects, tokens and pending changes, and gives the next id."""
    desk = Desk([{"tool": "HEX_CREATE_CELL", "fault": "late_commit", "with": {"seconds": 60}}])
    desk.raw("POST", "/cells", markdown(desk))
    desk.ask("POST", "/cells", markdown(desk))
    saved = json.loads(json.dumps(desk.world.snapshot()))
    again = Desk()
    again.world = World.restore(saved, still())
    again.gateway.__init__(again.world)  # type: ignore[misc]
    assert again.world.snapshot()["state"] == desk.world.snapshot()["state"]
    for each in (desk, again):
        each.world.clock.advance(61)
    assert again.world.effects == desk.world.effects
    assert again.tools == ["HEX_CREATE_CELL"] * 2
    assert again.ask("POST", "/cells", markdown(desk))[1] == desk.ask("POST", "/cells", markdown(desk))[1]


def test_snapshots_of_another_format_are_refused() -> None:
    """A snapshot of an unknown format says which format it has."""
    with pytest.raises(UsageError, match="this sandbox snapshot has format 99, known is 1"):
        World.restore({"format": 99})
