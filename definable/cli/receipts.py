"""The table of receipts: what was done, and how it is known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from definable.cli import words

if TYPE_CHECKING:
    from rich.table import Table

    from definable.calls import Receipt

HEADS = ("call", "tool", "status", "known by", "sent", "healed")
KNOWN_BY = {"state": "read back", "existence": "looked up", "response": "answer only", "": "contract"}
LEGEND = {"contract": "the answer keeps to its contract"} | {
    KNOWN_BY[evidence]: meaning for evidence, meaning in words.EVIDENCE.items()
}
"""Each word in the column `known by` → what it stands for."""


def row(receipt: Receipt) -> tuple[str, ...]:
    """Return one line of the table."""
    healed = dict.fromkeys(heal.failure.value.replace("_", " ") for heal in receipt.heals)
    return (
        receipt.call,
        receipt.tool,
        receipt.status.replace("_", " "),
        _known_by(receipt),
        f"{receipt.attempts}x",
        ", ".join(healed),
    )


def grouped(receipts: Iterable[Receipt]) -> list[tuple[str, ...]]:
    """Return the lines of the table; calls of one step that went the same smooth way share one line."""
    lines: list[tuple[str, ...]] = []
    runs: list[list[str]] = []
    for receipt in receipts:
        line = row(receipt)
        same = lines and line[1:] == lines[-1][1:] and not line[5] and receipt.status == "verified"
        if same and runs[-1][0].rpartition(".")[0] == receipt.call.rpartition(".")[0]:
            runs[-1].append(receipt.call)
        else:
            lines.append(line)
            runs.append([receipt.call])
    return [
        (_span(calls), *line[1:4], _each(len(calls), line[4]), line[5])
        for calls, line in zip(runs, lines, strict=True)
    ]


def _span(calls: Sequence[str]) -> str:
    return calls[0] if len(calls) == 1 else f"{calls[0]}-{calls[-1].rpartition('.')[2]}"


def _each(count: int, sent: str) -> str:
    return sent if count == 1 else f"{sent} each"


def _known_by(receipt: Receipt) -> str:
    if receipt.status != "verified" and not receipt.evidence:
        return ""
    return KNOWN_BY[receipt.evidence.value if receipt.evidence and receipt.effect else ""]


def notes(receipts: Iterable[Receipt]) -> list[str]:
    """Return what stands below the table: what its words mean, and where to look at what was changed."""
    rows = list(receipts)
    used = dict.fromkeys(filter(None, map(_known_by, rows)))
    links = dict.fromkeys((r.link, r.call) for r in rows if r.link and r.effect)
    return [
        *(f"  {word}: {LEGEND[word]}" for word in used),
        *(f"  {call} is at {link}" for link, call in links),
    ]


def plain(receipts: Iterable[Receipt]) -> list[str]:
    """Return the table as lines of text; nothing is cut, so that it can be searched."""
    rows: list[Sequence[str]] = [HEADS, *grouped(receipts)]
    used = [i for i in range(len(HEADS)) if any(line[i] for line in rows[1:])]
    widths = {i: max(len(line[i]) for line in rows) for i in used}
    return ["  ".join(f"{line[i]:<{widths[i]}}" for i in used).rstrip() for line in rows]


def table(receipts: Sequence[Receipt]) -> Table:
    """Return the table for a terminal."""
    from rich.table import Table
    from rich.text import Text

    from definable.cli.screen import harmless

    shown = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    rows = grouped(receipts)
    used = [i for i in range(len(HEADS)) if any(line[i] for line in rows)]
    for i in used:
        shown.add_column(HEADS[i], overflow="fold", no_wrap=HEADS[i] != "healed")
    for line in rows:
        style = "green" if line[2] == "verified" else "red"
        shown.add_row(*(Text(harmless(line[i]), style=style if HEADS[i] == "status" else "") for i in used))
    return shown


def summary(receipts: Sequence[Receipt]) -> str:
    """Return one sentence about all of them."""
    verified = sum(r.status == "verified" for r in receipts)
    healed = sum(bool(r.heals) for r in receipts)
    text = f"{verified} of {words.plural(len(receipts), 'call')} verified"
    return f"{text}, {healed} of them after healing" if healed else text
