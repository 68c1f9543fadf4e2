"""One call as a workflow of one step: verified, in the ledger, with a receipt, like any other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from definable.spec.toolkit import Toolkit
from definable.spec.workflow import RunLimits, Step, Workflow
from definable.toolkits.arguments import normalise

ONE_CALL = 900.0
"""Seconds that a single call may take, waits for quota included."""


def single(
    toolkit: Toolkit, slug: str, arguments: Mapping[str, Any], *, approve: bool
) -> tuple[Workflow, dict[str, Any]]:
    """Return the workflow that makes one call, and its inputs; `approve` answers ahead a person."""
    exact = normalise(toolkit, toolkit.tools[slug], slug, dict(arguments))
    given = {name: f"${{{{ inputs.{name} }}}}" for name in exact}
    workflow = Workflow(
        name=slug.lower().replace("_", "-"),
        description=f"One call of {slug}",
        steps=(Step(id="call", call=slug, arguments=given, approve=False if approve else None),),
        outputs={"result": "${{ steps.call.output }}"},
        limits=RunLimits(time=ONE_CALL),
    )
    return workflow, exact
