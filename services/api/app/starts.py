"""Whether the last starts crashed in a row, so that this one should load nothing by itself.

`run/starts.json` holds the starts that have not ended well, the latest last. A start adds itself
before it loads anything; ending in good order, or living ten minutes, empties it. So what a start
finds there is a row of starts that ended otherwise: a crash, a kill, a power cut.

Nothing here may stop a start. A file that cannot be read is no history, and that is said.
"""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from app import files

LOOP: Final = 3
"""So many starts in a row that ended badly are a crash loop."""
WINDOW_S: Final = 600
"""A start that lived so long was no part of one, nor is one that the next came so long after."""
_KEPT: Final = 16
_MICROSECONDS: Final = 1_000_000
_FILE: Final = Path("run") / "starts.json"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a start is told. `safe_mode`: why it loads nothing by itself, or "" where it does.

    `unknown`: why nothing is known of earlier starts, or "".
    """

    safe_mode: str = ""
    unknown: str = ""


def in_a_row(began_us: tuple[int, ...], now_us: int) -> tuple[int, ...]:
    """The latest of `began_us` that follow one another, and `now_us`, within WINDOW_S each.

    What a start compares is the starts before it, never itself. A time that lies ahead of the
    next one says that a clock was set: the row begins anew after it.
    """
    row: list[int] = []
    for earlier, later in reversed(list(pairwise((*began_us, now_us)))):
        if not 0 <= later - earlier <= WINDOW_S * _MICROSECONDS:
            break
        row.append(earlier)
    return tuple(reversed(row))


def judge(row: tuple[int, ...]) -> str:
    """Why this is a crash loop, in a sentence, or "" where it is none."""
    if len(row) < LOOP:
        return ""
    times = ", ".join(_clock_time(began) for began in row[-LOOP:])
    return (
        f"The last {len(row)} starts ended without being stopped, each within "
        f"{WINDOW_S // 60} minutes (begun {times} UTC)."
    )


def _clock_time(time_us: int) -> str:
    return datetime.fromtimestamp(time_us / _MICROSECONDS, UTC).strftime("%H:%M:%S")


def parse(text: str) -> tuple[int, ...]:
    """The times (microseconds since 1970, UTC) of the starts in it; raises ValueError."""
    read: Any = json.loads(text)
    began = read.get("began_us") if isinstance(read, dict) else None
    if not isinstance(began, list) or not all(type(one) is int and one >= 0 for one in began):
        raise ValueError("it is not a list of times")
    return tuple(began)


class Starts:
    """The file of one state directory. To be used by whoever holds that directory's lock."""

    def __init__(self, home: Path, utc_us: Callable[[], int] | None = None) -> None:
        self._path = home / _FILE
        self._utc_us = utc_us or (lambda: time.time_ns() // 1_000)

    def begin(self) -> Verdict:
        """Add this start, and say what the ones before it mean."""
        now_us = self._utc_us()
        earlier, unknown = self._earlier()
        row = in_a_row(earlier, now_us)
        try:
            self._write((*row, now_us)[-_KEPT:])
        except OSError as error:
            unknown = unknown or f"{self._path} cannot be written: {error.strerror or error}."
        return Verdict(judge(row), unknown)

    def ended_well(self) -> None:
        """Forget all of them: this start was stopped in good order, or has lived long enough."""
        with suppress(OSError):  # then the next start counts one too many, and is only careful
            self._write(())

    def _earlier(self) -> tuple[tuple[int, ...], str]:
        try:
            return parse(self._path.read_text("utf-8")), ""
        except FileNotFoundError:
            return (), ""
        except (ValueError, RecursionError) as error:
            return (), f"{self._path} cannot be used, earlier starts are not known: {error}."
        except OSError as error:
            return (), f"{self._path} cannot be read: {error.strerror or error}."

    def _write(self, began_us: tuple[int, ...]) -> None:
        text = json.dumps({"version": 1, "began_us": began_us})
        files.replace(self._path, text.encode())
