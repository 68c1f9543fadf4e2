"""Several processes of one command: forked before it opens anything, replaced when killed, ended together."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import dataclass, field

TOLD = (signal.SIGTERM, signal.SIGINT)
"""What tells a process to stop."""


@dataclass
class Prefork:
    """Keeps `count` processes. What is theirs to do is what follows after `keep` has returned None."""

    count: int
    code: int = 0
    """How this process ends: 0, or as the first that ended with an error."""
    ear: int = -1
    """In each of the processes: can be read when the one that keeps them is gone, however it ended."""
    _mouth: int = -1
    _pids: set[int] = field(default_factory=set)
    _stopping: bool = False

    def keep(self) -> int | None:
        """Return None in each of the processes; in the one that keeps them their code, once all have ended.

        One that is killed is replaced. One that ends with an error has said why, and the others are stopped.
        """
        self.ear, self._mouth = os.pipe()
        for number in TOLD:
            signal.signal(number, self._stop)
        for _ in range(self.count):
            if self._forked():
                return None
        while self._pids:
            pid, status = os.wait()
            self._pids.discard(pid)
            if self._stopping or not (os.WIFSIGNALED(status) or os.WEXITSTATUS(status)):
                continue
            if os.WIFSIGNALED(status):
                if self._forked():
                    return None
            else:
                self.code = os.WEXITSTATUS(status)
                self._stop()
        return self.code

    def _forked(self) -> bool:
        """Begin one more process, unless told to stop; True in that one."""
        signal.pthread_sigmask(signal.SIG_BLOCK, TOLD)  # until it is known, or would take it for itself
        try:
            if self._stopping:
                return False
            if pid := os.fork():
                self._pids.add(pid)
                return False
            for number in TOLD:
                signal.signal(number, signal.SIG_DFL)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, TOLD)
        os.close(self._mouth)
        return True

    def _stop(self, *_: object) -> None:
        self._stopping = True
        for pid in self._pids:
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(pid, signal.SIGTERM)
