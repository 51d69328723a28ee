"""How a command runs in a test, and how it ended."""

import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fakes.authority_http import OPERATOR, FakeAuthority

API = Path(__file__).parents[2] / "services" / "api"
PROGRAM = (sys.executable, "-m", "app.cli.main")


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


Run = Callable[..., Ended]


def squeezed(shown: str) -> str:
    """What a terminal shows, however wide it is."""
    return " ".join(shown.split())


def environment(authority: FakeAuthority | None = None, **more: str) -> dict[str, str]:
    known = {"PATH": os.environ["PATH"], "PYTHONPATH": str(API), "TERM": "xterm", "COLUMNS": "60"}
    if authority is not None:
        known |= {"LMX_URL": authority.url, "LMX_KEY": OPERATOR}
    return known | more


def commands_of(command: Any, names: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words that lead to it and to each one below it."""
    yield names
    for name, child in getattr(command, "commands", {}).items():
        yield from commands_of(child, (*names, name))


def seen_loaded(arguments: list[str], modules: set[str]) -> str:
    """Which of these modules a command has loaded once it ended, as Python writes a set."""
    probe = (
        f"import sys; from app.cli.main import main; main({arguments!r}); "
        f"print({modules!r} & sys.modules.keys(), file=sys.stderr)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, env=environment(), check=True
    )
    return ended.stderr.decode().strip()


class Terminal:
    """A program whose stdin, stdout and stderr are one terminal of 60 columns."""

    def __init__(self, authority: FakeAuthority, *arguments: str, **more: str) -> None:
        self._keyboard, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [*PROGRAM, *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment(authority, NO_COLOR="1", **more),
            start_new_session=True,
        )
        os.close(theirs)
        self._shown = b""

    @property
    def screen(self) -> str:
        """All that was shown; a piece may end within a character or a line's end."""
        return self._shown.decode(errors="replace").replace("\r\n", "\n")

    def wait_for(self, text: str) -> None:
        while text not in self.screen:
            assert self._read(), f"ended without {text!r}:\n{self.screen}"

    def type(self, text: str) -> None:
        os.write(self._keyboard, text.encode())

    def ended(self) -> int:
        while self._read():
            pass
        code = self.process.wait()
        os.close(self._keyboard)
        return code

    def _read(self) -> bool:
        try:
            piece = os.read(self._keyboard, 4096)
        except OSError:  # what a terminal says once its last program has left
            return False
        self._shown += piece
        return bool(piece)
