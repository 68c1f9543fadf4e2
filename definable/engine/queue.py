"""The queue of submitted runs: the store's own (`Store.take_runs`), and what its numbers mean.

A run is a chain of segments, each one stretch of work that ends when the run ends or waits. Between two of
them it is in no queue and holds nothing.
"""

from __future__ import annotations

HISTORY = 1
"""The version of what is written into a run's log; it grows when older code could not go on with that."""

ATTEMPTS = 15
"""How many processes in a row may end with a run that got nowhere in them before it is given up."""

URGENT, NORMAL, BULK = 1, 10, 20
"""Priorities, the lowest number first: somebody looks on, somebody asked, one of a batch.

What was at work and was interrupted, or holds what others wait for, goes before all of them.
"""
