"""What may stand under `triggers`, and what `definable check` says of the rest."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from definable.engine.schedules import LATE, Schedule, Table, schedules_of
from definable.workspace import check
from tests.unit.folder import workspace

INPUTS = "inputs: { project: { type: string }, days: { type: integer, default: 7, maximum: 31 } }"
STEPS = "steps: [{ id: a, agent: writer, prompt: x }]"
NIGHTLY = '{ schedule: "0 2 * * *", timezone: Europe/Paris, inputs: { project: p } }'
HOOK = '{ webhook: w, secret: W_KEY, inputs: { project: "${{ event.body.project }}" } }'


def file(*triggers: str, name: str = "w") -> str:
    """Return a workflow with these triggers, one a line from line 6 on."""
    lines = [f"name: {name}", "description: d", INPUTS, STEPS, "triggers:", *(f"  - {t}" for t in triggers)]
    return "\n".join(lines) + "\n"


def found(root: Path, *triggers: str) -> list[str]:
    """Return the problems of a workflow with these triggers, without the file's name."""
    space = workspace(root, {"workflows/w.yaml": file(*triggers)})
    return [str(problem).removeprefix("workflows/w.yaml:") for problem in check(space, ["w"])]


def test_what_is_right_has_no_problems(tmp_path: Path) -> None:
    """Schedules with plain inputs, and webhooks whose inputs come from the event."""
    body = '{ webhook: v, secret: V_KEY, inputs: { project: "p-${{ event.query.p }}", days: 3 } }'
    assert found(tmp_path, NIGHTLY, HOOK, body) == []


@pytest.mark.parametrize(
    ("trigger", "token", "problem"),
    [
        (
            '{ schedule: "61 * * * *", inputs: { project: p } }',
            '"61',
            "triggers[0].schedule: '61' is no minute: 0 to 59",
        ),
        (
            '{ schedule: "0 7 * * 1", timezone: Europe/Pariss, inputs: { project: p } }',
            "Europe",
            "triggers[0].timezone: there is no time zone 'Europe/Pariss'; did you mean 'Europe/Paris'?",
        ),
        (
            '{ schedule: "0 7 * * 1", timezone: Paris, inputs: { project: p } }',
            "Paris",
            "there is no time zone 'Paris'; did you mean 'Europe/Paris'?",
        ),
        (
            '{ schedule: "0 7 * * 1", missed: all, inputs: { project: p } }',
            "all",
            "triggers[0].missed: one of skip, last is expected, not 'all'",
        ),
        (
            '{ schedule: "0 7 * * 1" }',
            "{",
            "triggers[0].inputs: missing project; a run cannot start without",
        ),
        (
            '{ schedule: "0 7 * * 1", inputs: { project: p, days: 99 } }',
            "99",
            "triggers[0].inputs.days: at most 31 is expected, not 99",
        ),
        (
            '{ schedule: "0 7 * * 1", inputs: { project: p, day: 1 } }',
            "day:",
            "triggers[0].inputs: there is no input 'day'; did you mean 'days'?",
        ),
        (
            '{ schedule: "0 7 * * 1", inputs: { project: "${{ event.body.p }}" } }',
            '"${{',
            "${{ event.body.p }}: a schedule's inputs are plain values; only a webhook has an event",
        ),
        (
            '{ webhook: w, secret: W_KEY, inputs: { project: "${{ run.id }}" } }',
            '"${{',
            "${{ run.id }}: here is only what the webhook brought",
        ),
        (
            '{ webhook: w, secret: W_KEY, inputs: { project: "${{ event.boddy.p }}" } }',
            '"${{',
            "${{ event.boddy.p }}: event has no 'boddy'; did you mean 'body'?",
        ),
        (
            '{ webhook: w, secret: W_KEY, inputs: { project: p, days: "in ${{ event.body.d }}" } }',
            '"in',
            "text around ${{ }} is a text, and the input is of type integer",
        ),
        (
            "{ webhook: w, secret: 8f3c2a1b9d, inputs: { project: p } }",
            "8f3",
            "triggers[0].secret: the name of an environment variable is expected, such as REPORT_KEY; "
            "a secret itself never stands in a file",
        ),
        (
            "{ webhook: w, secret: AKIA1234567890ABCDEF, inputs: { project: p } }",
            "AKIA",
            "triggers[0].secret: the name of an environment variable is expected",
        ),
        ("{ webhook: w, inputs: { project: p } }", "{", "a webhook needs a `secret`"),
        (
            '{ schedule: "0 7 * * 1", webhook: w, secret: K, inputs: { project: p } }',
            "{",
            "a trigger has either a schedule or a webhook",
        ),
        (
            "{ webhook: w, secret: K, missed: last, inputs: { project: p } }",
            "{",
            "missed does not go with 'webhook'",
        ),
        (
            '{ shedule: "0 7 * * 1", inputs: { project: p } }',
            "shed",
            "unknown key 'shedule'; did you mean 'schedule'?",
        ),
    ],
)
def test_each_mistake_is_said_at_its_place(tmp_path: Path, trigger: str, token: str, problem: str) -> None:
    """Line and column are those of the value, or of the key that should not be there."""
    problems = found(tmp_path, trigger)
    at = f"6:{f'  - {trigger}'.index(token) + 1}: "
    assert any(each.startswith(at) and problem in each for each in problems), problems


def test_a_webhook_has_its_name_to_itself_in_a_workspace(tmp_path: Path) -> None:
    """Both workflows are told, and a name that stands twice in one file as well."""
    files = {"workflows/w.yaml": file(HOOK, HOOK), "workflows/v.yaml": file(HOOK, name="v")}
    problems = [str(problem) for problem in check(workspace(tmp_path, files))]
    assert [p for p in problems if "webhook" in p] == [
        "workflows/v.yaml:6:16: the webhook 'w' is in workflows/w.yaml as well",
        "workflows/w.yaml:6:16: the webhook 'w' is in triggers[1] as well",
        "workflows/w.yaml:6:16: the webhook 'w' is in workflows/v.yaml as well",
        "workflows/w.yaml:7:16: the webhook 'w' is in triggers[0] as well",
        "workflows/w.yaml:7:16: the webhook 'w' is in workflows/v.yaml as well",
    ]


def test_an_event_is_only_in_a_webhooks_inputs(tmp_path: Path) -> None:
    """A step that names it is told where it may stand."""
    text = file(HOOK).replace("prompt: x", 'prompt: "${{ event.body.x }}"')
    problems = check(workspace(tmp_path, {"workflows/w.yaml": text}), ["w"])
    assert "event is only in the inputs of a webhook" in str(problems[0])


def test_equal_schedules_are_told_apart_and_inputs_make_no_other_one(tmp_path: Path) -> None:
    """A schedule is known by its workflow, its cron, its zone, and which of equal ones it is."""
    other = NIGHTLY.replace("project: p", "project: q")
    space = workspace(tmp_path, {"workflows/w.yaml": file(NIGHTLY, other, HOOK)})
    assert [each.id for each in schedules_of(space.workflow("w"), "w")] == [
        "w/0 2 * * * Europe/Paris",
        "w/0 2 * * * Europe/Paris #2",
    ]


def test_a_table_follows_its_files_and_goes_on_without_broken_ones(tmp_path: Path) -> None:
    """What changed is read again; one that cannot be read is told of, once, and the others stay."""
    told: list[str] = []
    files = {"workflows/w.yaml": file(NIGHTLY), "workflows/v.yaml": file(NIGHTLY, name="v")}
    space = workspace(tmp_path, files)
    table = Table(space, lambda name, problems: told.append(name))
    assert {each.workflow for each in table.read()} == {"w", "v"}
    path = tmp_path / "workflows" / "w.yaml"
    path.write_text(file(NIGHTLY).replace("triggers:", "triggers: ["))
    assert [each.workflow for each in table.read()] == ["v"]
    assert [each.workflow for each in table.read()] == ["v"]
    assert told == ["w"]
    path.write_text(file(NIGHTLY.replace("0 2", "30 4")))
    assert {each.cron for each in table.read() if each.workflow == "w"} == {"30 4 * * *"}
    path.unlink()
    assert [each.workflow for each in table.read()] == ["v"]


@pytest.mark.parametrize(
    ("missed", "away", "due"),
    [
        ("skip", 30, ["07:00"]),
        ("skip", LATE * 2, []),
        ("last", 30, ["07:00"]),
        ("last", LATE * 2, ["07:00"]),
        ("last", 50 * 3600, ["07:00"]),
    ],
)
def test_what_becomes_of_times_that_nobody_was_there_for(missed: str, away: float, due: list[str]) -> None:
    """Up to a minute late is not missed; of what was missed, `last` has one run and `skip` none."""
    daily = Schedule("w", "0 7 * * *", "UTC", missed=missed)
    seven = datetime(2026, 11, 23, 7, tzinfo=UTC).timestamp()
    found = daily.due(seven - 1, seven + away) if away < 86400 else daily.due(seven - away, seven + LATE + 1)
    assert [f"{datetime.fromtimestamp(each, UTC):%H:%M}" for each in found] == due
