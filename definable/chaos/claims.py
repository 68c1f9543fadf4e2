"""What a system under test is given, and what it says it did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from definable.chaos.jobs import Job

if TYPE_CHECKING:
    from definable.chaos.cells import Trouble
    from definable.chaos.stage import Stage


class Ending(StrEnum):
    """How a system says that a job ended."""

    DONE = "done"
    """It was done."""
    FAILED = "failed"
    """It was not, and it says why."""
    REVIEW = "review"
    """It may have been: a person is asked."""
    WAITING = "waiting"
    """It waits for something else than a person's judgement, such as a key."""
    NOTHING = "nothing"
    """It says nothing."""


@dataclass(frozen=True)
class Claim:
    """What a system says of one job."""

    ending: Ending
    result: Any = None
    words: str = ""
    timeline: tuple[str, ...] = field(default=(), compare=False)
    """What happened, for people: one line each."""


class System(Protocol):
    """Something that does jobs over HTTP."""

    name: str

    async def work(self, stage: Stage, jobs: Sequence[Job], trouble: Trouble) -> list[Claim]:
        """Do the jobs and return a claim for each, in order; what it may use is on the stage."""
