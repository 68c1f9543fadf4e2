"""Log lines on their way to files and streams."""

from __future__ import annotations

import io
import json
import logging
from pathlib import Path
from typing import Any

from definable.observe import logger, observing
from definable.redaction import MARK, Redactor
from definable.settings import Settings

CANARY = "zq-Canary-9-of-the-mine"


def _lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for file in folder.glob("*.jsonl") for line in file.read_text().splitlines()]


def test_a_line_is_one_json_object_in_the_file_of_the_day(tmp_path: Path) -> None:
    """Event, facts, room, level and time: what a person greps for."""
    with observing(Settings(), Redactor(), tmp_path / "logs"):
        logger("store").info("opened", path="state.db", runs=3)
    (line,) = _lines(tmp_path / "logs")
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "opened",
        "path": "state.db",
        "runs": 3,
        "level": "info",
        "logger": "definable.store",
    }


def test_every_record_passes_the_redactor(tmp_path: Path) -> None:
    """Ours, other libraries', tracebacks, objects and arguments: the canary is in none of the lines."""
    stream = io.StringIO()
    with observing(Settings(log="debug"), Redactor([CANARY]), tmp_path, stream):
        logger("engine").warning("tried", header={"authorization": "x"}, thing=ValueError(CANARY))
        logging.getLogger("httpx").info("GET %s", f"https://host/?q={CANARY}")
        try:
            raise RuntimeError(f"refused {CANARY}")
        except RuntimeError:
            logger("engine").exception("failed")
    written = stream.getvalue() + "".join(f.read_text() for f in tmp_path.glob("*"))
    assert CANARY not in written
    assert written.count(MARK) == 2 * 4
    assert [line["event"] for line in _lines(tmp_path)] == ["tried", f"GET https://host/?q={MARK}", "failed"]
    assert "RuntimeError: refused [redacted]" in _lines(tmp_path)[2]["exception"]


def test_the_stream_gets_lines_only_when_a_level_is_set(tmp_path: Path) -> None:
    """Standard error belongs to progress unless DEFINABLE_LOG asks for lines."""
    quiet, errors = io.StringIO(), io.StringIO()
    with observing(Settings(), Redactor(), tmp_path, quiet):
        logger("cli").error("bad")
    with observing(Settings(log="error"), Redactor(), None, errors):
        logger("cli").warning("so so")
        logger("cli").error("bad")
    assert quiet.getvalue() == ""
    assert [json.loads(line)["event"] for line in errors.getvalue().splitlines()] == ["bad"]


def test_without_observing_nothing_is_printed(capfd: Any) -> None:
    """A library that is only imported writes nowhere."""
    logger("cli").error("bad")
    assert capfd.readouterr() == ("", "")


def test_a_log_file_that_cannot_be_made_does_not_stop_the_work(tmp_path: Path) -> None:
    """It is said once; the run log in the store is what counts."""
    (tmp_path / "logs").write_text("a file, not a folder")
    stream = io.StringIO()
    with observing(Settings(), Redactor(), tmp_path / "logs", stream):
        logger("cli").info("on we go")
    assert stream.getvalue() == f"no log file in {tmp_path / 'logs'}: File exists\n"


def test_the_level_of_other_loggers_is_given_back() -> None:
    """Embedding Definable leaves the host's logging as it was."""
    before = (logging.getLogger().level, list(logging.getLogger().handlers))
    with observing(Settings(log="debug"), Redactor(), None, io.StringIO()):
        assert logging.getLogger().level == logging.DEBUG
    assert (logging.getLogger().level, list(logging.getLogger().handlers)) == before
