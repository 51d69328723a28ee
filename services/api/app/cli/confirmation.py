"""The only place that asks a person to type a phrase. Nothing here can be skipped by a flag."""

import sys

from app.cli import output
from app.cli.outcomes import CommandError, ExitCode


def require_terminal(act: str) -> None:
    """Refuse before anything is asked for: the phrase must come from a person's keyboard."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise CommandError(
            f"{act} needs a confirmation that a person types, and there is no terminal here. "
            "Nothing was done. Run it in a terminal (over ssh: ssh -t HOST lmx …).",
            exit_code=ExitCode.REFUSED,
        )


def typed(phrase: str, *, consequences: list[str]) -> str:
    """Say what will happen, then return `phrase` once it has been typed exactly."""
    for line in consequences:
        output.note(line)
    output.note(f"To go on, type: {phrase}")
    try:
        output.prompt()
        answer = sys.stdin.readline()
    except (KeyboardInterrupt, UnicodeDecodeError):
        answer = ""
    if answer.strip() != phrase:
        raise CommandError("That is not the phrase. Nothing was done.", exit_code=ExitCode.REFUSED)
    return phrase
