"""What a batch may spend: whether the next item may begin. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from definable.store import TallyRow


@dataclass
class Purse:
    """Dollars of a whole batch, of all times that it was run."""

    limit: float | None = None
    spent: float = 0.0
    """By runs that have ended or wait for somebody, as far as prices are known."""
    dearest: float | None = None
    """What the dearest of them cost; None while there is none."""
    unknown: int = 0
    """Runs whose price is not known."""

    def take(self, before: TallyRow | None, now: TallyRow) -> None:
        """Take in what a run has come to, in place of what it had come to before."""
        old = before or TallyRow(run=now.run, batch=now.batch)
        self.spent += now.usd - old.usd
        self.unknown += now.unpriced - old.unpriced
        self.dearest = max(self.dearest or 0.0, now.usd)

    def may(self, open_: int) -> bool:
        """Whether one more item may begin while so many are under way.

        Each is taken to cost what the dearest did. The first goes alone: then it is known what one costs. A
        price that nobody knows keeps within no limit.
        """
        if self.limit is None:
            return True
        if self.unknown:
            return False
        if self.dearest is None:
            return open_ == 0
        return self.spent + self.dearest * (open_ + 1) <= self.limit + 1e-9

    @property
    def over(self) -> bool:
        """Whether no item may begin any more, though none is under way."""
        return not self.may(0)

    def why(self) -> str:
        """Say why the batch stops."""
        if self.unknown:
            return (
                f"the price of {self.unknown} of its runs is not known, so nobody can say what the next costs"
            )
        next_ = f", and the next item may cost ${self.dearest:.4f}" if self.dearest else ""
        return f"${self.spent:.4f} of ${self.limit:.2f} is spent{next_}"
