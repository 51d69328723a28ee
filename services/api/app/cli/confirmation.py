"""The only place that asks a person to type a phrase. Nothing here can be skipped by a flag."""

import sys
from typing import Final

from app.cli import output
from app.cli.outcomes import CommandError, ExitCode

TRIES: Final = 3


def has_terminal() -> bool:
    """Whether a person can be asked here."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def require_terminal(act: str) -> None:
    """Refuse before anything is asked for: the phrase must come from a person's keyboard."""
    if not has_terminal():
        raise CommandError(
            f"{act} needs a confirmation that a person types, and there is no terminal here. "
            "Nothing was done. Run it in a terminal (over ssh: ssh -t HOST lmx …).",
            exit_code=ExitCode.REFUSED,
        )


def typed(phrase: str, *, consequences: list[str]) -> str:
    """Say what will happen, then return `phrase` once it has been typed exactly."""
    for line in consequences:
        output.note_wrapped(line)
    output.note(f"To go on, type: {phrase}")
    try:
        output.prompt()
        answer = sys.stdin.readline()
    except (KeyboardInterrupt, UnicodeDecodeError):
        answer = ""
    if answer.strip() != phrase:
        raise CommandError("That is not the phrase. Nothing was done.", exit_code=ExitCode.REFUSED)
    return phrase


def answered_yes(question: str) -> bool:
    """For what destroys nothing: whether a person answers `y`; anything else is a no."""
    output.note(question)
    return (_answer() or "").strip().lower() in {"y", "yes"}


def answered(question: str) -> str:
    """What a person answers to `question`; empty for nothing. Ctrl-C and Ctrl-D end the command."""
    output.note(question)
    answer = _answer()
    if answer is None:
        raise CommandError("Ended. What was done until here stays.", exit_code=ExitCode.REFUSED)
    return answer.strip()


def decided_by_typing(phrase: str, *, otherwise: str) -> str:
    """Return `phrase` once it was typed exactly; after three tries, or none, say `otherwise`."""
    for left in reversed(range(TRIES)):
        answer = _answer()
        if answer is None:
            break
        if answer.strip() == phrase:
            return phrase
        if left:
            output.note(f"That is not it. {left} more {'try' if left == 1 else 'tries'}.")
    raise CommandError(otherwise, exit_code=ExitCode.REFUSED)


def _answer() -> str | None:
    """A line as typed; None after Ctrl-C, Ctrl-D or what is no text."""
    try:
        output.prompt()
        answer = sys.stdin.readline()
    except (KeyboardInterrupt, UnicodeDecodeError):
        answer = ""
    if not answer:
        output.note("")  # what follows begins a line
    return answer or None
