"""Child processes of the benchmarks: one JSON object in, one out, line by line.

Whatever is compared runs in a process of its own, so that no interpreter, allocator or MLX state
is shared with what it is compared with. Each is the leader of its own session, as the product's
workers are: Linux may share out processor time by session, and no side must profit from that.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[1]

Json = dict[str, Any]


class ChildFailed(RuntimeError):
    """A child ended before it answered; its standard error says why."""


class Child:
    """`python -m MODULE ARGS...`, asked over its standard input."""

    def __init__(self, module: str, *args: str) -> None:
        self._name = module
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *args],
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, **question: Any) -> Json:
        """Send one question and wait for its answer."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise ChildFailed(f"{self._name} has no pipes")
        stdin.write(json.dumps(question) + "\n")
        stdin.flush()
        answer = stdout.readline()
        if not answer:
            raise ChildFailed(f"{self._name} ended with status {self._process.wait()}")
        loaded: Json = json.loads(answer)
        return loaded


def answer_questions(answer: Callable[[Json], Json]) -> None:
    """The child's side: answer each line until the parent closes the pipe."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints must not pass for an answer
    for line in sys.stdin:
        replies.write(json.dumps(answer(json.loads(line))) + "\n")
        replies.flush()


def environment(**extra: str) -> dict[str, str]:
    """What children inherit: nothing may be fetched, and the code under test can be imported."""
    own = dict(os.environ)
    paths = [str(ROOT / "services/api"), str(ROOT), own.get("PYTHONPATH", "")]
    own["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    own.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    return own | extra
