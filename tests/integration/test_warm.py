"""A process that is forked for a test (`tests/warm.py`) is like one that is started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import warm

PROGRAMS = {
    "arguments and code": "import sys; print(sys.argv, file=sys.stderr); sys.exit(7)",
    "words at the end": "import sys; sys.exit('words')",
    "a failure": "raise ValueError('x')",
    "folder and environment": "import os; print(os.getcwd(), sorted(os.environ.items()))",
    "open files": "import os; print(sorted(os.listdir('/proc/self/fd')))",
    "streams": "import sys; s = (sys.stdin, sys.stdout, sys.stderr)\n"
    "print([(each.encoding, each.errors, each.line_buffering, each.isatty(), each.mode) for each in s])",
    "signals": "import signal; print([signal.getsignal(n) for n in range(1, 32)])",
    "threads that are left": "import threading, time\n"
    "threading.Thread(target=lambda: (time.sleep(0.1), print('late'))).start(); print('main')",
    "what is done at the end": "import atexit; atexit.register(print, 'bye'); print('text', end='')",
    "its main": "import __main__, sys; print(__name__, __main__ is sys.modules['__main__'], sys.path[0])",
    "killed": "import os; print('lost'); os.kill(os.getpid(), 9)",
    "interrupted": "import os, signal; os.kill(os.getpid(), signal.SIGINT)",
    "one thread, no children": "import os; print(os.listdir('/proc/self/task') == [str(os.getpid())])",
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_a_fork_does_what_a_new_python_does(program: str, tmp_path: Path) -> None:
    """The same code, the same output, and the last of what it says went wrong."""
    command = [sys.executable, "-c", program, "one", "two words"]
    environ = {"A": "1", "PATH": os.environ["PATH"], "LANG": os.environ.get("LANG", "C.UTF-8")}
    new = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True)
    fork = warm.run(command, cwd=tmp_path, env=environ, timeout=100)
    assert (fork.returncode, fork.stdout) == (new.returncode, new.stdout)
    assert fork.stderr.splitlines()[-1:] == new.stderr.splitlines()[-1:]


def test_a_fork_is_heard_and_told_as_a_child_is() -> None:
    """By its id, in a session of its own, as it runs; it is waited for, and ends by a signal."""
    program = "import os, time; print(os.getpid(), os.getsid(0), flush=True); time.sleep(100)"
    with warm.Process(
        [sys.executable, "-c", program], stdout=warm.PIPE, stderr=warm.PIPE, start_new_session=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == f"{process.pid} {process.pid}\n"
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        with pytest.raises(subprocess.TimeoutExpired):
            warm.run([sys.executable, "-c", program], timeout=0.01)
        process.terminate()
        assert process.wait(60) == -signal.SIGTERM
        process.kill()  # it is gone, and nobody else is hit
    assert process.poll() == process.returncode == -signal.SIGTERM
