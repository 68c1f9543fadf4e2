"""A Hex workspace to try things on: stateful, over real HTTP, with faults on demand."""

from __future__ import annotations

from definable.sandbox.app import app
from definable.sandbox.clock import Clock
from definable.sandbox.faults import Faults
from definable.sandbox.kinds import FAULTS, describe
from definable.sandbox.serve import PORT, Served, serve
from definable.sandbox.world import World

__all__ = ["FAULTS", "PORT", "Clock", "Faults", "Served", "World", "app", "describe", "serve"]
