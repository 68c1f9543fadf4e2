"""What a run learns of contracts: healthy responses as samples, repairs that were verified as patches."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from definable.calls import Exchange, Failure, Lesson, Outcome, Receipt, Send
from definable.store import Store
from definable.store.records import dump
from definable.verify.case import Catalog
from definable.verify.contracts import Contract
from definable.verify.judge import Judge
from definable.verify.record import Record, patch_id, sample, stamp
from definable.verify.repair import Repair

LARGEST = 200_000
"""Characters of a sample beyond which it is not kept."""


class Lessons:
    """Reads the record of contracts for one run, and adds to it."""

    def __init__(self, store: Store, catalog: Catalog, clock: Callable[[], datetime]) -> None:
        """Read what is known so far."""
        self.store = store
        self.catalog = catalog
        self.clock = clock
        self.record: Record = catalog.record
        self.refresh()

    def refresh(self) -> int:
        """Take in what others learned, and return the number of the last row."""
        self.record.add(self.store.known(after=self.record.seq))
        return self.record.seq

    def noticed(self, exchange: Exchange) -> None:
        """Keep a healthy response, when it is one that is still wanted."""
        order, reply = exchange.order, exchange.reply
        if not isinstance(order, Send) or not isinstance(reply, Outcome) or reply.media != "json":
            return
        toolkit, tool = self.catalog[order.tool]
        contract = Contract.of_response(toolkit, tool)
        if contract is None or reply.status not in tool.success:
            return
        known = self.record.at(toolkit, order.tool, reply.known, reply.at)
        judge = Judge(contract, tool, order.tool, order.arguments, known)
        moment = self._moment()
        usual = known is not None and bool(known.alike(order.arguments)) and judge.settled(reply.body)
        name = toolkit.toolkit, order.tool
        if usual and not self.record.due(*name, moment):
            return
        found = judge(reply.body)
        if not isinstance(found, Repair) or found.heals or found.doubts:
            return
        data = sample(order.arguments, reply.body)
        if len(dump(data)) > LARGEST:
            return
        if usual or self.record.wants(*name, data["form"], moment):
            self._learn([Lesson(at=moment, toolkit=name[0], tool=name[1], kind="sample", data=data)])

    def settled(self, receipt: Receipt) -> None:
        """Keep the repairs behind a result that was verified."""
        if receipt.status != "verified":
            return
        moment = self._moment()
        lessons = []
        for heal in receipt.heals:
            ends = heal.drift == "paging_moved" and heal.change is None
            if heal.failure is not Failure.DRIFT or not heal.drift or heal.rule == "patch" or ends:
                continue
            name = patch_id(heal.tool, heal.drift, heal.detail)
            if self.record.proven(name, moment):
                continue
            toolkit = self.catalog[heal.tool][0].toolkit
            data = {"id": name, "heal": heal.model_dump(mode="json", by_alias=True), "call": receipt.call}
            lessons.append(Lesson(at=moment, toolkit=toolkit, tool=heal.tool, kind="patch", data=data))
        self._learn(lessons)

    def _learn(self, lessons: list[Lesson]) -> None:
        if lessons:
            self.store.learn(lessons)
            self.refresh()

    def _moment(self) -> str:
        return stamp(self.clock())
