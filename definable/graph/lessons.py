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
        """Keep the repairs behind a verified result; those of a request that did something else go."""
        if receipt.status != "verified":
            if receipt.failure in (Failure.FALSE_SUCCESS, Failure.UNKNOWN_OUTCOME):
                self._withdraw(receipt)
            return
        moment = self._moment()
        lessons = []
        for heal in receipt.heals:
            ends = heal.drift == "paging_moved" and heal.change is None
            reworded = heal.failure is Failure.REQUEST_DRIFT and heal.rewording is not None
            if not (reworded or heal.failure is Failure.DRIFT) or not heal.drift:
                continue
            if heal.rule == "patch" or ends:
                continue
            name = patch_id(heal.tool, heal.drift, heal.detail)
            # A request is put as it was proven last, so that each proof counts, however soon it comes again.
            if not reworded and self.record.proven(name, moment):
                continue
            toolkit = self.catalog[heal.tool][0].toolkit
            data = {"id": name, "heal": heal.model_dump(mode="json", by_alias=True), "call": receipt.call}
            lessons.append(Lesson(at=moment, toolkit=toolkit, tool=heal.tool, kind="patch", data=data))
        self._learn(lessons)

    def _withdraw(self, receipt: Receipt) -> None:
        """Take back how a request was put, when what it did turned out not to be what was asked."""
        moment, toolkit = self._moment(), self.catalog[receipt.tool][0].toolkit
        lessons = []
        for heal in receipt.heals:
            if heal.rewording is None or heal.rule != "patch" or heal.tool != receipt.tool:
                continue
            name = patch_id(heal.tool, heal.drift, heal.detail)
            said = {"id": name, "by": f"what {receipt.call} did"}
            lessons.append(Lesson(at=moment, toolkit=toolkit, tool=heal.tool, kind="rejected", data=said))
        self._learn(lessons)

    def worded(self, order: Send) -> Send:
        """Return an order in the words in which its server is known to want it; one with words keeps them."""
        if order.changes:
            return order
        toolkit = self.catalog[order.tool][0].toolkit
        changes = self.record.rewordings(toolkit, order.tool, self._moment())
        return order.model_copy(update={"changes": changes}) if changes else order

    def _learn(self, lessons: list[Lesson]) -> None:
        if lessons:
            self.store.learn(lessons)
            self.refresh()

    def _moment(self) -> str:
        return stamp(self.clock())
