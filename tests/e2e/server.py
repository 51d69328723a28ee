"""Starts the real server as a newcomer does, in a state directory of its own."""

import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml

START_TIMEOUT_S = 90
ROOT = Path(__file__).resolve().parents[2]
BRIEFLY_IDLE = httpx.Limits(keepalive_expiry=2)
"""The server closes a connection that is idle for five seconds: perhaps just as it is used."""
LISTENS = re.compile(r"listens on (http://\S+)")
LMX = (sys.executable, "-m", "app.cli.main")

Text = subprocess.CompletedProcess[str]


@dataclass
class RunningServer:
    """A server process that has printed its banner."""

    process: subprocess.Popen[str]
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
        return httpx.Client(
            base_url=f"{self.url}/authority", headers=headers, timeout=120, limits=BRIEFLY_IDLE
        )

    def events(self, **wanted: Any) -> list[dict[str, Any]]:
        """The ledger's events of that kind, subject or actor, the newest first."""
        query = {"limit": 1000, "newest_first": True, **wanted}
        with self.authority() as authority:
            found: list[dict[str, Any]] = authority.get("/ledger/events", params=query).json()[
                "events"
            ]
        return found

    def residency(self, model: str) -> dict[str, Any]:
        """What the status says of a model; {} before anybody asked for it."""
        with self.authority() as authority:
            models = authority.get("/status").json()["models"]
        return next((m for m in models if m["id"] == model), {})

    def workers(self) -> list[psutil.Process]:
        return [child for child in psutil.Process(self.pid).children() if _alive(child)]

    def lmx(self, *arguments: str, **options: str) -> Text:
        return run_lmx(*arguments, environment={**self.environment, **options})

    def import_model(self, directory: Path, name: str) -> None:
        done = self.lmx("models", "import", str(directory), "--name", name)
        assert done.returncode == 0, done.stderr

    def stop(self, how: int = signal.SIGTERM, timeout: float = 60) -> int:
        self.process.send_signal(how)
        return self.process.wait(timeout)


def run_lmx(*arguments: str, environment: Mapping[str, str]) -> Text:
    return subprocess.run(
        [*LMX, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
        stdin=subprocess.DEVNULL,
        env=with_checkout(environment),
        cwd=ROOT,
    )


def type_to_lmx(*arguments: str, typed: str, environment: Mapping[str, str]) -> tuple[int, str]:
    """Run `lmx` in a terminal in which `typed` is entered; its exit code and what it showed."""
    keyboard, theirs = pty.openpty()
    process = subprocess.Popen(
        [*LMX, *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=with_checkout(environment),
        cwd=ROOT,
        start_new_session=True,
    )
    os.close(theirs)
    os.write(keyboard, typed.encode() + b"\n")
    screen = b""
    try:
        while piece := os.read(keyboard, 4096):
            screen += piece
    except OSError:  # what a terminal says once its last program has left
        pass
    os.close(keyboard)
    return process.wait(60), screen.decode(errors="replace").replace("\r\n", "\n")


def _alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:  # it was reaped since it was listed
        return False


def with_checkout(environment: Mapping[str, str]) -> dict[str, str]:
    return {**environment, "PYTHONPATH": str(ROOT / "services" / "api")}


@contextmanager
def running_server(
    home: Path, *, under: Sequence[str] = (), **settings: Any
) -> Iterator[RunningServer]:
    """Serve from `home` on a free port, below the command `under`; killed at the end.

    `settings` are written when the home is made; a second start finds them.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (home / "config.yaml").exists():
        text = yaml.safe_dump({"version": 1, "port": 0, "preload": [], **settings})
        (home / "config.yaml").write_text(text, "utf-8")
    environment = with_checkout({**os.environ, "LMX_HOME": str(home), "PYTHONUNBUFFERED": "1"})
    with subprocess.Popen(
        [*under, *LMX, "serve"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        cwd=ROOT,
    ) as process:
        lines: list[str] = []
        reader = threading.Thread(target=_read, args=(process, lines, announced := Announced()))
        reader.start()
        try:
            announced.wait(START_TIMEOUT_S)
            assert announced.url, "the server did not start:\n" + "".join(lines)
            yield RunningServer(process, home, announced.url, lines)
        finally:
            if process.poll() is None:
                # Also what runs below another command, as under a tracer.
                for child in psutil.Process(process.pid).children(recursive=True):
                    with suppress(psutil.NoSuchProcess):
                        child.kill()
                process.kill()
            reader.join(30)


class Announced(threading.Event):
    """Set once the server said where it listens, or ended without saying it."""

    url: str = ""


def _read(process: subprocess.Popen[str], lines: list[str], announced: Announced) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        if not announced.url and (match := LISTENS.search(line)):
            announced.url = match[1]
        if "Stop with" in line:
            announced.set()
    announced.set()
