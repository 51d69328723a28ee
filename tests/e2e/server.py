"""Starts the real server as a newcomer does, in a state directory of its own."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

START_TIMEOUT_S = 90
ROOT = Path(__file__).resolve().parents[2]
LISTENS = re.compile(r"listens on (http://\S+)")


@dataclass
class RunningServer:
    """A server process that has printed its banner."""

    process: "subprocess.Popen[str]"
    home: Path
    url: str
    lines: list[str] = field(default_factory=list)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def operator_key(self) -> str:
        return (self.home / "operator.key").read_text("utf-8").strip()

    @property
    def environment(self) -> dict[str, str]:
        """What a user's terminal has: `lmx` finds the server and the key through it."""
        return {**os.environ, "LMX_HOME": str(self.home), "LMX_URL": self.url, "NO_COLOR": "1"}

    def authority(self, key: str | None = None) -> httpx.Client:
        headers = {"Authorization": f"Bearer {key or self.operator_key}"}
        return httpx.Client(base_url=f"{self.url}/authority", headers=headers, timeout=120)

    def workers(self) -> list[psutil.Process]:
        return [p for p in psutil.Process(self.pid).children() if p.is_running()]

    def lmx(self, *arguments: str, **options: str) -> "subprocess.CompletedProcess[str]":
        return run_lmx(*arguments, environment={**self.environment, **options})

    def stop(self, how: int = signal.SIGTERM, timeout: float = 30) -> int:
        self.process.send_signal(how)
        return self.process.wait(timeout)


def run_lmx(
    *arguments: str, environment: dict[str, str]
) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "app.cli.main", *arguments]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
        stdin=subprocess.DEVNULL,
        env=with_checkout(environment),
        cwd=ROOT,
    )


def with_checkout(environment: dict[str, str]) -> dict[str, str]:
    return {**environment, "PYTHONPATH": str(ROOT / "services" / "api")}


@contextmanager
def running_server(home: Path, *, config: str = "preload: []\n") -> Iterator[RunningServer]:
    """Serve from `home` on a free port; killed at the end whatever happened."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings = home / "config.yaml"
    if not settings.exists():
        settings.write_text(config, "utf-8")
    environment = with_checkout({**os.environ, "LMX_HOME": str(home), "PYTHONUNBUFFERED": "1"})
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli.main", "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        cwd=ROOT,
    )
    try:
        lines: list[str] = []
        yield RunningServer(process, home, _read_banner(process, lines), lines)
    finally:
        process.kill()
        process.wait(30)


def _read_banner(process: "subprocess.Popen[str]", lines: list[str]) -> str:
    """Collect output in a thread; return the address once it is printed."""
    found: list[str] = []
    announced = threading.Event()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if not found and (match := LISTENS.search(line)):
                found.append(match[1])
                announced.set()
        announced.set()

    threading.Thread(target=read, daemon=True).start()
    announced.wait(START_TIMEOUT_S)
    if not found:
        raise AssertionError("the server did not start:\n" + "".join(lines))
    return found[0]
