"""The part of a store's contract that is about runs which nobody watches: see contract.py."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from definable.calls import Json
from definable.store.rows import (
    AskRow,
    BatchRow,
    ClientRow,
    DeliveryRow,
    HookRow,
    MessageRow,
    OrderRow,
    OrderState,
    RunRow,
    RunStatus,
    Standing,
    Tallied,
    TallyRow,
    ThreadRow,
    TriggerRow,
    TurnRow,
    WorkerRow,
)


class Workers(Protocol):
    """Runs that were submitted, and the processes that carry them on. Times are seconds of `time`."""

    def submit(self, run: RunRow) -> RunRow:
        """Keep a new run, or return the one that has its `key`; UsageError when that is for something else.

        It is `queued`, with the reason `submitted` until a worker takes it.
        """

    def requeue(self, run: str, *statuses: RunStatus, why: str) -> int | None:
        """Make a submitted run that is in one of these statuses `queued` again, and say so in its log.

        With `queued` among them, one that a worker has taken, too: for one that took it in vain.
        Returns the number of that line of the log, for a run that is `queued` already that of the last one,
        and None when the run is in another status, or forgotten. Whoever comes twice gets the same number.
        """

    def enlist(self, run: str, priority: int) -> RunRow:
        """Make a run a submitted one that belongs to the process that started it, and return it.

        Workers take it when it is `queued`. UsageError when another process works on it.
        """

    def keyed(self, key: str) -> RunRow | None:
        """Return the run that was submitted under a key; None when there is none."""

    def take_runs(self, worker: str, room: int, history: int) -> list[str]:
        """Take up to `room` runs for a worker, and return them, the first first: nobody else gets them then.

        First comes what had its turn when it was put back, or holds a place that others wait for; then goes
        priority, and then age. Runs of a newer `history` are left, and those of a workflow of which as many
        are at work as its `concurrency` says.
        """

    def takers(self) -> set[str]:
        """Return the workers that have taken runs which have not come to rest, dead ones among them."""

    def taken_by(self, worker: str) -> set[str]:
        """Return the runs that a worker has taken and that have not come to rest."""

    def let_go(self, worker: str, *runs: str) -> None:
        """Put back runs that a worker has taken, so that others take them before all else."""

    def due(self) -> list[RunRow]:
        """Return submitted runs that wait and may go on: their time has come, or their answers are there.

        And those that wait past their deadline.
        """

    def waiting(self, reason: str) -> list[RunRow]:
        """Return the submitted runs that wait for this reason, the oldest first."""

    def moving(self) -> int:
        """Return how many submitted runs are queued, running, or waiting for a time that comes by itself."""

    def stray(self) -> list[str]:
        """Return submitted runs that are `running`, but not in a worker that is alive.

        Some command went on with them, or the worker ended before it could say what becomes of them.
        """

    def adrift(self, run: str) -> bool:
        """Return whether a submitted run was begun, and waits for a worker: its own died, or let it go."""

    def heard(self, seconds: float) -> bool:
        """Wait until runs may have been submitted or put back, `seconds` at most; False when none were.

        Nobody else uses this store meanwhile.
        """

    def tell(self) -> None:
        """Wake all who wait in `heard`."""

    def present(self, worker: str) -> AbstractContextManager[bool]:
        """Hold a worker's name until the block or the process ends; False when another process holds it."""

    def gone(self, worker: str) -> bool:
        """Return at once whether no process holds a worker's name."""

    def join(self, worker: WorkerRow) -> WorkerRow:
        """Say that a worker is there, with its first sign of life; returned with that and its session."""

    @property
    def session(self) -> int:
        """By which number the server knows this store's connection, which holds its locks; 0 in a file."""

    def beat(self, worker: str, session: int, state: str = "") -> str:
        """Give a sign of life, and perhaps another state; return the state: `dead` when it was buried."""

    def workers(self) -> list[WorkerRow]:
        """Return all workers, the newest first, with how many runs each works on."""

    def bury(self, worker: WorkerRow) -> list[str]:
        """Say that a worker that shows no sign of life is dead, and free what it held; return its runs.

        Only one caller gets them, and nobody when the worker has given a sign of life since it was read.
        """


class Batches(Protocol):
    """Batches, and what their runs came to. An item has one run at a time: the one submitted last."""

    def open_batch(self, batch: BatchRow) -> BatchRow:
        """Keep a new batch, or that an old one has other files now; return it with `created_at`.

        UsageError when the id belongs to a batch of another workflow, or one that works in another place.
        """

    def known_batch(self, batch: str) -> BatchRow:
        """Return a batch by its id; UsageError when there is none, with nearby ids."""

    def batches(self) -> list[BatchRow]:
        """Return all batches, the newest first."""

    def items(self, batch: str, names: Sequence[str]) -> dict[str, RunRow]:
        """Return the run of each of these items of a batch that has one, by the item's name."""

    def standing(self, runs: Sequence[str]) -> list[Standing]:
        """Return where these runs stand, some hundred at most."""

    def stands(self, batch: str) -> dict[tuple[RunStatus, str], int]:
        """Return how many items of a batch are where: (status, reason) → number."""

    def tally(self, row: TallyRow) -> TallyRow | None:
        """Keep what a run has come to, and return what was kept before, if anything."""

    def tallied(self, batch: str) -> Tallied:
        """Return what the runs of a batch have come to, as far as they were counted."""


class Triggers(Protocol):
    """How far schedules have been seen to: what had its run, and up to when somebody looked."""

    def triggers(self) -> dict[str, TriggerRow]:
        """Return what is known of each schedule, by its id."""

    def looked(self, triggers: Iterable[str], until: float) -> None:
        """Say that all times of these schedules up to `until` have been seen to; it never goes back."""

    def fired(self, trigger: str, due: float, run: str) -> None:
        """Say which run a time of a schedule has; what is known of a later time stays."""


class Retention(Protocol):
    """Forgetting old runs: what is left is the run, its effects, and the receipts of these, with results."""

    def prunable(self, before: str, limit: int | None, *, keep_failed: bool = False) -> list[str]:
        """Return runs that may be forgotten: they ended before a time, RFC 3339 in UTC, the oldest first.

        None that has an effect in doubt; with `keep_failed` none that failed or reached a limit, as those may
        be told to go on. Those that somebody began to forget come along.
        """

    def prune(self, run: str) -> bool:
        """Forget a piece of a run; True while something is left. A killed process loses nothing by it.

        From the first piece on, the run cannot go on any more. UsageError when it has not ended.
        """

    def give_back(self) -> None:
        """Give some of the space that is free to the machine, where the database does not by itself."""


class Search(Protocol):
    """Finding runs, and what waits for people."""

    def found(
        self,
        limit: int,
        *,
        status: RunStatus | None = None,
        workflow: str | None = None,
        batch: str | None = None,
        text: str = "",
        before: str | None = None,
    ) -> list[RunRow]:
        """Return at most `limit` runs, the newest first, that are older than the run `before`.

        Each word of `text` stands in its id, its workflow's name or its inputs; case does not matter.
        """

    def inbox(self) -> list[AskRow]:
        """Return the questions without an answer of runs that wait, the oldest first."""

    def counts(self) -> dict[tuple[str, RunStatus], int]:
        """Return how many runs there are: (workflow, status) → number."""


class Clients(Protocol):
    """The keys of the service. What is kept is a hash: a key is seen once, when it is made."""

    def grant(self, client: ClientRow) -> ClientRow:
        """Keep a new key, and return it with `created_at`; UsageError when its name is in use."""

    def clients(self) -> list[ClientRow]:
        """Return all keys that were not revoked, the oldest first."""

    def revoke(self, client: str) -> ClientRow:
        """Take a key back, by its id or name; UsageError when there is none."""


class Threads(Protocol):
    """Conversations, and what was said in them."""

    def open_thread(self, thread: ThreadRow) -> ThreadRow:
        """Keep a conversation and return it with `at`; the one there is when its mark is in use."""

    def thread(self, thread: str) -> ThreadRow:
        """Return a conversation by its id; UsageError when there is none."""

    def threads(self, owner: str, limit: int) -> list[ThreadRow]:
        """Return an owner's conversations that can be come back to, the newest first, at most `limit`."""

    def drop_thread(self, thread: str) -> None:
        """Forget a conversation, with all that was said; its runs stay."""

    def say(self, message: MessageRow) -> MessageRow:
        """Add to a conversation and return the message with its `n` and `at`.

        The one there is when its `key` is in use, or what it answers has an answer. UsageError when the key
        belongs to another text, or there is no such conversation. The first that is said gives it its title.
        """

    def messages(self, thread: str) -> list[MessageRow]:
        """Return what was said, in order."""

    def showed(self, thread: str, n: int, asks: Sequence[str]) -> None:
        """Note which questions a message shows by now."""


class Orders(Protocol):
    """Batches that were ordered over HTTP."""

    def place_order(self, order: OrderRow, batch: BatchRow) -> OrderRow:
        """Keep a new order and its batch, or return the order that has its `key`.

        UsageError when that is for something else, or the batch's id is taken.
        """

    def orders(self, *states: OrderState) -> dict[str, OrderRow]:
        """Return the orders in these states, or all, by their batches."""

    def ordered(self, batch: str = "", *, key: str = "") -> OrderRow | None:
        """Return the order of a batch, or of a key; None when there is none."""

    def move_order(
        self,
        batch: str,
        known: Sequence[OrderState],
        state: OrderState,
        why: str = "",
        terms: dict[str, Json] | None = None,
    ) -> bool:
        """Change where an order stands, perhaps its terms; False when it is in no `known` state by now."""

    def note_progress(self, batch: str, progress: dict[str, Json]) -> OrderState | None:
        """Keep how far a batch is, and return where its order stands; None when there is none."""


class Outbox(Protocol):
    """Webhooks, and what is to be delivered to them. `set_status` posts where runs stand by itself.

    Told are the ends of runs, and waits that somebody has to end.
    """

    def subscribe(self, hook: HookRow) -> HookRow:
        """Keep a new webhook, and return it with `created_at`."""

    def hooks(self) -> list[HookRow]:
        """Return all webhooks, the oldest first."""

    def change_hook(self, hook: str, **changes: object) -> HookRow:
        """Change columns of a webhook; UsageError when there is none of this id."""

    def unsubscribe(self, hook: str) -> None:
        """Forget a webhook and its deliveries."""

    def batch_ended(self, batch: str, status: str) -> None:
        """Post that nothing more of a batch goes on by itself."""

    def try_hook(self, hook: str, lease: float) -> DeliveryRow:
        """Make a delivery that tries a webhook, taken for `lease` seconds, and return it."""

    def deliveries(self, hook: str, limit: int) -> list[DeliveryRow]:
        """Return deliveries to a webhook, the newest first."""

    def claim(self, limit: int, lease: float) -> list[DeliveryRow]:
        """Take deliveries that are due: nobody else gets them for `lease` seconds. Each counts as a try."""

    def delivery_went(self, delivery: DeliveryRow) -> None:
        """Keep how a try went: state, answer, when it is tried again; and since when its webhook fails."""

    def forget_deliveries(self, before: str) -> None:
        """Forget deliveries of before a time, RFC 3339 in UTC, that are not to be tried any more."""


class Turns(Protocol):
    """What clients with conversations of their own have asked: which run each turn is about."""

    def take_turn(self, turn: TurnRow) -> TurnRow:
        """Keep a turn and return it, or the one that has its thread and name already."""

    def turn(self, thread: str, name: str) -> TurnRow | None:
        """Return a turn of a thread by its name, or None while there is none."""

    def last_turn(self, thread: str) -> TurnRow | None:
        """Return the turn of a thread that was taken last, or None while there is none."""
