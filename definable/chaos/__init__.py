"""The chaos bench: every kind of failure against every kind of effect, judged by what really happened.

A *cell* is one class of failure, the phase in which it strikes, and the kind of effect that it strikes. A
*seed* draws the tool, its arguments, which requests are struck, how often and with what. One *trial* is a
cell with a seed: jobs for a system, done in a sandbox over real HTTP, whose state and log of effects are then
held against what was intended. What the system says of itself is only compared with that.
"""

from __future__ import annotations

from definable.chaos.bench import Bench, Figures, Trial, figures, select
from definable.chaos.cells import Cell
from definable.chaos.claims import Claim, Ending, System
from definable.chaos.matrix import CELLS

__all__ = [
    "CELLS",
    "Bench",
    "Cell",
    "Claim",
    "Ending",
    "Figures",
    "System",
    "Trial",
    "figures",
    "select",
]
