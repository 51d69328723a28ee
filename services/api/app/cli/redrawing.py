"""A terminal whose whole screen is drawn again and again, and is as it was when that ends."""

import os
import select
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from app.cli.text import clean

_ENTER: Final = "\x1b[?1049h\x1b[?25l"  # another screen, no cursor
_LEAVE: Final = "\x1b[?25h\x1b[?1049l"
_HOME: Final = "\x1b[H"
_REST_OF_LINE: Final = "\x1b[K"
_REST_OF_SCREEN: Final = "\x1b[J"
_QUITS: Final = frozenset({b"q", b"Q", b"\x03", b"\x04", b"\x1b"})


@dataclass(frozen=True, slots=True)
class Redrawn:
    """`drawn`: there is a screen to draw on. `keys`: a keyboard that says when to leave."""

    drawn: bool
    keys: bool

    def draw(self, lines: Sequence[str], foot: str, *, width: int, height: int) -> None:
        """As much of it as fits; the last line says how to leave."""
        room = max(1, height - 1)
        body = [clean(line, keep="")[:width] for line in lines]
        cut = len(body) > room
        body = [*body[: room - 1], "..."] if cut else body
        frame = "".join(f"{line}{_REST_OF_LINE}\r\n" for line in body)
        padding = f"{_REST_OF_LINE}\r\n" * (room - len(body))
        sys.stdout.write(f"{_HOME}{frame}{padding}{clean(foot)[:width]}{_REST_OF_SCREEN}")
        sys.stdout.flush()

    def left_within(self, seconds: float) -> bool:
        """Wait so long; true as soon as somebody types q."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if not self.keys:
                time.sleep(left)
                continue
            if not select.select([sys.stdin], [], [], left)[0]:
                continue
            typed = os.read(sys.stdin.fileno(), 1)
            if not typed or typed in _QUITS:
                return True
        return False


def size_of_terminal() -> tuple[int, int]:
    """Columns and lines."""
    found = shutil.get_terminal_size()
    return found.columns, found.lines


@contextmanager
def redrawn(*, on_screen: bool) -> Iterator[Redrawn]:
    """Where there is no terminal nothing is changed. A polite kill leaves it as it was too."""
    if not on_screen:
        yield Redrawn(drawn=False, keys=False)
        return
    keys = sys.stdin.isatty()
    before = signal.signal(signal.SIGTERM, _leave)
    with _unbuffered(keys):
        sys.stdout.write(_ENTER)
        try:
            yield Redrawn(drawn=True, keys=keys)
        finally:
            sys.stdout.write(_LEAVE)
            sys.stdout.flush()
            signal.signal(signal.SIGTERM, before)


@contextmanager
def _unbuffered(keys: bool) -> Iterator[None]:
    """Keys come one by one and are not shown; Ctrl-C stays what it is."""
    if not keys:
        yield
        return
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    tty.setcbreak(descriptor)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _leave(*_: Any) -> None:
    raise KeyboardInterrupt
