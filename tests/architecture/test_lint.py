"""The linter bites on the imports and calls that are banned by name."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

ROUTER = "services/api/app/routers/route.py"
USE_CASE = "services/api/app/authority/use_case.py"
WORKER = "services/api/app/engines/worker/loading.py"


def broken_rules(path: str, source: str) -> set[str]:
    done = subprocess.run(
        [
            Path(sys.executable).parent / "ruff",
            *("check", "--no-cache", "--output-format", "concise"),
            *("--stdin-filename", path, "-"),
        ],
        cwd=ROOT,
        input=source,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stderr
    return {line.split()[1] for line in done.stdout.splitlines() if line.startswith(path)}


@pytest.mark.parametrize(
    ("path", "source"),
    [
        (USE_CASE, "import datetime\n\nnow = datetime.datetime.now(datetime.UTC)\n"),
        (USE_CASE, "from datetime import UTC, datetime\n\nnow = datetime.now(UTC)\n"),
        (USE_CASE, "import datetime\n\nnow = datetime.datetime.utcnow()\n"),
        (ROUTER, "import openai\n\nopenai.chat()\n"),
        (ROUTER, "from anthropic import Anthropic\n\nAnthropic()\n"),
        (ROUTER, "def late():\n    import groq\n\n    groq.chat()\n"),
        (ROUTER, "import mlx.core as mx\n\nmx.zeros(1)\n"),
        (USE_CASE, "from mlx_lm import load\n\nload('x')\n"),
        (USE_CASE, "import pickle\n\npickle.loads(b'')\n"),
        (USE_CASE, "from .permissions import grant\n\ngrant()\n"),
    ],
)
def test_a_banned_name_is_found(path: str, source: str) -> None:
    assert broken_rules(path, source) & {"TID251", "TID252"}


def test_the_worker_alone_may_import_mlx() -> None:
    source = "import mlx.core as mx\n\nmx.zeros(1)\n"
    assert "TID251" not in broken_rules(WORKER, source)
    assert "TID251" in broken_rules("services/api/app/engines/process.py", source)


def test_pickle_is_banned_in_the_worker_too() -> None:
    assert "S301" in broken_rules(WORKER, "import pickle\n\npickle.loads(b'')\n")
