"""The error tree.

    DefinableError                 everything this package raises on purpose
    ├── UsageError                 a flag, argument or input is wrong                     exit 2
    │   └── RunBusy                another process works on the run                       exit 2
    ├── DefinitionError            files are wrong; holds every Problem found             exit 2
    ├── CredentialsError           no key, or none that is still accepted                 exit 5
    ├── UpstreamError              a host cannot be reached or is not what it should be   exit 5
    ├── ModelError                 a language model failed; carries its failure class     exit 5
    ├── LimitReached               a limit would be broken by the next call               exit 4
    ├── RunCancelled               the run was cancelled from elsewhere                   exit 1
    ├── StoreError                 the database cannot be used now                        exit 1
    │   ├── StoreRefused           it is well, and does not take what was said            exit 1
    │   └── StoreUnreachable       its server is not there, or does not let us in         exit 5
    ├── LedgerError                an effect was asked to make a step its state forbids   exit 1
    │   └── Fenced                 another process works on the run now                   exit 1
    └── ReplayError                a recorded history does not fit today's code           exit 1

Every error carries its facts as attributes and survives `to_json` / `from_json`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in one file: where (1-based line and column), what, and what to do."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        """Return `file:line:col: message`, the form editors and CI logs link to."""
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


class DefinableError(Exception):
    """Root of the tree. `exit_code` is what the command line ends with; `hint` says what to do next."""

    exit_code: ClassVar[int] = 1
    ends_run: ClassVar[bool] = True
    """Whether a run that comes upon it has failed; else only who works on it has to stop."""

    def __init__(self, message: str, *, hint: str = "", **facts: Any) -> None:
        """Keep `message`, the next step in `hint`, and any JSON-ready `facts`."""
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.facts = facts

    def __str__(self) -> str:
        """Return the message and, on its own line, what to do."""
        return f"{self.message}\n  {self.hint}" if self.hint else self.message

    def to_json(self) -> dict[str, Any]:
        """Return the error as plain JSON; `from_json` makes an equal one of it."""
        return {"error": type(self).__name__, "message": self.message, "hint": self.hint, "facts": self.facts}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> DefinableError:
        """Return the error that `to_json` wrote; an unknown name becomes a DefinableError."""
        kind = {c.__name__: c for c in _tree(DefinableError)}.get(data["error"], DefinableError)
        if kind is DefinitionError:
            return DefinitionError([Problem(**p) for p in data["facts"]["problems"]])
        return kind(data["message"], hint=data["hint"], **data["facts"])


class UsageError(DefinableError):
    """A flag, an argument or a run's input is wrong."""

    exit_code = 2


class RunBusy(UsageError):
    """Another process, or this one already, works on the run."""


class DefinitionError(DefinableError):
    """One or more files are wrong. `problems` has every finding, in file order."""

    exit_code = 2

    def __init__(self, problems: list[Problem]) -> None:
        """Keep the findings; the message lists each on its own line."""
        super().__init__("\n".join(map(str, problems)), problems=[asdict(p) for p in problems])
        self.problems = problems


class CredentialsError(DefinableError):
    """No key is set, or no key is left that the service accepts."""

    exit_code = 5


class UpstreamError(DefinableError):
    """A service cannot be reached, or what answers is not that service."""

    exit_code = 5


class ModelError(DefinableError):
    """A language model failed. `failure` is one of `calls.Failure`; `retry_after` is in seconds or None."""

    exit_code = 5

    def __init__(
        self, message: str, *, failure: str, retry_after: float | None = None, hint: str = "", **facts: Any
    ) -> None:
        """Keep the failure class and the server's own waiting time."""
        super().__init__(message, hint=hint, failure=failure, retry_after=retry_after, **facts)
        self.failure = failure
        self.retry_after = retry_after


class LimitReached(DefinableError):
    """The next call would break a limit of the run or step, so it was not made."""

    exit_code = 4


class RunCancelled(DefinableError):
    """The run was cancelled, by this process or another; nothing more is sent for it."""


class StoreError(DefinableError):
    """The database could not be opened, read or written."""

    ends_run = False


class StoreRefused(StoreError):
    """The database is well, and does not take what was said: it would not the next time either."""

    ends_run = True


class StoreUnreachable(StoreError):
    """The database's server is not there, has gone away, or does not let us in."""

    exit_code = 5


class LedgerError(DefinableError):
    """An effect was asked to make a step that its state forbids."""


class Fenced(LedgerError):
    """Another process has begun to work on the run since: this one sends and writes nothing more for it."""

    ends_run = False


class ReplayError(DefinableError):
    """A recorded history does not fit today's code, so nothing more is sent for it."""


def _tree(root: type[DefinableError]) -> list[type[DefinableError]]:
    return [root, *(c for sub in root.__subclasses__() for c in _tree(sub))]
