"""What the graph carries from node to node: plain JSON, and ids of what the run log holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from typing_extensions import TypedDict


def collect(old: list[Any] | None, new: list[Any] | None) -> list[Any]:
    """Add what parallel branches bring; None empties the list, which only the Verifier does."""
    return [] if new is None else [*(old or []), *new]


def turn_key(step: str, history: Sequence[Turn]) -> str:
    """Return the key by which the log has the turn that comes after these."""
    return f"{step}/{len(history)}"


class Turn(TypedDict):
    """One turn of an agent within its step: where the log has it, and which calls came of it."""

    key: str
    uses: dict[str, str]
    """The model's id of a tool use → our call id, or `!message` when it could not become a call."""
    say: str
    """Why the artifact of this turn went back, for its model."""


class State(TypedDict, total=False):
    """The state of a run between two nodes."""

    step: int
    """Index of the step whose turn it is; the number of steps when all are done."""
    came: Annotated[list[dict[str, Any]], collect]
    """What came in since the Verifier last looked."""
    open: list[str]
    """Calls of this turn that are not settled."""
    asks: list[dict[str, Any]]
    """What waits for a person: `{call, n, ask}`."""
    history: list[Turn]
    """The agent's turns in this step."""
    revision: int
    review: str
    """Key of the turn whose artifact is before a person."""


class Dispatch(TypedDict):
    """What a `Send` hands the Distributor: one order of one call."""

    call: str
    n: int
    order: dict[str, Any]


def fresh(step: int) -> State:
    """Return the part of the state that starts anew with each step."""
    return {
        "step": step,
        "open": [],
        "asks": [],
        "history": [],
        "revision": 0,
    }
