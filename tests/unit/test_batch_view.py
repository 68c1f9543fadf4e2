"""What is seen of a batch while it runs, on terminals of any width."""

from __future__ import annotations

import io
import sys
from dataclasses import replace

import pytest

from definable.cli.batch_view import View, drawn
from definable.cli.screen import Screen
from definable.engine.batch.progress import Progress

EARLY = Progress(60, done=4, failed=0, waiting=0, running=8, quota=0, healed=0, usd=0.0, unpriced=0)
LATE = Progress(
    10_000, done=1234, failed=12, waiting=3, running=16, quota=4, healed=31, usd=12.5, unpriced=0, rate=4.8
)
ALL = (
    "1,234 of 10,000 done, 12 failed, 3 wait for a person, 16 under way (4 wait for a quota), "
    "4.8 a second, about 30 min 23 s left, 31 healed, $12.5000"
)


class Terminal(io.StringIO):
    """A stream that a person watches."""

    def isatty(self) -> bool:
        """Somebody is there."""
        return True


@pytest.fixture
def view(monkeypatch: pytest.MonkeyPatch) -> View:
    """Return a view on a terminal."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "argv", ["definable", "batch", "w", "i.jsonl"])
    return View(Screen({}, out=Terminal(), err=Terminal()), "b")


def test_nothing_is_cut_off_to_make_room_for_a_bar() -> None:
    """The bar takes what the words leave, and is not there where that is little."""
    assert drawn(EARLY, 79) == f"{'━' * 2}{'╌' * 22}  4 of 60 done, 8 under way"
    assert drawn(EARLY, 38) == f"━{'╌' * 10}  4 of 60 done, 8 under way"
    assert drawn(EARLY, 30) == "4 of 60 done, 8 under way"
    for width in (5, 30, 79, 147):
        assert drawn(LATE, width) == ALL
    assert drawn(replace(EARLY, total=0, done=0), 79).startswith("╌")


def test_stopped_at_once_the_terminal_has_its_cursor_again(view: View) -> None:
    """And the way to go on is said, for nothing else is told any more."""
    with view:
        view.progress(EARLY)
        view.leave()
        assert isinstance(view.screen.err, Terminal)
        shown = view.screen.err.getvalue()
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1
    assert shown.endswith("interrupted; go on with the same command: definable batch w i.jsonl\n")
