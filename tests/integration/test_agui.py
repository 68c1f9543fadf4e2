"""The AG-UI door, as the real AG-UI client meets it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from definable.service.agui_concierge import OFFLINE
from tests.agui_client import installed, turns
from tests.chat import write_workflows
from tests.integration.test_service import ASKS, LISTS, MAKES
from tests.models import model_server
from tests.service import PROJECT, Service, in_no_hurry, serving


@pytest.fixture(scope="module")
def client() -> Path:
    """Return the folder of the client."""
    return installed()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Serve a workspace with small workflows of its own."""
    root: Path = tmp_path_factory.mktemp("agui")
    write_workflows(root)
    for name, text in (("asks", ASKS), ("makes", MAKES), ("lists", LISTS)):
        (root / "workflows" / f"{name}.yaml").write_text(text)
    with in_no_hurry() as environ, serving(root, environ) as up:
        yield up


def kinds(turn: dict[str, Any]) -> list[str]:
    """Return the types of a turn's events."""
    return [event["type"] for event in turn["events"]]


def cell(service: Service, label: str) -> str:
    """Make a cell in the simulator and return its id."""
    made: str = service.follow(service.submit("makes", label=label))["outputs"]["cell"]
    return made


def runs(service: Service, workflow: str) -> list[dict[str, Any]]:
    """Return the runs of a workflow."""
    found: list[dict[str, Any]] = service.http.get(f"/api/runs?workflow={workflow}").json()["runs"]
    return found


def test_a_run_is_a_conversation(service: Service, client: Path) -> None:
    """Steps, agents, calls with results, texts, state and usage all arrive, and the client takes each."""
    [turn] = turns(
        client, f"{service.url}/agui/weekly-brief", "t", {"run": "r", "say": f"project: {PROJECT}"}
    )
    assert turn["error"] is None
    found = kinds(turn)
    assert found[:2] == ["RUN_STARTED", "STATE_SNAPSHOT"]
    assert found[-1] == "RUN_FINISHED"
    assert found.count("STEP_STARTED") == found.count("STEP_FINISHED") == 3
    assert found.count("SUBAGENT_STARTED") == found.count("SUBAGENT_FINISHED") == 2
    assert found.count("TOOL_CALL_START") == found.count("TOOL_CALL_RESULT") >= 3
    state = turn["state"]
    assert (state["status"], state["workflow"]) == ("done", "weekly-brief")
    assert {step["status"] for step in state["steps"]} == {"done"}
    assert state["calls"]["made"] == state["calls"]["verified"] == found.count("TOOL_CALL_RESULT")
    messages = {message["id"]: message for message in turn["messages"]}
    assert messages[f"{state['run']}/brief"]["content"] == turn["events"][-1]["result"]["brief"]
    card = messages[f"{state['run']}/deliver.1/activity"]["content"]
    assert (card["status"], card["known_by"], card["sent"]) == ("verified", "state", 1)
    assert card["attempts"][-1]["verdict"]["failure"] == "ok"
    result = json.loads(messages[f"{state['run']}/deliver.1/result"]["content"])
    assert result["result"]["id"] == state["outputs"]["cell"]
    usage = turn["events"][-1]["usage"]
    assert {each["provider"] for each in usage} == {"offline"}
    assert all(each["totalTokens"] == each["inputTokens"] + each["outputTokens"] for each in usage)


def test_a_question_ends_the_turn_and_its_answer_is_the_next(service: Service, client: Path) -> None:
    """New input is refused while it is open; the answer goes on with the same run, once."""
    made, before = cell(service, "agui"), len(runs(service, "asks"))
    answer = {"approve": True, "reason": "it is old"}
    asked, refused = turns(
        client,
        f"{service.url}/agui/asks",
        "q",
        {"run": "1", "inputs": {"cell": made}},
        {"run": "2", "say": f"cell: {made}", "forget": True},
    )
    assert kinds(asked)[-1] == "RUN_FINISHED"
    [interrupt] = asked["interrupts"]
    assert interrupt["reason"] == "approval"
    assert made in interrupt["message"]
    assert interrupt["responseSchema"]["required"] == ["approve"]
    assert kinds(refused) == ["RUN_STARTED", "RUN_ERROR"]
    assert refused["events"][-1]["code"] == "open_interrupts"
    again, resumed, once_more = turns(
        client,
        f"{service.url}/agui/asks",
        "q",
        {"run": "1"},
        {"run": "3", "answer": answer},
        {"run": "3", "answer": answer},
    )
    assert [each["id"] for each in again["interrupts"]] == [interrupt["id"]]
    assert "TOOL_CALL_START" not in kinds(resumed)
    assert kinds(resumed)[-1] == "RUN_FINISHED"
    assert resumed["state"]["status"] == "done"
    card = next(m["content"] for m in resumed["messages"] if m["role"] == "activity")
    assert (card["status"], card["decided"]["reason"]) == ("verified", "it is old")
    assert once_more["state"] == resumed["state"]
    assert len(once_more["messages"]) == len(resumed["messages"])
    assert [run["id"] for run in runs(service, "asks")[: -before or None]] == [resumed["state"]["run"]]


def test_what_is_dismissed_is_a_no(service: Service, client: Path) -> None:
    """The run ends, and says who has denied it."""
    _, denied = turns(
        client,
        f"{service.url}/agui/asks",
        "no",
        {"run": "1", "inputs": {"cell": cell(service, "stays")}},
        {"run": "2", "answer": None},
    )
    assert kinds(denied)[-1] == "RUN_ERROR"
    assert "denied" in denied["events"][-1]["message"]
    assert denied["state"]["status"] == "failed"


def test_who_leaves_stops_nothing_and_comes_back_to_the_same_run(service: Service, client: Path) -> None:
    """Under the same run id the whole turn is there; there is one run, and one cell."""
    before = len(runs(service, "makes"))
    script: list[dict[str, Any]] = [
        {"run": "1", "inputs": {"label": "left"}, "leave": "RUN_STARTED"},
        {"run": "1", "inputs": {"label": "left"}},
        {"run": "1", "inputs": {"label": "left"}, "fresh": True},
    ]
    left, back, fresh = turns(client, f"{service.url}/agui/makes", "leaves", *script)
    assert "RUN_FINISHED" not in kinds(left)
    assert back["state"]["status"] == fresh["state"]["status"] == "done"
    assert back["messages"] == fresh["messages"]
    assert len(runs(service, "makes")) == before + 1


def test_inputs_that_do_not_fit_are_told_in_the_stream(service: Service, client: Path) -> None:
    """What is missing, what is unknown and what is no JSON: each says what to do, and no run begins."""
    before = len(runs(service, "lists"))
    told = turns(
        client,
        f"{service.url}/agui/lists",
        "wrong",
        {"run": "1", "say": "most: many"},
        {"run": "2", "say": "moost: 3"},
        {"run": "3", "say": '{"most": 3'},
        {"run": "4", "inputs": {"most": 1000}},
    )
    messages = [turn["events"][-1]["message"] for turn in told]
    assert [kinds(turn)[-1] for turn in told] == ["RUN_ERROR"] * 4
    assert "a whole number is expected" in messages[0]
    assert "did you mean 'most'" in messages[1]
    assert "begins like JSON" in messages[2]
    assert "at most 100" in messages[3]
    assert len(runs(service, "lists")) == before


def test_there_is_no_agent_but_the_workflows(service: Service) -> None:
    """Another name is a 404 with what is there; a body that is none is a 422."""
    wish = {"threadId": "t", "runId": "1", "messages": []}
    missing = service.http.post("/agui/weekly", json=wish)
    assert (missing.status_code, missing.json()["hint"]) == (404, "see /api/workflows")
    assert service.http.post("/agui/lists", json={"threadId": "t"}).status_code == 422


WORDS = ["RUN_STARTED", "TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END", "RUN_FINISHED"]
"""What a turn that is an answer in words consists of."""


def posted(service: Service, thread: str, run: str, text: str, **more: Any) -> list[dict[str, Any]]:
    """Say something to the concierge over plain HTTP, and return the events."""
    message = {"id": f"say-{run}", "role": "user", "content": text}
    wish = {"threadId": thread, "runId": run, "protocolVersion": "1.0", "messages": [message], **more}
    told = service.http.post("/agui/definable", json=wish)
    assert told.status_code == 200, told.text
    return [json.loads(line[6:]) for line in told.text.splitlines() if line.startswith("data: ")]


def said(turn: dict[str, Any]) -> str:
    """Return the text of a turn's first message."""
    return str(next(event["delta"] for event in turn["events"] if event["type"] == WORDS[2]))


def test_the_concierge_asks_back_and_shows_the_run_that_it_starts(service: Service, client: Path) -> None:
    """What is missing is asked for in words; the next message gives it, and the run comes as its own."""
    before = len(runs(service, "leave-note"))
    asked, started, looked, again = turns(
        client,
        f"{service.url}/agui/definable",
        "words",
        {"run": "1", "say": "leave a note on the last two weeks, please"},
        {"run": "2", "say": PROJECT},
        {"run": "3", "say": "status"},
        {"run": "2", "fresh": True},
    )
    assert [turn["error"] for turn in (asked, started, looked, again)] == [None] * 4
    assert kinds(asked) == kinds(looked) == WORDS
    assert "Project that receives the note" in said(asked)
    assert said(asked).endswith(OFFLINE)
    assert asked["events"][1]["metadata"] == {"offline": True}
    assert (asked["result"]["workflow"], asked["result"]["missing"]) == ("leave-note", ["project"])
    assert asked["events"][-1]["usage"][0]["provider"] == "offline"
    state = started["state"]
    assert (state["status"], state["inputs"]) == ("done", {"project": PROJECT, "days": 14})
    assert said(started).startswith("Started **leave-note**")
    ends = {event["runId"] for event in started["events"] if event["type"] in ("RUN_STARTED", "RUN_FINISHED")}
    assert ends == {"2"}
    inputs = {"project": PROJECT, "days": 14}
    [alone] = turns(client, f"{service.url}/agui/leave-note", "alone", {"run": "1", "inputs": inputs})
    assert kinds(started)[:5] == ["RUN_STARTED", "STATE_SNAPSHOT", *WORDS[1:4]]
    assert [*kinds(started)[:2], *kinds(started)[5:]] == kinds(alone)
    assert "**leave-note** is done." in said(looked)
    assert OFFLINE not in said(looked)
    assert kinds(again) == kinds(started)
    assert again["state"] == state
    assert len(runs(service, "leave-note")) == before + 2


def test_the_concierge_s_run_is_answered_in_its_thread(service: Service, client: Path) -> None:
    """No words are taken while its question is open; the answer goes on with the run, in this thread only."""
    made = cell(service, "concierge")
    asked, refused = turns(
        client,
        f"{service.url}/agui/definable",
        "asks",
        {"run": "1", "say": f"clean-up, cell={made}"},
        {"run": "2", "say": "and another one", "forget": True},
    )
    [interrupt] = asked["interrupts"]
    assert made in interrupt["message"]
    assert (kinds(refused), refused["events"][-1]["code"]) == (
        ["RUN_STARTED", "RUN_ERROR"],
        "open_interrupts",
    )
    entry = {"interruptId": interrupt["id"], "status": "resolved", "payload": {"approve": True}}
    elsewhere = posted(service, "other", "1", "yes", resume=[entry])
    assert elsewhere[-1]["code"] == "unknown_interrupt"
    answer = {"approve": True, "reason": "it is old"}
    again, resumed, once_more, thanks = turns(
        client,
        f"{service.url}/agui/definable",
        "asks",
        {"run": "1"},
        {"run": "3", "answer": answer},
        {"run": "3", "answer": answer},
        {"run": "4", "say": "thanks, that was all"},
    )
    assert [each["id"] for each in again["interrupts"]] == [interrupt["id"]]
    assert "TOOL_CALL_START" not in kinds(resumed)
    assert resumed["state"]["status"] == "done"
    card = next(m["content"] for m in resumed["messages"] if m["role"] == "activity")
    assert (card["status"], card["decided"]["reason"]) == ("verified", "it is old")
    assert once_more["state"] == resumed["state"]
    assert kinds(thanks) == WORDS
    assert [run["id"] for run in runs(service, "clean-up")] == [resumed["state"]["run"]]


def test_a_run_id_that_is_sent_to_the_concierge_again_is_the_same_run(service: Service) -> None:
    """Eight at once, and then one with another text: one run, and all are shown it."""
    text = f"leave-note for {PROJECT}"
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda _: posted(service, "same", "1", text), range(8)))
    told.append(posted(service, "same", "1", "something else"))
    assert len({events[1]["snapshot"]["run"] for events in told}) == 1
    assert {events[-1]["type"] for events in told} == {"RUN_FINISHED"}
    assert posted(service, "same", "2", "   ")[-1]["code"] == "no_message"
    assert posted(service, "another", "1", "what can you do?")[-1]["type"] == "RUN_FINISHED"


def test_a_concierge_s_model_that_fails_is_told_in_the_stream(tmp_path: Path) -> None:
    """And the same run id is answered once a model is there; that one is not said to be offline."""
    write_workflows(tmp_path)
    with model_server() as models:
        away = {**models.environ, "OPENAI_BASE_URL": "http://127.0.0.1:9"}
        with serving(tmp_path, away, offline=False, slots=0) as service:
            failed = posted(service, "t", "1", "leave-note, please")
        with serving(tmp_path, models.environ, offline=False, slots=0) as service:
            asked = posted(service, "t", "1", "leave-note, please")
    assert [event["type"] for event in failed] == ["RUN_STARTED", "RUN_ERROR"]
    assert "gpt-5.5" in failed[-1]["message"]
    assert [event["type"] for event in asked] == WORDS
    assert asked[-1]["result"]["missing"] == ["project"]
    assert OFFLINE not in asked[2]["delta"]
