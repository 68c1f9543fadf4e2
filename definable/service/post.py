"""Webhooks out: takes what is to be delivered from the store, and tries until it has arrived.

A delivery is claimed before it is sent, so that of several processes one sends it. A process that is killed
in between leaves it to be sent again, under the same id.
"""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from standardwebhooks.webhooks import Webhook

from definable import __version__
from definable.errors import StoreError, UsageError
from definable.service import reach
from definable.service.problems import REDACTOR
from definable.store import DeliveryRow, HookRow, Store
from definable.store.records import stamp

LOOK = 1.0
"""Seconds between two looks for what is due."""

AT_ONCE = 16

TIMEOUT = 15.0

LEASE = 60.0
"""Seconds after which a delivery that was claimed, and not heard of, is tried by anybody."""

DELAYS = (5.0, 60.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0)
"""Seconds from each try to the next; after the last one it is given up."""

PATIENCE = 3 * 24 * 3600.0
"""Seconds of nothing but failures after which a webhook is disabled."""

KEPT = timedelta(days=30)

LARGEST = 200_000
"""Bytes of a delivery; outputs that make it larger are left out."""

TEST = "webhook.test"

GONE = 410


class Post:
    """The deliveries of one process."""

    def __init__(self, store: Store, *, local: bool) -> None:
        """Send nothing yet; a `local` service may send to private addresses."""
        self._store = store
        self._local = local
        self._client = httpx.AsyncClient(
            timeout=TIMEOUT, follow_redirects=False, trust_env=False, limits=httpx.Limits(max_connections=32)
        )
        self._out: set[asyncio.Task[DeliveryRow]] = set()
        self._loop: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Deliver from now on."""
        self._loop = asyncio.create_task(self._go())

    async def close(self) -> None:
        """Stop; what is on its way is tried again later, under the same id."""
        tasks = [*self._out, *([self._loop] if self._loop else [])]
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._client.aclose()

    async def _go(self) -> None:
        sweep = 0.0
        while True:
            with suppress(StoreError):  # the database is away; it is looked at again
                for each in self._store.claim(AT_ONCE - len(self._out), LEASE):
                    task = asyncio.create_task(self.deliver(each))
                    self._out.add(task)
                    task.add_done_callback(self._out.discard)
                if self._store.time() > sweep:
                    self._store.forget_deliveries(stamp(datetime.now(UTC) - KEPT))
                    sweep = self._store.time() + 3600
            await asyncio.sleep(LOOK)

    async def deliver(self, delivery: DeliveryRow) -> DeliveryRow:
        """Try a delivery that was claimed, keep how it went, and return that."""
        hook = next((each for each in self._store.hooks() if each.id == delivery.hook), None)
        if hook is None:
            return delivery  # its webhook was deleted meanwhile
        body = delivery.body or composed(self._store, delivery)
        code, wrong, wait = await self._sent(hook, delivery.id, body)
        went = self._judged(delivery.model_copy(update={"body": body, "code": code, "wrong": wrong}), wait)
        self._store.delivery_went(went)
        if went.state != "delivered":
            self._give_up_on(hook, code)
        return went

    async def _sent(self, hook: HookRow, ident: str, body: str) -> tuple[int | None, str, float]:
        """Send once; return the answer's status, what is wrong, and how long the receiver asks to wait."""
        now = datetime.now(UTC)
        try:
            async with asyncio.timeout(TIMEOUT):
                target = await reach.found(hook.url, self._local)
                request = self._client.build_request(
                    "POST",
                    target.connected,
                    content=body.encode(),
                    headers={
                        "host": target.url.netloc.decode(),
                        "content-type": "application/json",
                        "user-agent": f"definable/{__version__}",
                        "webhook-id": ident,
                        "webhook-timestamp": str(int(now.timestamp())),
                        "webhook-signature": Webhook(hook.secret).sign(ident, now, body),
                    },
                    extensions={"sni_hostname": target.url.host},
                )
                answer = await self._client.send(request, stream=True)
                await answer.aclose()  # what it says is not read: only how it was taken counts
        except TimeoutError:
            return None, f"no answer within {TIMEOUT:g} s", 0.0
        except UsageError as error:
            return None, error.message, 0.0
        except httpx.HTTPError as error:
            return None, REDACTOR.text(f"{type(error).__name__}: {error}")[:300], 0.0
        if answer.is_success:
            return answer.status_code, "", 0.0
        after = answer.headers.get("retry-after", "")
        wrong = f"answered {answer.status_code}{'; redirects are not followed' if answer.is_redirect else ''}"
        return answer.status_code, wrong, min(float(after), DELAYS[-1]) if after.isdecimal() else 0.0

    def _judged(self, delivery: DeliveryRow, wait: float) -> DeliveryRow:
        if not delivery.wrong:
            return delivery.model_copy(update={"state": "delivered", "ended_at": stamp(datetime.now(UTC))})
        if delivery.tries > len(DELAYS) or delivery.code == GONE or delivery.event == TEST:
            return delivery.model_copy(update={"state": "failed", "ended_at": stamp(datetime.now(UTC))})
        delay = DELAYS[delivery.tries - 1] * random.uniform(0.9, 1.1)  # noqa: S311 - no secret
        return delivery.model_copy(update={"due": self._store.time() + max(delay, wait)})

    def _give_up_on(self, hook: HookRow, code: int | None) -> None:
        since = hook.failing_since
        if code == GONE:
            why = "the receiver answered 410: it is gone"
        elif since is not None and self._store.time() - since > PATIENCE:
            why = f"nothing has arrived for {PATIENCE / 86400:g} days"
        else:
            return
        self._store.change_hook(hook.id, disabled_at=stamp(datetime.now(UTC)), why=why)


def composed(store: Store, delivery: DeliveryRow) -> str:
    """Return what a delivery says, as JSON."""
    data: dict[str, Any] = dict(delivery.data)
    if delivery.event == "batch.ended":
        row, order = store.known_batch(delivery.subject), store.ordered(delivery.subject)
        data |= {"batch": row.id, "workflow": row.workflow, "progress": order.progress if order else None}
    elif delivery.event != TEST:
        data |= _of_run(store, delivery.subject, data["status"])
    said = {"type": delivery.event, "timestamp": delivery.at, "data": data}
    text = json.dumps(said, separators=(",", ":"))
    if len(text) > LARGEST:
        data.pop("outputs", None)
        data["left_out"] = ["outputs"]
        text = json.dumps(said, separators=(",", ":"))
    return text


def _of_run(store: Store, run: str, status: str) -> dict[str, Any]:
    row = store.run(run)
    found: dict[str, Any] = {"run": row.id, "workflow": row.workflow, "batch": row.batch, "item": row.item}
    if status == "done":
        found["outputs"] = row.outputs
    if row.error is not None and row.status.value == status:
        found["error"] = {key: row.error.get(key) for key in ("error", "message", "hint")}
    return found
