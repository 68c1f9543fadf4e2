"""How times are taken and shown."""

from __future__ import annotations

from statistics import median

from rich.console import Console
from rich.table import Table


class Samples(list[float]):
    """Seconds that one thing took, several times."""

    @property
    def middle(self) -> float:
        """The median."""
        return median(self)

    def cells(self, scale: float = 1e3, digits: int = 2) -> list[str]:
        """Return median, least and most as text, in ms unless `scale` says otherwise."""
        return [f"{value * scale:,.{digits}f}" for value in (self.middle, min(self), max(self))]


def show(title: str, columns: list[str], rows: list[list[str]], notes: str = "") -> None:
    """Print a table, its first column to the left and the others to the right."""
    table = Table(title=title, title_justify="left", caption=notes, caption_justify="left")
    for number, name in enumerate(columns):
        table.add_column(name, justify="right" if number else "left")
    for row in rows:
        table.add_row(*row)
    Console(width=110).print(table)
