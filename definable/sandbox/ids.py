"""Ids that are the same whenever the seed is."""

from __future__ import annotations

import uuid


def make_id(seed: int, kind: str, name: str) -> str:
    """Return the UUID of a named object under a seed."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"sandbox:{seed}/{kind}/{name}"))
