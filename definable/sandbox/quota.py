"""Hex's quotas: fixed windows that start with the first request in them."""

from __future__ import annotations

from dataclasses import dataclass, field

USER = ((60, 60.0),)
"""60 requests a minute per user, all of its tokens together."""

GROUPS: dict[str, tuple[tuple[int, float], ...]] = {
    "hex-api": ((30, 60.0), (1800, 3600.0)),
    "hex-api-30rpm": ((30, 60.0),),
    "hex-run-kernel": ((20, 60.0), (60, 3600.0)),
}
"""Rate group → (requests, seconds) windows, per user. The numbers are Hex's documented defaults."""


@dataclass
class Window:
    """One running window: when it began and what it has let through."""

    start: float
    used: int = 0


@dataclass
class Quota:
    """Counts requests per owner. A refused request takes nothing from any window."""

    enabled: bool = True
    windows: dict[tuple[str, str, float], Window] = field(default_factory=dict)

    def take(self, owner: str, group: str | None, now: float) -> float | None:
        """Take one request; return None, or the seconds until the fullest window starts anew."""
        if not self.enabled:
            return None
        wanted = [("user", limit, length) for limit, length in USER]
        wanted += [(group or "", limit, length) for limit, length in GROUPS.get(group or "", ())]
        open_windows = [
            (self._window(owner, name, length, now), limit, length) for name, limit, length in wanted
        ]
        full = [window.start + length - now for window, limit, length in open_windows if window.used >= limit]
        if full:
            return max(full)
        for window, _, _ in open_windows:
            window.used += 1
        return None

    def _window(self, owner: str, name: str, length: float, now: float) -> Window:
        key = (owner, name, length)
        window = self.windows.get(key)
        if window is None or now >= window.start + length:
            window = self.windows[key] = Window(now)
        return window
