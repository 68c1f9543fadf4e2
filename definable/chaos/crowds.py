"""The cells in which many calls, or whole workflows, meet what strikes now and then."""

from __future__ import annotations

from definable.chaos.cells import Phase, Struck, Trouble, rows


def _throttled(s: Struck) -> Trouble:
    others = {"tool": "HEX_*", "fault": "rate_limit", "probability": 0.05, "with": {"retry_after": 5}}
    return Trouble((others,), quotas=True)


def _stormy(s: Struck) -> Trouble:
    names = ("error_before", "reset", "lost_answer", "garbage")
    faults = [{"tool": "HEX_*", "fault": name, "probability": 0.02} for name in names]
    return Trouble(tuple(faults), quotas=True)


def _key_ends(s: Struck) -> Trouble:
    return Trouble((s.fault("expire", "HEX_*", 1, after=s.dice.randint(10, 30)),), quotas=True)


def _weather(s: Struck) -> Trouble:
    """Let every kind of passing fault strike now and then."""
    given: dict[str, dict[str, object]] = {
        "rate_limit": {"retry_after": 1},
        "error_before": {},
        "error_after": {},
        "lost_answer": {},
        "reset": {},
        "garbage": {},
        "noop": {},
        "late_commit": {"seconds": 4},
        "drift_wrap": {},
        "unauthorized": {},
    }
    faults = [{"tool": "HEX_*", "fault": n, "probability": 0.02, "with": w} for n, w in given.items()]
    return Trouble(tuple(faults), key_comes=True, exclusive=True)


MANY = [
    *rows("quota", Phase.MANY, "cell", lambda s: Trouble(quotas=True), count=12),
    *rows("quota", Phase.MANY, "get", lambda s: Trouble(quotas=True), count=40),
    *rows("quota, and others use it", Phase.MANY, "cell", _throttled, count=12),
    *rows("storm", Phase.MANY, "cell", _stormy, count=12),
    *rows("key expires half-way", Phase.MANY, "cell", _key_ends, count=12),
    *rows("key expires half-way", Phase.MANY, "get", _key_ends, count=40),
]

WORKFLOWS = [
    *rows("weather", Phase.WORKFLOW, "weekly-brief", _weather, workflow="weekly-brief"),
    *rows("weather", Phase.WORKFLOW, "ship-change", _weather, workflow="ship-change"),
]
