"""A start that is killed at one step of the upgrade: ``dying.py HOME STEP``."""

import os
import signal
import sys
from pathlib import Path

from app.wiring.upgrades import upgraded


def main(home: Path, at: str) -> None:
    def step(name: str) -> None:
        if name == at:
            os.kill(os.getpid(), signal.SIGKILL)

    upgraded(home, step=step)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
