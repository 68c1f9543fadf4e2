"""What a run learns of contracts: healthy responses as samples, repairs that were verified as patches."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from definable.calls import Exchange, Failure, Lesson, Outcome, Receipt, Send
from definable.store import Store
from definable.verify.case import Catalog
from definable.verify.contracts import Contract
from definable.verify.judge import Judge
from definable.verify.record import AMONG, LASTS, Record, patch_id, sample, stamp
from definable.verify.repair import Repair

TOLD = timedelta(days=1)
"""How long what healthy answers had and no answer has any more is told, before it is known to be so."""
SKEW = timedelta(days=1)
"""How far the clocks of those who write samples may be apart, and more."""


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
        """Keep a healthy response, when one is still wanted."""
        order, reply = exchange.order, exchange.reply
        if not isinstance(order, Send) or not isinstance(reply, Outcome) or reply.media != "json":
            return
        toolkit, tool = self.catalog[order.tool]
        contract = Contract.of_response(toolkit, tool)
        if contract is None or reply.status not in tool.success:
            return
        name, moment = (toolkit.toolkit, order.tool), self._moment()
        if not self.record.due(*name, order.arguments, moment):
            return
        known = self.record.at(toolkit, order.tool, reply.known, reply.at)
        found = Judge(contract, tool, order.tool, order.arguments, known)(reply.body)
        if not isinstance(found, Repair) or found.heals:
            return
        if found.doubts and self.record.sampled(*name, order.arguments, since=stamp(self.clock() - TOLD)):
            return
        data = sample(order.arguments, reply.body)
        if data is not None and self.record.wants(*name, data, moment):
            self._learn([Lesson(at=moment, toolkit=name[0], tool=name[1], kind="sample", data=data)])
            now = self.clock()
            self.store.thin(*name, AMONG, before=stamp(now - SKEW), resumed=stamp(now - LASTS))

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
