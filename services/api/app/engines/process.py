"""The only place that starts, signals and reaps worker processes."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

SOURCE = Path(__file__).parents[2]
"""Where `app` is imported from, also when it is not installed."""

STDERR_TAIL_BYTES = 8 * 1024

# What a worker may inherit. No key, no proxy, no token is among them.
_INHERITED = (
    "PATH",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES",
    "CUDA_HOME",
)
_SET = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    "DO_NOT_TRACK": "1",
}


def worker_command() -> tuple[str, ...]:
    """`-P`: the working directory is no place to import from."""
    return (sys.executable, "-P", "-m", "app.engines.worker")


def worker_environment(inherited: Mapping[str, str], *, home: Path) -> dict[str, str]:
    """Everything a worker sees of the server's environment."""
    kept = {name: inherited[name] for name in _INHERITED if name in inherited}
    return kept | _SET | {"HOME": str(home), "PYTHONPATH": str(SOURCE)}


class WorkerProcess:
    """One child in a session and process group of its own, with a socket to talk over.

    Must be made in a thread that lives as long as the server: on Linux a child's death signal
    comes when the thread that started it ends.
    """

    def __init__(self, command: Sequence[str], *, directory: Path) -> None:
        self._loop = asyncio.get_running_loop()
        self.exited: asyncio.Future[str] = self._loop.create_future()
        self.killed_for: str | None = None
        self._tail = _Tail()
        self._gone = False
        ours, theirs = socket.socketpair()
        stderr, stderr_in = os.pipe()
        try:
            self._child = subprocess.Popen(
                [*command, str(theirs.fileno()), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=stderr_in,
                stderr=stderr_in,
                cwd=directory,
                env=worker_environment(os.environ, home=directory),
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        except OSError:
            ours.close()
            os.close(stderr)
            raise
        finally:
            theirs.close()
            os.close(stderr_in)
        self.socket = ours
        self.pid = self._child.pid
        self._stderr = stderr
        self._tail_read = threading.Thread(target=self._read_stderr, daemon=True)
        self._tail_read.start()
        threading.Thread(target=self._wait, name=f"worker-{self.pid}", daemon=True).start()

    def stderr_tail(self) -> str:
        """The last that the process wrote to its terminal, for the server's log only."""
        return self._tail.text()

    def kill(self, reason: str | None = None) -> None:
        """KILL the group, whatever state it is in. `reason` becomes why it exited."""
        self.killed_for = self.killed_for or reason
        self._signal(signal.SIGKILL)

    async def stop(self, grace_s: float) -> None:
        """TERM, wait, KILL; returns when the process is gone. A cancelled stop kills at once."""
        self.killed_for = self.killed_for or "stopped"
        self._signal(signal.SIGTERM)
        try:
            await asyncio.wait([self.exited], timeout=grace_s)
        finally:
            self._signal(signal.SIGKILL)
        await asyncio.shield(self.exited)

    def _signal(self, number: signal.Signals) -> None:
        if not self._gone:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    def _wait(self) -> None:
        """Runs in a thread: sweeps the group once its leader has ended, then reaps the leader."""
        if hasattr(os, "waitid"):
            # Not reaped yet, so its number cannot belong to anything else while we sweep.
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
            self._signal(signal.SIGKILL)
            self._gone = True
            status = self._child.wait()
        else:
            # macOS before Python 3.13. While a member is left the group keeps its number.
            status = self._child.wait()
            self._signal(signal.SIGKILL)
            self._gone = True
        self._tail_read.join(timeout=1.0)
        with contextlib.suppress(RuntimeError):  # the loop is closed: the server is going
            self._loop.call_soon_threadsafe(self._note_exit, status)

    def _note_exit(self, status: int) -> None:
        if not self.exited.done():
            self.exited.set_result(self.killed_for or describe_exit(status))

    def _read_stderr(self) -> None:
        with os.fdopen(self._stderr, "rb", buffering=0) as pipe:
            while data := pipe.read(4096):
                self._tail.add(data)


class _Tail:
    def __init__(self) -> None:
        self._data = b""

    def add(self, data: bytes) -> None:
        self._data = (self._data + data)[-STDERR_TAIL_BYTES:]

    def text(self) -> str:
        return self._data.decode("utf-8", "replace")


def describe_exit(status: int) -> str:
    """Popen's return code in words."""
    if status < 0:
        return f"killed by signal {-status}"
    return f"exited with status {status}"
