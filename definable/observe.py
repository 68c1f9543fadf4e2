"""Log lines: one JSON object each, to a file of the day and on request to standard error, secrets taken out.

Lines of other libraries come the same way: they too may hold headers and URLs.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import structlog

from definable.redaction import Redactor
from definable.settings import Settings

ROOT = "definable"
logging.getLogger(ROOT).addHandler(logging.NullHandler())  # unasked, a library prints nothing

Event = MutableMapping[str, Any]


def logger(room: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of a room, `definable.ROOM`; silent until `observing` says where lines go."""
    log: structlog.stdlib.BoundLogger = structlog.wrap_logger(
        logging.getLogger(f"{ROOT}.{room}"),
        processors=[structlog.stdlib.filter_by_level, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    return log


@contextmanager
def observing(
    settings: Settings, redactor: Redactor, directory: Path | None = None, stream: TextIO | None = None
) -> Iterator[None]:
    """Send log lines to `directory`/DATE.jsonl from level info up, and to `stream` from `settings.log` up.

    `stream` is standard error unless given; without a level nothing goes there. A log file that cannot be
    written is said once, on `stream`, and the work goes on: the run log in the store is what counts.
    """
    out = stream or sys.stderr
    handlers = [h for h in (_file(directory, out), _console(settings, out)) if h]
    for handler in handlers:
        handler.setFormatter(_formatter(redactor))
    root = logging.getLogger()
    before = root.level
    root.setLevel(min([h.level for h in handlers], default=before))
    for handler in handlers:
        root.addHandler(handler)
    try:
        yield
    finally:
        root.setLevel(before)
        for handler in handlers:
            root.removeHandler(handler)
            handler.close()


def _file(directory: Path | None, out: TextIO) -> logging.Handler | None:
    if directory is None:
        return None
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        handler = logging.FileHandler(directory / f"{datetime.now(UTC):%Y-%m-%d}.jsonl", encoding="utf-8")
    except OSError as error:
        print(f"no log file in {directory}: {error.strerror}", file=out)
        return None
    handler.setLevel(logging.INFO)
    return handler


def _console(settings: Settings, out: TextIO) -> logging.Handler | None:
    if settings.log is None:
        return None
    handler = logging.StreamHandler(out)
    handler.setLevel(settings.log.upper())
    return handler


def _formatter(redactor: Redactor) -> logging.Formatter:
    def line(_: Any, __: str, event: Event) -> str:
        return json.dumps(redactor.json(event))

    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.PositionalArgumentsFormatter()],
        processors=[
            *shared,
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            line,
        ],
    )
