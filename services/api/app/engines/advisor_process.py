"""The only place that starts, measures, kills and reaps the processes of advisors."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

_GRACE_S: Final = 2.0
_STATUS: Final = Path("/proc/self")


@dataclass(frozen=True, slots=True)
class Ended:
    """`status`: as Popen has it, negative for a signal."""

    status: int
    cpu_ms: int
    peak_bytes: int


class AdvisorProcess:
    """One child with two pipes, an empty environment and a directory of its own.

    Made, measured and reaped in one thread, which must live as long as the child: on Linux a
    child's death signal comes when the thread that started it ends. `kill` may come from any.
    Raises OSError where it cannot be started.
    """

    def __init__(self, bundle: Path) -> None:
        self._scratch = tempfile.mkdtemp(prefix="scratch-", dir=bundle.parent)
        try:
            self._child = subprocess.Popen(
                [sys.executable, "-I", "-S", "-B", str(bundle)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                cwd=self._scratch,
                env={},
                close_fds=True,
                start_new_session=True,
            )
        except OSError:
            shutil.rmtree(self._scratch, ignore_errors=True)
            raise
        streams = (self._child.stdin, self._child.stdout, self._child.stderr)
        self.stdin, self.stdout, self.stderr = (s.fileno() for s in streams if s is not None)
        for descriptor in (self.stdin, self.stdout, self.stderr):
            os.set_blocking(descriptor, False)
        self._lock = threading.Lock()
        self._gone = False
        self._peak_bytes = 0

    def memory_bytes(self) -> int:
        """What it holds now; what it held at most is remembered. 0 once it is gone."""
        now, peak = self._measured()
        self._peak_bytes = max(self._peak_bytes, now, peak)
        return now

    def _measured(self) -> tuple[int, int]:
        if _STATUS.is_dir():
            return _of_status(self._child.pid)
        try:
            now = int(psutil.Process(self._child.pid).memory_info().rss)
        except psutil.Error:
            now = 0
        return now, 0

    def close_stdin(self) -> None:
        """The child's sign that everything it said has been heard."""
        if self._child.stdin is not None:
            self._child.stdin.close()

    def kill(self) -> None:
        """The whole group, at once. Harmless once it has been reaped."""
        with self._lock:
            if not self._gone:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._child.pid, signal.SIGKILL)

    def end(self, *, patient: bool) -> Ended:
        """Wait a moment where `patient`, kill, reap, and remove what it had on disk."""
        self.memory_bytes()
        self.close_stdin()
        if patient:
            self._wait_a_moment()
        with self._lock:
            # Not reaped before, so its number cannot belong to anything else while we sweep.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._child.pid, signal.SIGKILL)
            _, status, used = os.wait4(self._child.pid, 0)
            self._gone = True
        self._child.returncode = os.waitstatus_to_exitcode(status)
        for stream in (self._child.stdout, self._child.stderr):
            if stream is not None:
                stream.close()
        shutil.rmtree(self._scratch, ignore_errors=True)
        # On Linux this peak may be the parent's, from before the child ran a program of its own.
        peak = 0 if sys.platform == "linux" else used.ru_maxrss
        return Ended(
            status=self._child.returncode,
            cpu_ms=round((used.ru_utime + used.ru_stime) * 1000),
            peak_bytes=max(self._peak_bytes, peak),
        )

    def _wait_a_moment(self) -> None:
        """Without reaping it. Where that cannot be asked for, psutil says what has become of it."""
        until = time.monotonic() + _GRACE_S
        while time.monotonic() < until:
            if self._has_ended():
                return
            time.sleep(0.005)

    def _has_ended(self) -> bool:
        if hasattr(os, "waitid"):
            flags = os.WEXITED | os.WNOWAIT | os.WNOHANG
            return os.waitid(os.P_PID, self._child.pid, flags) is not None
        try:
            return psutil.Process(self._child.pid).status() == psutil.STATUS_ZOMBIE
        except psutil.Error:
            return True


def _of_status(pid: int) -> tuple[int, int]:
    """Resident now and at most, as Linux has it for the program that runs, not for its parent."""
    found = {"VmRSS": 0, "VmHWM": 0}
    with contextlib.suppress(OSError):
        for line in (
            (_STATUS.parent / str(pid) / "status").read_text("ascii", "replace").splitlines()
        ):
            name, _, rest = line.partition(":")
            if name in found:
                found[name] = int(rest.split()[0]) * 1024
    return found["VmRSS"], found["VmHWM"]
