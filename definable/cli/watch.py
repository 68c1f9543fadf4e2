"""Shows a run while it happens: a live view on a terminal, plain lines anywhere else."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from definable.cli import words
from definable.cli.board import Board
from definable.cli.narrate import Line, Narrator, Page
from definable.cli.screen import Screen, harmless

if TYPE_CHECKING:
    from types import TracebackType

    from rich.text import Text

    from definable.store.rows import Event

STYLES = {"plain": "", "good": "green", "trouble": "yellow", "bad": "red", "ask": "bold yellow"}

WORRIES = frozenset({"trouble", "ask"})


class Watch(Protocol):
    """Takes the events of a run, in order, while it is open."""

    def __enter__(self) -> Watch:
        """Start showing."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop showing."""

    def __call__(self, event: Event) -> None:
        """Show one event."""

    def remember(self, event: Event) -> None:
        """Take in an event that was shown before, by another process perhaps."""


def watch(screen: Screen, steps: Sequence[tuple[str, str]], *, quiet: bool = False) -> Watch:
    """Return what shows a run on this screen; when `quiet`, trouble and questions only."""
    return (LiveWatch if screen.live else PlainWatch)(screen, steps, quiet=quiet)


def folded(text: str, width: int, indent: int) -> list[str]:
    """Return a line broken at words, what follows the first line set in under its text."""
    inner = min(indent + 2, width // 3)
    wrapped = textwrap.wrap(
        text, width, subsequent_indent=" " * inner, break_long_words=False, break_on_hyphens=False
    )
    return wrapped or [text]


def column(steps: Sequence[tuple[str, str]]) -> int:
    """Return the width of the column with the steps' names."""
    return min(24, max((len(name) for name, _ in steps), default=8) + 1)


class PlainWatch:
    """One line for each thing worth saying, on stderr."""

    def __init__(self, screen: Screen, steps: Sequence[tuple[str, str]], *, quiet: bool = False) -> None:
        """Keep the screen and the width of the first column."""
        self.screen = screen
        self.narrator = Narrator()
        self.tones = WORRIES if quiet else frozenset(STYLES)
        self.page = Page(column(steps))

    def __enter__(self) -> PlainWatch:
        """Start showing."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop showing."""

    def remember(self, event: Event) -> None:
        """Take in an event without showing it."""
        self.narrator(event)

    def __call__(self, event: Event) -> None:
        """Show one event."""
        for line in (each for each in self.narrator(event) if each.tone in self.tones):
            self.screen.say(self.page(line))


class LiveWatch:
    """The same lines, scrolling by above the steps and what each call is doing now."""

    def __init__(self, screen: Screen, steps: Sequence[tuple[str, str]], *, quiet: bool = False) -> None:
        """Build the live display; it draws nothing before it is entered."""
        from rich.live import Live

        self.narrator = Narrator()
        self.tones = WORRIES if quiet else frozenset(STYLES)
        self.page = Page(column(steps))
        self.board = Board.of(steps)
        self.console = screen.console(progress=True)
        self.live = Live(
            console=self.console,
            get_renderable=self._picture,
            refresh_per_second=8,
            transient=True,
        )

    def __enter__(self) -> LiveWatch:
        """Start drawing."""
        self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop drawing; the lines stay, the picture goes."""
        self.live.stop()

    def remember(self, event: Event) -> None:
        """Take in an event without showing it."""
        self.board.apply(event, time.monotonic())
        self.narrator(event)

    def __call__(self, event: Event) -> None:
        """Show one event."""
        self.board.apply(event, time.monotonic())
        for line in (each for each in self.narrator(event) if each.tone in self.tones):
            for text in folded(harmless(self.page(line)), self.console.width, self.page.indent(line)):
                self.console.print(self._styled(text, line))

    def _styled(self, text: str, line: Line) -> Text:
        from rich.text import Text

        return Text(text, style=STYLES[line.tone])

    def _picture(self) -> Text:
        from rich.text import Text

        picture = Text()
        width = self.console.width
        for text, style in self.board.lines(time.monotonic()):
            picture.append(words.short_end(harmless(text), width - 1) + "\n", style=style)
        return picture
