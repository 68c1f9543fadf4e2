"""Whether there is a key for what is about to be called: asked before anything is started."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from definable.cli.app import Session
from definable.errors import CredentialsError

if TYPE_CHECKING:
    from definable.spec.toolkit import Toolkit


def need_keys(session: Session, kits: Iterable[Toolkit]) -> None:
    """Raise CredentialsError unless each of these products has a key that could be tried."""
    from definable.toolkits.credentials import KeyRing

    for kit in kits:
        ring = KeyRing(kit.credentials, session.environ)
        if ring.current() is None:
            raise CredentialsError(
                f"there is no key for {kit.title}: {ring.explain().partition(': ')[2]}",
                hint="set one of these, or add --sandbox to work against a simulator",
            )
