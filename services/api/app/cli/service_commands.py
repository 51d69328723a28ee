"""Runs the few commands that make a service: the supervisor's own, by name, without a shell."""

import subprocess
from dataclasses import dataclass
from typing import Final

TIMEOUT_S: Final = 120
NOT_FOUND: Final = 127


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended; `said` is the last line that it wrote to its error stream."""

    code: int
    out: str
    said: str


def run(words: tuple[str, ...], *, timeout_s: float = TIMEOUT_S) -> Ran:
    """Run it to its end; what cannot be started or does not end has a code and a sentence too."""
    try:
        done = subprocess.run(
            words,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=timeout_s,
            check=False,
            text=True,
            errors="replace",
        )
    except FileNotFoundError:
        return Ran(NOT_FOUND, "", f"{words[0]} is not on this machine")
    except subprocess.TimeoutExpired:
        return Ran(1, "", f"{words[0]} did not end within {timeout_s:g} s")
    except OSError as error:
        return Ran(1, "", f"{words[0]} cannot be run: {error.strerror or error}")
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return Ran(done.returncode, done.stdout, lines[-1].strip() if lines else "")
