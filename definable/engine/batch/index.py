"""What a batch keeps of its items while it runs: on disk, in a file that vanishes with the process.

All rows are read and checked before the first one runs, and none of them is held in memory.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from enum import StrEnum

from definable.engine.batch.rows import BadRow, Item
from definable.errors import StoreError

CHUNK = 500
"""Items that are taken into memory at a time."""

TABLES = """
CREATE TABLE items (
    n INTEGER PRIMARY KEY, line INTEGER NOT NULL, custom_id TEXT NOT NULL UNIQUE, mark TEXT NOT NULL,
    inputs TEXT NOT NULL, stage TEXT NOT NULL, run TEXT, turn INTEGER NOT NULL, tries INTEGER NOT NULL,
    written INTEGER NOT NULL DEFAULT 0, held INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX items_by_stage ON items (stage, n);
CREATE INDEX items_by_run ON items (run);
CREATE TABLE copies (mark TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE bad (n INTEGER PRIMARY KEY, line INTEGER NOT NULL, custom_id TEXT, problems TEXT NOT NULL);
"""


class Stage(StrEnum):
    """Where an item is on its way through a batch."""

    NEW = "new"
    """It gets a run of its own."""
    AGAIN = "again"
    """Its run goes on from where it failed."""
    HELD = "held"
    """Its run failed because a service was away; it goes on when that is back."""
    OPEN = "open"
    """Its run is in the queue, at work, or waits for a time that comes."""
    PARKED = "parked"
    """Its run waits for a person."""
    ENDED = "ended"
    """Its result is written, as good or bad as it is."""


class Entry:
    """An item in the index: its place, its inputs, its run."""

    __slots__ = ("custom_id", "inputs", "line", "mark", "n", "run", "stage", "tries", "turn", "written")

    def __init__(self, row: sqlite3.Row) -> None:
        """Read a row."""
        self.n: int = row["n"]
        self.line: int = row["line"]
        self.custom_id: str = row["custom_id"]
        self.mark: str = row["mark"]
        self.inputs: str = row["inputs"]
        self.stage = Stage(row["stage"])
        self.run: str | None = row["run"]
        self.turn: int = row["turn"]
        """How many runs the item had before this one."""
        self.tries: int = row["tries"]
        """How often it went on after an outage."""
        self.written = bool(row["written"])
        """Its result stood in the file already when the batch began."""

    @property
    def item(self) -> Item:
        """The item as it was read."""
        return Item(self.line, self.custom_id, json.loads(self.inputs))


class Index:
    """The items of a batch by number, name and stage. Use `Index.open`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        """Make the tables."""
        self._db = db
        db.row_factory = sqlite3.Row
        db.executescript(TABLES)
        self.stages: Counter[Stage] = Counter()
        """How many items are at each stage."""
        self.bad = 0
        """How many rows are bad."""
        self.lines = 0
        """How many results stood in the file already."""

    @classmethod
    @contextmanager
    def open(cls) -> Iterator[Index]:
        """Open an empty index."""
        # A private file, gone when closed; one thread fills it, another uses it, never two at once.
        with closing(sqlite3.connect("", isolation_level=None, check_same_thread=False)) as db:
            yield cls(db)

    @property
    def total(self) -> int:
        """How many items there are."""
        return self.stages.total()

    def fill(self, rows: Iterable[Item | BadRow]) -> None:
        """Take in all rows. StoreError when there is no room for them."""
        try:
            self._db.execute("BEGIN")
            for row in rows:
                self._bad(row) if isinstance(row, BadRow) else self._add(row)
            self._db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise StoreError(
                f"the items cannot be kept while the batch runs: {error}",
                hint="free some space where temporary files go; SQLITE_TMPDIR names another place",
            ) from error

    def _add(self, item: Item) -> None:
        name = self._name(item)
        try:
            self._db.execute(
                "INSERT INTO items (custom_id, line, mark, inputs, stage, turn, tries) "
                "VALUES (?, ?, ?, ?, ?, 0, 0)",
                (name, item.line, item.mark, json.dumps(item.inputs), Stage.NEW),
            )
            self.stages[Stage.NEW] += 1
        except sqlite3.IntegrityError:
            other = self.named(name)
            where = f"line {other.line}" if other else "another line"
            what = f"custom_id {name!r} stands in {where} already; give each item its own"
            self._bad(BadRow(item.line, (what,), name))

    def _name(self, item: Item) -> str:
        """Return an item's name; one that was made of its inputs gets a number when it is taken."""
        if not item.derived:
            return item.custom_id
        counted = self._db.execute(
            "INSERT INTO copies VALUES (?, 1) ON CONFLICT DO UPDATE SET n = n + 1 RETURNING n", (item.mark,)
        ).fetchone()["n"]
        return item.custom_id if counted == 1 else f"{item.custom_id}-{counted}"

    def _bad(self, row: BadRow) -> None:
        values = (row.line, row.custom_id, json.dumps(row.problems))
        self._db.execute("INSERT INTO bad (line, custom_id, problems) VALUES (?, ?, ?)", values)
        self.bad += 1

    def bad_rows(self) -> Iterator[BadRow]:
        """Yield the rows that cannot be run, in the order of the file."""
        for row in self._db.execute("SELECT * FROM bad ORDER BY line, n"):
            yield BadRow(row["line"], tuple(json.loads(row["problems"])), row["custom_id"])

    def chunks(self, *stages: Stage) -> Iterator[list[Entry]]:
        """Yield the items at these stages, in order, some hundred at a time; stages may change meanwhile."""
        marks, last = ", ".join("?" * len(stages)), 0
        query = f"SELECT * FROM items WHERE stage IN ({marks}) AND n > ? ORDER BY n LIMIT {CHUNK}"  # noqa: S608
        while rows := self._db.execute(query, (*stages, last)).fetchall():
            last = rows[-1]["n"]
            yield [Entry(row) for row in rows]

    def first(self, *stages: Stage) -> Entry | None:
        """Return the first item at one of these stages: those of the first stage come first.

        Of those that are held, one that was held least often, so that all of them take turns.
        """
        for stage in stages:
            if self.stages[stage]:
                order = "held, n" if stage is Stage.HELD else "n"
                query = f"SELECT * FROM items WHERE stage = ? ORDER BY {order} LIMIT 1"  # noqa: S608
                return Entry(self._db.execute(query, (stage,)).fetchone())
        return None

    def named(self, custom_id: str) -> Entry | None:
        """Return the item of this name."""
        row = self._db.execute("SELECT * FROM items WHERE custom_id = ?", (custom_id,)).fetchone()
        return Entry(row) if row else None

    def of_run(self, run: str) -> Entry:
        """Return the item whose run this is."""
        return Entry(self._db.execute("SELECT * FROM items WHERE run = ?", (run,)).fetchone())

    def written(self, custom_id: str, run: str) -> bool:
        """Note that a result stands in the file. False for one that is nobody's, outdated, or there twice."""
        changed = self._db.execute(
            "UPDATE items SET written = 1 WHERE custom_id = ? AND run = ? AND stage = ? AND written = 0",
            (custom_id, run, Stage.ENDED),
        ).rowcount
        self.lines += changed
        return bool(changed)

    def move(
        self, entry: Entry, stage: Stage, *, run: str | None = None, turn: int = 0, tries: int = 0
    ) -> None:
        """Put an item at another stage; `run` and the others are kept unless given."""
        self._db.execute(
            "UPDATE items SET stage = ?, run = coalesce(?, run), turn = max(?, turn), tries = max(?, tries), "
            "held = held + ? WHERE n = ?",
            (stage, run, turn, tries, stage is Stage.HELD, entry.n),
        )
        self.stages[entry.stage] -= 1
        self.stages[stage] += 1
        entry.stage, entry.run = stage, run or entry.run
