"""OpenAI's API over runs: the real SDK, and plain HTTP, against a real service on loopback."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types.responses import Response

from tests.chat import a_cell, a_key, caller, rest, write_workflows
from tests.service import PROJECT, Service, serving

NONE = "12345678-0000-4000-8000-000000000000"
"""A cell that is not there: what waits for a person has sent nothing yet."""

RUN = re.compile(r"\d{8}-\d{4}-[0-9a-f]{12}")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Serve small workflows, behind keys."""
    root = tmp_path_factory.mktemp("openai")
    write_workflows(root)
    with serving(root) as served:
        key = a_key(served, "root", "admin")
        served.http.headers["authorization"] = f"Bearer {key}"
        yield served


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[openai.OpenAI]:
    """Return the SDK's client."""
    key = service.http.headers["authorization"].removeprefix("Bearer ")
    with openai.OpenAI(base_url=f"{service.url}/v1", api_key=key, max_retries=0, timeout=60) as made:
        yield made


def user(text: str) -> list[Any]:
    """Return a conversation of one message."""
    return [{"role": "user", "content": text}]


def test_each_workflow_is_a_model(client: openai.OpenAI) -> None:
    """And `definable` is the concierge; what is no model is a NotFoundError that says where to look."""
    names = [each.id for each in client.models.list()]
    assert names[0] == "definable"
    assert {"leave-note", "clean-up", "weekly-brief"} <= set(names)
    assert client.models.retrieve("leave-note").owned_by == "definable"
    for ask in (
        lambda: client.models.retrieve("no-such"),
        lambda: client.chat.completions.create(model="no-such", messages=user("hi")),
        lambda: client.responses.create(model="no-such", input="hi"),
    ):
        with pytest.raises(openai.NotFoundError) as caught:
            ask()
        assert caught.value.code == "model_not_found"
        assert caught.value.type == "invalid_request_error"
        assert "there is no model 'no-such'; see /v1/models" in str(caught.value)


def test_errors_have_openais_shape(service: Service, client: openai.OpenAI) -> None:
    """A wrong key, a viewer's key, a request that makes no sense: each is the SDK's own error."""
    with pytest.raises(openai.AuthenticationError, match="the key is not known"):
        client.with_options(api_key="dfn_no").models.list()
    with caller(service, "vi", "viewer") as vi:
        key = vi.http.headers["authorization"].removeprefix("Bearer ")
        with pytest.raises(openai.PermissionDeniedError, match="this needs operator"):
            client.with_options(api_key=key).responses.create(model="definable", input="hi")
    with pytest.raises(openai.BadRequestError, match="not a user's"):
        client.chat.completions.create(
            model="definable", messages=[*user("hi"), {"role": "assistant", "content": "hello"}]
        )
    picture: Any = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}
    with pytest.raises(openai.BadRequestError, match="'image_url' cannot be read"):
        client.chat.completions.create(model="definable", messages=[picture])
    with pytest.raises(openai.BadRequestError, match=r"metadata\.wait is 'long'"):
        client.responses.create(model="definable", input="hi", metadata={"wait": "long"})
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="definable", input="hi", previous_response_id="resp_0")
    assert caught.value.code == "previous_response_not_found"


def test_a_run_that_ends_in_time_is_answered_with_its_result(service: Service, client: openai.OpenAI) -> None:
    """Inputs as JSON need no model; the answer has outputs, evidence, the run and its link."""
    made = client.chat.completions.create(
        model="leave-note",
        messages=user(json.dumps({"project": PROJECT, "days": 3})),
        metadata={"wait": "60"},
    )
    text = made.choices[0].message.content or ""
    facts = (made.model_extra or {})["definable"]
    run = service.run(facts["run"])
    assert (run["status"], run["inputs"]["days"]) == ("done", 3)
    assert f"- cell: {run['outputs']['cell']}" in text
    assert "`HEX_CREATE_CELL` (note.1) verified, evidence: state" in text
    assert f"[Run {run['id']}]({service.url}/runs/{run['id']})" in text
    assert facts["status"] == "done"
    assert (made.object, made.choices[0].finish_reason, made.usage and made.usage.total_tokens) == (
        "chat.completion",
        "stop",
        0,
    )


def test_a_run_that_takes_longer_is_answered_at_once(service: Service, client: openai.OpenAI) -> None:
    """With `wait` 0 the answer says how to look again; so does the next turn, once it is done."""
    made = client.chat.completions.create(
        model="list-runs",
        messages=user(f"project: {PROJECT}"),
        metadata={"wait": "0", "thread_id": "slow"},
    )
    text = made.choices[0].message.content or ""
    assert "Say `status` in this conversation to look again" in text
    run = (made.model_extra or {})["definable"]["run"]
    rest(service, run)
    again = client.chat.completions.create(
        model="list-runs",
        messages=[*user(f"project: {PROJECT}"), {"role": "assistant", "content": text}, *user("status")],
        metadata={"thread_id": "slow"},
    )
    assert "**list-runs** is done." in (again.choices[0].message.content or "")
    assert (again.model_extra or {})["definable"]["run"] == run


def test_a_stream_tells_what_happens(service: Service, client: openai.OpenAI) -> None:
    """Calls as they are verified, the result, and usage at the end when it is asked for."""
    stream = client.chat.completions.create(
        model="definable",
        messages=user(f"list-runs: the ten latest runs of {PROJECT}"),
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    deltas = [each.choices[0].delta.content or "" for each in chunks if each.choices]
    text = "".join(deltas)
    assert "`runs` 10" in text
    assert text.index("- `HEX_GET_PROJECT_RUNS` verified") < text.index("**list-runs** is done.")
    assert len(deltas) > 4
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.prompt_tokens > 0  # the concierge's turn
    assert all(each.usage is None for each in chunks[:-1])


def test_a_plain_client_reads_the_stream(service: Service) -> None:
    """Server-sent events by hand: each line is JSON of one kind, and the last is [DONE]."""
    body = {"model": "list-runs", "messages": user(f"project={PROJECT}"), "stream": True}
    with service.http.stream("POST", "/v1/chat/completions", json=body, timeout=60) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = [line.removeprefix("data: ") for line in answer.iter_lines() if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    chunks = [json.loads(line) for line in lines[:-1]]
    assert {each["object"] for each in chunks} == {"chat.completion.chunk"}
    assert len({each["id"] for each in chunks}) == 1
    assert chunks[-1]["definable"]["status"] == "done"


def test_hidden_requests_start_nothing(service: Service, client: openai.OpenAI) -> None:
    """A title, tags and follow-up questions are answered from the text, whichever model is asked."""
    before = len(service.http.get("/api/runs?limit=200").json()["runs"])
    history = (
        f"<chat_history>\nUSER: leave a note in {PROJECT} now please\nASSISTANT: Started.\n</chat_history>"
    )
    for what, want in (("title", "leave a note in"), ("tags", "Definable"), ("follow_ups", "[]")):
        asked = (
            f'### Task:\nMake it.\n### Output:\nJSON format: {{ "{what}": … }}\n### Chat History:\n{history}'
        )
        made = client.chat.completions.create(model="leave-note", messages=user(asked))
        assert want in json.dumps(json.loads(made.choices[0].message.content or "")[what])
        chunks = client.chat.completions.create(model="definable", messages=user(asked), stream=True)
        assert want in "".join(each.choices[0].delta.content or "" for each in chunks)
        assert want in client.responses.create(model="leave-note", input=asked).output_text
        with client.responses.stream(model="leave-note", input=asked) as stream:
            assert want in stream.until_done().get_final_response().output_text
    assert len(service.http.get("/api/runs?limit=200").json()["runs"]) == before


def test_a_request_that_is_sent_again_is_one_run(service: Service, client: openai.OpenAI) -> None:
    """With an Idempotency-Key the second answer is of the same run; without one it is another run."""
    runs = [
        (
            client.chat.completions.create(
                model="clean-up",
                messages=user(f"cell={NONE}"),
                metadata={"wait": "0"},
                extra_headers={"Idempotency-Key": key} if key else {},
            ).model_extra
            or {}
        )["definable"]["run"]
        for key in ("once", "once", None, None)
    ]
    assert len(set(runs)) == 3
    assert runs[0] == runs[1]


def test_a_chat_is_known_by_its_name_and_asks_back(service: Service, client: openai.OpenAI) -> None:
    """The conversation of the client is what counts: its second message answers the question."""
    first = client.chat.completions.create(model="definable", messages=user("list-runs, please"), user="ana")
    asked = first.choices[0].message.content or ""
    assert "`project`" in asked
    assert not RUN.search(asked)
    talk = [*user("list-runs, please"), {"role": "assistant", "content": asked}, *user(PROJECT)]
    second = client.chat.completions.create(
        model="definable", messages=talk, user="ana", metadata={"wait": "0"}
    )
    run = (second.model_extra or {})["definable"]["run"]
    assert service.run(run)["inputs"]["project"] == PROJECT
    assert len(service.http.get("/api/threads").json()) >= 1


def test_a_question_is_answered_in_the_chat(service: Service, client: openai.OpenAI) -> None:
    """The text names what would be done; `approve` in the same chat does it, and in another one nothing."""
    cell = a_cell(service)
    headers = {"X-OpenWebUI-Chat-Id": "chat-1"}
    first = client.chat.completions.create(
        model="clean-up", messages=user(f"cell={cell}"), extra_headers=headers, metadata={"wait": "60"}
    )
    text = first.choices[0].message.content or ""
    assert "HEX_DELETE_CELL" in text
    assert cell in text
    assert "Answer `approve` or `deny: why`" in text
    talk = [*user(f"cell={cell}"), {"role": "assistant", "content": text}, *user("approve")]
    other = client.chat.completions.create(model="clean-up", messages=talk)
    assert "Nothing in this conversation waits" in (other.choices[0].message.content or "")
    done = client.chat.completions.create(
        model="clean-up", messages=talk, extra_headers=headers, metadata={"wait": "60"}
    )
    assert "Approved: `HEX_DELETE_CELL` (remove.1)." in (done.choices[0].message.content or "")
    assert "**clean-up** is done." in (done.choices[0].message.content or "")


def test_responses_have_calls_and_usage(service: Service, client: openai.OpenAI) -> None:
    """Each call is an `mcp_call` with its receipt; the response can be had again."""
    made = client.responses.create(
        model="leave-note", input=json.dumps({"project": PROJECT}), metadata={"wait": "60"}
    )
    assert made.status == "completed"
    assert "**leave-note** is done." in made.output_text
    (call,) = [each for each in made.output if each.type == "mcp_call"]
    assert (call.name, call.server_label, call.status) == ("HEX_CREATE_CELL", "hex", "completed")
    assert json.loads(call.output or "")["evidence"] == "state"
    assert made.usage is not None
    assert client.responses.retrieve(made.id).output_text == made.output_text


def test_a_response_in_the_background_is_looked_at_again(service: Service, client: openai.OpenAI) -> None:
    """It is in progress at first, and completed when its run is."""
    made = client.responses.create(model="list-runs", input=f"project={PROJECT}", background=True)
    assert made.status == "in_progress"
    rest(service, (made.metadata or {})["run"])
    assert client.responses.retrieve(made.id).status == "completed"


def approval(response: Response) -> str:
    """Return the id of the approval request in a response."""
    (asked,) = [each for each in response.output if each.type == "mcp_approval_request"]
    assert asked.name == "HEX_DELETE_CELL"
    return asked.id


def test_an_approval_is_an_item(service: Service, client: openai.OpenAI) -> None:
    """A request for it in one response, the answer in the next, once; a no is told with its reason."""
    for yes, status in ((True, "done"), (False, "failed")):
        cell = a_cell(service) if yes else NONE
        first = client.responses.create(model="clean-up", input=f"cell={cell}", metadata={"wait": "60"})
        answer: Any = {
            "type": "mcp_approval_response",
            "approval_request_id": approval(first),
            "approve": yes,
            "reason": "so be it",
        }
        after: dict[str, Any] = {"model": "clean-up", "input": [answer], "metadata": {"wait": "60"}}
        with pytest.raises(openai.BadRequestError, match="no question that this conversation has asked"):
            client.responses.create(**after)
        second = client.responses.create(previous_response_id=first.id, **after)
        assert (second.metadata or {})["status"] == status
        receipt = service.http.get(f"/api/runs/{(second.metadata or {})['run']}/receipts/remove.1").json()
        assert receipt["decided_by"] == "root"
        with pytest.raises(openai.BadRequestError):
            client.responses.create(previous_response_id=second.id, **after)


def test_an_operator_cannot_approve(service: Service, client: openai.OpenAI) -> None:
    """It takes an approver's key, and the run goes on waiting."""
    with caller(service, "op", "operator") as op:
        mine = client.with_options(api_key=op.http.headers["authorization"].removeprefix("Bearer "))
        first = mine.responses.create(model="clean-up", input=f"cell={NONE}", metadata={"wait": "60"})
        answer: Any = {
            "type": "mcp_approval_response",
            "approval_request_id": approval(first),
            "approve": True,
        }
        with pytest.raises(openai.PermissionDeniedError, match="an answer needs an approver's"):
            mine.responses.create(model="clean-up", input=[answer], previous_response_id=first.id)
        with pytest.raises(openai.BadRequestError):  # it is not the administrator's conversation
            client.responses.create(model="clean-up", input="status", previous_response_id="resp_1")
    assert service.run((first.metadata or {})["run"])["status"] == "waiting"


def test_a_response_streams_and_goes_on_after_a_question(service: Service, client: openai.OpenAI) -> None:
    """The SDK puts the events together; the text of the deltas is the text of the response."""
    cell = a_cell(service)
    with client.responses.stream(model="definable", input=f"please clean-up cell {cell}") as stream:
        events = list(stream)
        first = stream.get_final_response()
    assert [each.sequence_number for each in events] == sorted({each.sequence_number for each in events})
    deltas = "".join(each.delta for each in events if each.type == "response.output_text.delta")
    assert deltas == first.output_text
    with client.responses.stream(model="definable", input="approve", previous_response_id=first.id) as stream:
        last = stream.until_done().get_final_response()
    assert "- `HEX_DELETE_CELL` verified" in last.output_text
    assert "**clean-up** is done." in last.output_text
    approval(first)


def test_a_conversation_of_responses_is_kept(service: Service, client: openai.OpenAI) -> None:
    """`conversation` and `previous_response_id` both lead on: the next message answers what is asked back."""
    first = client.responses.create(model="definable", input="list-runs please", conversation="conv_1")
    assert "`project`" in first.output_text
    second = client.responses.create(
        model="definable", input=PROJECT, conversation="conv_1", metadata={"wait": "0"}
    )
    third = client.responses.create(
        model="definable",
        input="once more, with 3 runs",
        previous_response_id=second.id,
        metadata={"wait": "0"},
    )
    inputs = service.run((third.metadata or {})["run"])["inputs"]
    assert inputs == {"project": PROJECT, "runs": 3}


@pytest.mark.parametrize("number", [0, 1])
def test_what_the_page_shows_works(service: Service, number: int) -> None:
    """The programs in docs/chat.md, against this service, with their own asserts."""
    page = Path(__file__).parents[2] / "docs" / "chat.md"
    block = re.compile(r"^```py\n(.*?)^```$", re.DOTALL | re.MULTILINE)
    text = block.findall(page.read_text(encoding="utf-8"))[number]
    key = service.http.headers["authorization"].removeprefix("Bearer ")
    shown = text.replace("http://127.0.0.1:8484", service.url).replace("dfn_…", key)
    assert shown.count(service.url) == 1
    exec(compile(shown, str(page), "exec"), {"__name__": "shown"})
