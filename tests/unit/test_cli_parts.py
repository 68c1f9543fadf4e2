"""Small parts of the command line: pairs, words, the board, the table of receipts, the report."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from definable.calls import Ask, Failure, Heal, Receipt
from definable.cli import receipts, words
from definable.cli.board import Board
from definable.cli.dry import described
from definable.cli.pairs import read_object, split, typed
from definable.cli.report import Report, spent
from definable.cli.screen import Screen, harmless
from definable.cli.watch import folded
from definable.errors import StoreError, UsageError
from definable.spec.model import Evidence
from definable.store.rows import AskRow, RunRow, RunStatus
from tests.unit.test_cli_narrate import decided, event, exchanged, proposed
from tests.unit.test_cli_narrate import receipt as receipt_event


@pytest.mark.parametrize(
    ("text", "schema", "value"),
    [
        ("7", {"type": "string"}, "7"),
        ("7", {"type": "integer"}, 7),
        ("x", {"type": "integer"}, "x"),
        ("true", {"type": "boolean"}, True),
        ("true", {"type": ["string", "null"]}, "true"),
        ("null", {"type": ["string", "null"]}, None),
        ('{"a": 1}', {"type": "object"}, {"a": 1}),
        ("[1]", {"anyOf": [{"type": "string"}, {"type": "array"}]}, [1]),
        ("5", {"enum": ["5", "6"]}, "5"),
        ("5", {}, 5),
        ("plain", {}, "plain"),
    ],
)
def test_values_are_read_by_the_declared_type(text: str, schema: dict[str, Any], value: Any) -> None:
    """A value becomes what the schema wants, and stays text when it does not fit."""
    assert typed(text, schema) == value


def test_pairs_keep_everything_after_the_first_equals_sign() -> None:
    """A value may hold equals signs."""
    assert split(["sql=select a=b", "empty="]) == {"sql": "select a=b", "empty": ""}


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["days"], "-i 'days' is not key=value"),
        (["=7"], "-i '=7' is not key=value"),
        (["a=1", "a=2"], "-i a is given twice: '1' and '2'"),
    ],
)
def test_pairs_that_make_no_sense_are_refused(pairs: list[str], message: str) -> None:
    """A pair without a key or an equals sign, or given twice, is named in the error."""
    with pytest.raises(UsageError) as caught:
        split(pairs)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[1]", 'inputs are an object such as {"days": 7}, not a list'),
        (b"{", "1:2: not JSON"),
        (b'{"a": "\xff"}', "is not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": {"b": 1, "b": 2}}', "the key 'b' stands in one object twice; keep one"),
    ],
)
def test_a_file_of_inputs_that_is_no_object_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    """What is wrong with a file of inputs is said with its place."""
    path = tmp_path / "in.json"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"in\.json") as caught:
        read_object(path)
    assert message in caught.value.message


def test_a_file_of_inputs_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """A missing file is named."""
    with pytest.raises(UsageError, match=r"cannot read .*gone.json.*No such file"):
        read_object(tmp_path / "gone.json")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.42, "0.4 s"), (3.0, "3 s"), (61, "61 s"), (200, "3 min 20 s"), (14400, "4 h")]
)
def test_durations_read_like_speech(seconds: float, text: str) -> None:
    """Seconds are given in the unit that people would use."""
    assert words.duration(seconds) == text


def test_every_failure_class_has_words() -> None:
    """No class of failure is shown by its code name only because its words were forgotten."""
    assert {failure.value for failure in Failure} <= set(words.FAILURES)


def test_equal_heals_are_counted() -> None:
    """A call healed by the same rule again and again says so once."""
    heal = {"class": "rate_limited", "rule": "backoff", "detail": "waited 2 s"}
    assert words.heals({"heals": [heal, heal]}) == ["rate limited: waited 2 s (2 times)"]


def test_control_characters_from_outside_do_not_reach_the_terminal() -> None:
    """A title that holds an escape sequence is shown with the escape made visible."""
    assert harmless("a\x1b[2Jb\rc\n\td") == "a\\x1b[2Jb\\x0dc\n\td"


class Broken(io.StringIO):
    """A stream whose reader went away."""

    def write(self, text: str) -> int:
        """Fail as a pipe does."""
        raise BrokenPipeError

    def fileno(self) -> int:
        """Return the descriptor of nothing in particular."""
        import os

        return os.open(os.devnull, os.O_WRONLY)


def test_a_full_disk_under_the_output_is_said(tmp_path: Path) -> None:
    """What cannot be written for want of room ends with one message, not with a fault of ours."""
    with (
        open("/dev/full", "w") as full,
        pytest.raises(StoreError, match="the output cannot be written: No sp"),
    ):
        Screen({}, out=full, err=io.StringIO()).result("x")


def test_a_broken_pipe_is_quiet() -> None:
    """When nobody reads the output any more, writing goes on into nothing."""
    Screen({}, out=Broken(), err=Broken()).result("x")


def test_nothing_is_coloured_live_or_asked_when_nobody_watches() -> None:
    """Streams that are no terminals get plain text, and nobody is prompted."""
    screen = Screen({}, out=io.StringIO(), err=io.StringIO())
    assert (screen.rich, screen.live, screen.asks) == (False, False, False)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.mark.parametrize(
    ("environ", "json", "live"),
    [
        ({}, False, True),
        ({"NO_COLOR": "1"}, False, False),
        ({}, True, False),
        ({"TERM": "dumb"}, False, False),
    ],
)
def test_a_terminal_is_live_unless_told_otherwise(environ: dict[str, str], json: bool, live: bool) -> None:
    """NO_COLOR, --json and a dumb terminal keep a terminal plain."""
    screen = Screen(environ, json=json, out=Terminal(), err=Terminal())
    assert (screen.rich, screen.live) == (live, live)


def test_the_board_counts_down_while_a_call_waits_for_quota() -> None:
    """And says that it is sent when its turn has come."""
    board = Board.of([("research", "researcher")])
    board.apply(proposed(), 0)
    call = next(iter(board.calls))
    board.apply(event("quota.waits", {"bucket": "user", "seconds": 30.0}, "research", call), 0)
    assert board.lines(10)[1][0] == "    X_GET: waiting for its turn (quota user) (20 s left)"
    board.apply(event("quota.waited", {"bucket": "user", "seconds": 30.1}, "research", call), 30)
    assert board.lines(30)[1][0] == "    X_GET: sending"


def test_the_board_says_until_when_a_parked_run_waits_and_how_long_the_rest_takes() -> None:
    """Both count down; when it goes on they are gone."""
    board = Board.of([("research", "researcher")])
    wait = {"reason": "quota", "until": "2026-11-23T12:03:10Z", "seconds": 60.0, "what": "user"}
    board.apply(event("run.waiting", {**wait, "ahead": {"seconds": 300.0}}), 0)
    said = "parked for user, 20 s left; 4 min 20 s until all that is known can have left"
    assert board.lines(40)[-1] == (said, "yellow")
    board.apply(event("run.waiting", wait), 40)
    assert board.lines(40)[-1] == ("parked for user, 60 s left", "yellow")
    board.apply(event("run.resumed", {}), 100)
    assert [text for text, _ in board.lines(100)] == ["· research     researcher"]


def test_the_board_says_which_run_a_call_waits_for() -> None:
    """Two runs that write in the same place take turns."""
    board = Board.of([("research", "researcher")])
    board.apply(proposed(), 0)
    board.apply(event("place.waits", {"run": "r2"}, "research", next(iter(board.calls))), 0)
    assert board.lines(1)[1][0] == "    X_GET: waiting for run r2, which writes there"


def test_the_board_follows_a_call_from_proposal_to_receipt() -> None:
    """The live view says which step runs, what a call does and how long it waits; then it forgets it."""
    board = Board.of([("research", "researcher"), ("deliver", "X_CREATE")])
    board.apply(event("step.started", {"agent": "researcher"}, "research"), 0)
    board.apply(proposed(), 0)
    assert [text for text, _ in board.lines(0)] == [
        "▸ research     researcher",
        "    X_GET: sending",
        "· deliver      X_CREATE",
    ]
    board.apply(exchanged(status=429, headers={"retry-after": "3"}), 0)
    board.apply(decided("call X_GET in 3.05 s"), 0)
    assert board.lines(1)[1][0].endswith("waits 3 s, then sends again (2 s left)")
    board.apply(receipt_event(), 4)
    board.apply(event("step.done", {"output": {}}, "research"), 4)
    assert board.lines(5)[0] == ("✓ research     researcher  1 call", "green")
    assert len(board.lines(5)) == 2


def test_the_board_marks_what_waits_is_skipped_and_failed() -> None:
    """A question makes a step wait, a condition skips it, and the end of the run fails what was under way."""
    board = Board.of([("a", "x"), ("b", "y")])
    board.apply(event("step.skipped", {"when": "false"}, "b"), 0)
    board.apply(proposed("a.1"), 0)
    board.apply(event("ask", {"question": "?"}, None, "a.1"), 0)
    assert [step.state for step in board.steps] == ["waiting", "skipped"]
    board.apply(event("run.failed", {"error": {}}), 0)
    assert [step.state for step in board.steps] == ["failed", "skipped"]


def made(status: Any = "verified", call: str = "a.1", **facts: Any) -> Receipt:
    """Return a receipt."""
    return Receipt(call=call, tool="X_CREATE", arguments={}, status=status, attempts=2, **facts)


def test_the_table_shows_evidence_attempts_and_healing() -> None:
    """Each receipt is one line; columns in which nothing stands are left out."""
    healed = made(
        effect="e", evidence=Evidence.STATE, heals=(Heal(failure=Failure.RATE_LIMITED, rule="backoff"),)
    )
    assert receipts.plain([healed]) == [
        "call  tool      status    known by   sent  healed",
        "a.1   X_CREATE  verified  read back  2x    rate limited",
    ]
    assert receipts.summary([healed, made("failed")]) == "1 of 2 calls verified, 1 of them after healing"


def test_calls_that_went_the_same_smooth_way_share_a_line() -> None:
    """Ten reads that worked are one line; what was healed or failed keeps a line of its own."""
    rows = [*(made(call=f"a.{n}") for n in (1, 2, 3)), made("failed", "a.4")]
    assert [line[0] for line in receipts.grouped(rows)] == ["a.1-3", "a.4"]
    assert receipts.grouped(rows)[0][4].endswith("x each")
    assert [line[0] for line in receipts.grouped([made(call="a.1"), made(call="b.1")])] == ["a.1", "b.1"]


def test_a_listing_is_shown_by_id_and_name() -> None:
    """A result that lists things is shown as these things; any other result is not."""
    things = [{"id": f"p-{n}", "title": f"Project {n}"} for n in range(27)]
    shown = words.listing({"values": things, "pagination": {"after": None}})
    assert shown[0] == "p-0  Project 0"
    assert shown[25:] == ["and 2 more"]
    assert words.listing({"id": "p-1", "title": "x"}) == []


def test_a_long_line_is_folded_under_its_text() -> None:
    """What does not fit a line goes on below it, set in, and no word is broken."""
    assert folded("step   told at length", 16, 7) == ["step   told at", "     length"]


def test_below_the_table_stands_what_its_words_mean_and_where_to_look() -> None:
    """Each word of evidence that is used is explained, and each change has its link."""
    changed = made(evidence=Evidence.STATE, link="https://x/1", effect="e")
    assert receipts.notes([made(link="https://x/2"), changed]) == [
        "  contract: the answer keeps to its contract",
        "  read back: read again afterwards, and equal to what was asked for",
        "  a.1 is at https://x/1",
    ]


def test_the_terminal_table_has_the_same_columns() -> None:
    """The table on a terminal leaves out the same columns."""
    shown = receipts.table([made("failed", link="https://x/1", effect="e")])
    assert [column.header for column in shown.columns] == ["call", "tool", "status", "sent"]


def run(status: RunStatus, **facts: Any) -> RunRow:
    """Return a run."""
    return RunRow(id="r1", workflow="w", definition={}, status=status, **facts)


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (run(RunStatus.DONE), 0),
        (run(RunStatus.FAILED), 1),
        (run(RunStatus.CANCELLED), 1),
        (run(RunStatus.WAITING, reason="auth"), 3),
        (run(RunStatus.LIMITED), 4),
        (run(RunStatus.FAILED, error={"error": "UpstreamError", "message": "down"}), 5),
        (run(RunStatus.FAILED, error={"error": "UsageError", "message": "bad"}), 2),
        (run(RunStatus.FAILED, error={"error": "SomethingNew", "message": "?"}), 1),
    ],
)
def test_the_exit_code_says_how_the_run_ended(row: RunRow, code: int) -> None:
    """Status gives the exit code, and for a failed run the error that made it fail."""
    assert Report(row, [], {}).exit_code == code


def test_what_waits_comes_with_the_commands_that_answer() -> None:
    """Nobody has to look up how to answer: the report has the exact commands, candidates included."""
    ask = Ask(
        reason="review",
        question="two match",
        tool="X_RUN",
        arguments={"id": 1},
        arguments_hash="h",
        candidates=({"id": "c-1", "seen": {"a": 1}},),
    )
    waiting = AskRow(id="q", run="r1", call="a.1", n=0, ask=ask, asked_at="")
    report = Report(run(RunStatus.WAITING, reason="review"), [], {"usd": 0.0}, [waiting])
    assert report.footer() == [
        "Spent: $0",
        "Run r1: waiting (review)",
        "  a.1 X_RUN: two match",
        '    with {"id": 1}',
        '    candidate c-1: {"a": 1}',
        "    definable runs approve r1 a.1 --adopt c-1",
        "    definable runs approve r1 a.1    it did not happen: send it again",
        "    definable runs deny r1 a.1",
    ]
    assert report.to_json()["waiting"][0]["answer_with"][0] == "definable runs approve r1 a.1 --adopt c-1"


def test_what_is_there_in_another_form_is_taken_by_a_plain_yes() -> None:
    """To make another one has an option of its own, which says what it does."""
    ask = Ask(
        reason="review",
        question="c-1 is there in another form",
        tool="X_CREATE",
        arguments={},
        arguments_hash="h",
        candidates=({"id": "c-1", "seen": {"a": 1}},),
        yes="take c-1 as it is",
        no="it stays in doubt",
        again="send it again: a second one is made",
    )
    waiting = AskRow(id="q", run="r1", call="a.1", n=0, ask=ask, asked_at="")
    report = Report(run(RunStatus.WAITING, reason="review"), [], {"usd": 0.0}, [waiting])
    assert report.footer()[-4:] == [
        '    candidate c-1: {"a": 1}',
        "    definable runs approve r1 a.1    take c-1 as it is",
        "    definable runs approve r1 a.1 --send-again    send it again: a second one is made",
        "    definable runs deny r1 a.1    it stays in doubt",
    ]


def test_what_differs_is_shown_with_what_each_answer_does() -> None:
    """A drift that no rule heals: the difference line by line, and yes and no in words."""
    ask = Ask(
        reason="review",
        question="another form than agreed",
        tool="X_LIST",
        arguments={},
        arguments_hash="h",
        diff=("wrong: values[0].title is missing", "new: values[*].heading"),
        yes="read it again",
        no="the read fails",
    )
    waiting = AskRow(id="q", run="r1", call="a.1", n=0, ask=ask, asked_at="")
    report = Report(run(RunStatus.WAITING, reason="review"), [], {"usd": 0.0}, [waiting])
    assert report.footer()[-4:] == [
        "    wrong: values[0].title is missing",
        "    new: values[*].heading",
        "    definable runs approve r1 a.1    read it again",
        "    definable runs deny r1 a.1    the read fails",
    ]


def test_the_json_of_a_run_has_what_programs_rely_on() -> None:
    """The object of `run --json` has its documented keys, and results only when asked for."""
    report = Report(
        run(RunStatus.DONE, outputs={"a": 1}), [made(result={"x": 1})], {"calls": 1}, offline=True
    )
    facts = report.to_json()
    assert (facts["run_id"], facts["status"], facts["outputs"], facts["offline"]) == (
        "r1",
        "done",
        {"a": 1},
        True,
    )
    assert facts["receipts"][0]["tool"] == "X_CREATE"
    assert "data" not in facts["receipts"][0]
    assert report.to_json(data=True)["receipts"][0]["data"] == {"x": 1}


def test_what_is_not_known_is_not_called_free() -> None:
    """A price that nobody knows is said to be unknown."""
    assert spent({"tokens": 1200, "usd": None, "calls": 1}) == "1 tool call, 1,200 tokens, dollars unknown"


def test_outputs_are_shown_first_and_in_full() -> None:
    """A brief goes to stdout as the Markdown it is; other outputs are one line each."""
    out = io.StringIO()
    row = run(RunStatus.DONE, outputs={"brief": "# Week\n\n- *one*\n", "cell": "c-1", "n": 3})
    Report(row, [], {"usd": 0.25}).show(Screen({}, out=out, err=io.StringIO()))
    assert out.getvalue().startswith("brief:\n\n# Week\n\n- *one*\n\ncell: c-1\nn: 3\n\nSpent: $0.25\n")


def test_a_rehearsal_names_the_calls_and_their_arguments() -> None:
    """A dry run says of each step which call it would make, with what, or what an agent may ask for."""
    call = {"step": "d", "tool": "X_CREATE", "effect": "create", "arguments": {"a": 1, "b": "${{ x }}"},
            "ensure": ["a"], "asks": True, "when": "inputs.x"}  # fmt: skip
    assert described(call) == [
        "d: calls X_CREATE (create)  (only when inputs.x)",
        "  a: 1",
        "  b: ${{ x }}",
        "  once only: what has the same a is updated instead",
        "  a person is asked first",
    ]
    assert described({"step": "r", "agent": "researcher", "may_call": ["X_GET"], "when": None}) == [
        "r: researcher may ask for any of 1 tool:",
        "  X_GET",
    ]
