"""Makes the throw-away environment of the other engines in `build/peers`, from locked requirements."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.peers.process import ROOT

HERE = Path(__file__).parent
PLACE = ROOT / "build" / "peers"
PYTHON = PLACE / "bin" / "python"


def install() -> None:
    """Install what is not there yet: Celery, Prefect and Restate's SDK by pip, Restate's server by npm."""
    stamp, locked = PLACE / "stamp", (HERE / "requirements.txt").read_text()
    if stamp.exists() and stamp.read_text() == locked:
        return
    print("making build/peers (once; some minutes)", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", str(PLACE)], check=True)
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--require-hashes", "-r", str(HERE / "requirements.txt")], check=True)
    node = PLACE / "npm"
    node.mkdir(exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, node / name)
    if missing("npm"):
        print("npm is not there: Restate's server is not installed", file=sys.stderr)
    else:
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=node, check=True)
    stamp.write_text(locked)


def missing(program: str) -> bool:
    """Whether a program is not on this machine."""
    return shutil.which(program) is None
