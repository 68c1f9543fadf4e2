"""Webhooks in: a signed request starts a run of the workflow that names the hook. Standard Webhooks 1.0.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from starlette.datastructures import Headers

from definable.errors import DefinitionError
from definable.redaction import Redactor
from definable.service import views
from definable.service.desk import Desk
from definable.service.door import AtDesk
from definable.service.problems import Refusal
from definable.service.views import RunBrief
from definable.spec.inputs import no_constant, whole
from definable.spec.paths import render
from definable.spec.workflow import Trigger, Workflow

router = APIRouter(tags=["hooks"])

SECRET = frozenset(
    {
        *("authorization", "proxy-authorization", "cookie", "x-api-key"),
        *("webhook-signature", "x-hub-signature", "x-hub-signature-256"),
    }
)
"""Headers that are no workflow's: what gets into inputs stands in the log."""

SECRET_ENDINGS = ("-signature", "-token", "-key", "-secret")

LONGEST_ID = 200


@router.post("/hooks/{name}", status_code=202)
async def called(
    name: Annotated[str, Path(max_length=200)], request: Request, response: Response, desk: AtDesk
) -> RunBrief:
    """Start a run by a webhook, signed by Standard Webhooks. Sent again under its `webhook-id`, it is one.

    The workflow's trigger names the environment variable with the secret: `whsec_…`, or any text.
    """
    workflow, trigger = await _declared(desk, name)
    body = await request.body()
    known = _verified(desk, trigger, body, request.headers)
    key = f"hook:{name}:{known}"
    row = desk.store.keyed(key)
    if row is None:
        event = {"event": _event(request, body)}
        row = await desk.submit(workflow, render(trigger.inputs, event), key=key)
    response.headers["location"] = f"/api/runs/{row.id}"
    return views.brief(row)


async def _declared(desk: Desk, name: str) -> tuple[Workflow, Trigger]:
    """Return the workflow that has a webhook of this name, and the trigger that says so."""
    for each, file in desk.fresh().workflows().items():
        if name.encode() not in file.read_bytes():
            continue
        try:
            workflow = await desk.workflow(each)
        except DefinitionError:
            continue  # it cannot run either way
        for trigger in workflow.triggers:
            if trigger.webhook == name:
                return workflow, trigger
    raise Refusal(404, f"there is no webhook {name!r}", "definable triggers shows all")


def _verified(desk: Desk, trigger: Trigger, body: bytes, headers: Headers) -> str:
    """Return the message's id. Refusal unless it was signed with the trigger's secret, just now."""
    secret = desk.environ.get(trigger.secret or "", "").strip()
    if not secret:
        raise Refusal(
            503,
            f"the webhook {trigger.webhook!r} cannot be verified: the variable {trigger.secret} is not set",
            "set it to the sender's secret where definable serve runs, and start that again",
        )
    try:
        signed = Webhook(secret if secret.startswith("whsec_") else secret.encode())
    except ValueError as error:
        raise Refusal(
            503,
            f"the webhook {trigger.webhook!r} cannot be verified: {trigger.secret} is not base64",
            "after whsec_ comes base64; a secret of another form goes without whsec_",
        ) from error
    try:
        signed.verify(body, dict(headers), json_parse=False)
    except (WebhookVerificationError, ValueError) as error:
        wrong = str(error) if isinstance(error, WebhookVerificationError) else "Invalid Signature Headers"
        raise Refusal(
            401,
            f"the signature does not hold: {wrong}",
            "sign webhook-id.webhook-timestamp.body by Standard Webhooks, within 5 minutes",
        ) from error
    known = headers["webhook-id"]
    if len(known) > LONGEST_ID:
        raise Refusal(422, f"webhook-id has {len(known)} characters; {LONGEST_ID} are taken")
    return known


def _event(request: Request, body: bytes) -> dict[str, Any]:
    """Return what the workflow is given of a request; what may be a secret is left out."""
    hide = Redactor().json
    headers = {
        name: value
        for name, value in request.headers.items()
        if name not in SECRET and not name.endswith(SECRET_ENDINGS)
    }
    return {"body": _json(body), "headers": hide(headers), "query": hide(dict(request.query_params))}


def _json(body: bytes) -> Any:
    if not body.strip():
        return None
    try:
        return json.loads(body, parse_constant=no_constant, parse_int=whole)
    except RecursionError as error:
        raise Refusal(422, "the body is nested too deeply") from error
    except ValueError as error:
        raise Refusal(422, f"the body is not JSON: {error}", "send it as application/json") from error
