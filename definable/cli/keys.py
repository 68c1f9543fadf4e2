"""Whether there is a key for what is about to be called: asked before anything is started."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from definable.cli.app import Session
from definable.errors import CredentialsError

if TYPE_CHECKING:
    from definable.spec.workflow import Workflow


def need_keys(session: Session, globs: Iterable[str]) -> None:
    """Raise CredentialsError unless each product whose tools match has a key that could be tried."""
    from definable.toolkits.credentials import KeyRing

    workspace, wanted = session.workspace, list(globs)
    slugs = [slug for slug in workspace.tools() if any(fnmatchcase(slug, glob) for glob in wanted)]
    kits = {kit.toolkit: kit for kit in map(workspace.toolkit_of, slugs)}
    for kit in kits.values():
        ring = KeyRing(kit.credentials, session.environ)
        if ring.current() is None:
            raise CredentialsError(
                f"there is no key for {kit.title}: {ring.explain().partition(': ')[2]}",
                hint="set one of these, or add --sandbox to work against a simulator",
            )


def tools_of(session: Session, workflow: Workflow) -> list[str]:
    """Return the tools that a workflow may call, as slugs and globs."""
    agents = {step.agent: session.workspace.agent(step.agent).tools for step in workflow.steps if step.agent}
    found: list[str] = []
    for step in workflow.steps:
        own = step.tools if step.tools is not None else agents.get(step.agent or "", ())
        found += [step.call] if step.call else own
    return found
