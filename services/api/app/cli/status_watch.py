"""`lmx status --watch`: the same screen again and again, through restarts of the server."""

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.cli import output, text
from app.cli.outcomes import CommandError
from app.cli.redrawing import Redrawn, redrawn, size_of_terminal
from app.cli.status_shown import screen


@dataclass(slots=True)
class Watched:
    """What is known: the last answer, and since when and why there is none."""

    answer: Mapping[str, Any] | None = None
    lost_us: int | None = None
    why: str = ""
    frames: int = field(default=0)

    def heard(self, answer: Mapping[str, Any]) -> None:
        self.answer, self.lost_us, self.why = answer, None, ""

    def lost(self, why: str, now_us: int) -> None:
        self.lost_us = self.lost_us or now_us
        self.why = why

    def lines(self, *, width: int | None, now_us: int) -> list[str]:
        """The screen; above it, where nobody answers, since when."""
        shown = screen(self.answer, width=width, now_us=now_us) if self.answer is not None else []
        if self.lost_us is None:
            return shown
        gone = text.duration((now_us - self.lost_us) // 1_000_000)
        said = f"{text.utc_time(self.lost_us)[11:19]} UTC ({gone}). {self.why}"
        known = ["", "What it said last:", ""] if shown else []
        return [*text.fields([("NOT REACHABLE since", said)], width=width), *known, *shown]

    def as_line(self) -> str:
        """One line of JSON, ASCII alone."""
        if self.lost_us is None:
            return json.dumps(self.answer)
        return json.dumps({"unreachable_since_us": self.lost_us, "why": self.why})


def watching(server: str, *, every_s: float, as_json: bool) -> None:
    """Until somebody leaves. Raises CommandError where the server refuses, not where it is away."""
    known = Watched()
    on_screen = sys.stdout.isatty() and not as_json
    try:
        with redrawn(on_screen=on_screen) as terminal:
            while True:
                _ask(server, known)
                _show(known, terminal, as_json=as_json)
                if terminal.left_within(every_s):
                    return
    except KeyboardInterrupt:
        return


def _ask(server: str, known: Watched) -> None:
    from app.cli.connection import connected

    try:
        with connected(server) as authority:
            known.heard(authority.get("/authority/status"))
    except CommandError as error:
        if error.problem and known.answer is None and known.lost_us is None:
            raise
        known.lost(error.sentence, time.time_ns() // 1000)


def _show(known: Watched, terminal: Redrawn, *, as_json: bool) -> None:
    now_us = time.time_ns() // 1000
    if as_json:
        output.say(known.as_line())
        sys.stdout.flush()
        return
    if terminal.drawn:
        width, height = size_of_terminal()
        foot = f"{text.utc_time(now_us)[11:19]} UTC  q leaves"
        terminal.draw(known.lines(width=width, now_us=now_us), foot, width=width, height=height)
        return
    if known.frames:
        output.say("")
    known.frames += 1
    output.say(*known.lines(width=None, now_us=now_us))
    sys.stdout.flush()
