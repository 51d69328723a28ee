"""The checks of this project, in one table that make, CI and pre-commit share.

python -m tools.checks              all of them, side by side
python -m tools.checks lint types   just these
"""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent

# Slowest first: they run side by side.
CHECKS: dict[str, tuple[str, ...]] = {
    "types": (f"{BIN}/mypy",),
    "imports": (f"{BIN}/lint-imports", "--no-logo"),
    "lint": (f"{BIN}/ruff", "check", "--output-format", "concise", "."),
    "format": (f"{BIN}/ruff", "format", "--check", "--output-format", "concise", "."),
    "boundary": (sys.executable, "-m", "tools.boundary"),
    "docs": (sys.executable, "-m", "tools.docs", "--check"),
}


def run(name: str) -> tuple[str, int, float, str]:
    started = time.monotonic()
    done = subprocess.run(
        CHECKS[name],
        cwd=ROOT,
        # This checkout's code, wherever the environment's own install points.
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'services/api'}", "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return name, done.returncode, time.monotonic() - started, done.stdout


def main(names: list[str]) -> int:
    unknown = set(names) - CHECKS.keys()
    if unknown:
        print(f"no such check: {', '.join(sorted(unknown))}; there are: {', '.join(CHECKS)}")
        return 2
    failed: list[str] = []
    with ThreadPoolExecutor(max_workers=2) as pool:
        for name, status, seconds, output in pool.map(run, names or list(CHECKS)):
            print(f"{name:10} {'ok' if status == 0 else 'FAILED':6} {seconds:5.1f} s", flush=True)
            if status != 0:
                failed.append(name)
            if status != 0 or name == "boundary":
                print(output, end="", flush=True)
    if failed:
        print(f"checks failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
