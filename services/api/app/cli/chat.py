"""`lmx chat`: a conversation over /v1/chat/completions, as any client of the server has it."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli import output
from app.cli.options import SERVER, ServerUrl
from app.cli.outcomes import CommandError, ExitCode

if TYPE_CHECKING:
    from app.cli.chat_words import Talk
    from app.cli.connection import Server


def chat(
    model: Annotated[
        str | None, typer.Argument(metavar="MODEL", help="Default: the first one served.")
    ] = None,
    message: Annotated[
        str | None, typer.Option("--message", "-m", metavar="TEXT", help="Ask this and leave.")
    ] = None,
    server: ServerUrl = SERVER,
) -> None:
    """Talk to a model; with -m, or text on stdin, get one answer and leave.

    /help in a conversation lists what steers it: another model, another system text, a new start.
    After each answer a terminal is told its tokens, its speed and how long the first one took.
    """
    from app.cli.chat_words import Talk
    from app.cli.connection import connected

    if message is None and not sys.stdin.isatty():
        message = sys.stdin.read()
    if message is not None and not message.strip():
        raise CommandError("There is nothing to ask: the text is empty.", exit_code=ExitCode.USAGE)
    with connected(server) as endpoint:
        talk = Talk(model or _first_model(endpoint))
        if message is None:
            _converse(endpoint, talk)
            return
        talk.messages.append({"role": "user", "content": message})
        try:
            _answer(endpoint, talk)
        except KeyboardInterrupt:
            raise CommandError("Stopped before the answer was complete.") from None


def _converse(endpoint: "Server", talk: "Talk") -> None:
    from app.cli.chat_words import LEAVE, steered

    output.aside(f"Talking to {talk.model}. Ctrl-C stops an answer; Ctrl-D or /exit leaves; /help.")
    edited = _can_edit()
    while (said := _read_line(edited=edited)) is not None:
        if said.strip() in LEAVE:
            break
        if not said.strip():
            continue
        told = steered(talk, said)
        if told is not None:
            for line in told:
                output.aside(line)
            continue
        talk.messages.append({"role": "user", "content": said})
        try:
            reply = _answer(endpoint, talk)
        except KeyboardInterrupt:
            output.note("\n(stopped)")
            talk.messages.pop()
        except CommandError as failed:
            output.note_wrapped(f"lmx: {failed.sentence}")
            output.note_list(failed.hints)
            talk.messages.pop()
        else:
            talk.messages.append({"role": "assistant", "content": reply})


def _can_edit() -> bool:
    """Whether lines can be edited and called back: in this conversation alone, never from disk."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    try:
        import readline
    except ImportError:
        return False
    readline.clear_history()
    return True


def _read_line(*, edited: bool) -> str | None:
    """None at the end: Ctrl-D, or Ctrl-C."""
    try:
        if edited:
            return input(output.prompt_text())
        output.prompt()
        line = sys.stdin.readline()
    except (KeyboardInterrupt, EOFError):
        line = ""
    except UnicodeDecodeError:
        output.note("That line is not UTF-8; type it again.")
        return ""
    if not line:
        output.note("")
        return None
    return line.rstrip("\n")


def _answer(endpoint: "Server", talk: "Talk") -> str:
    """Ask, show the answer while it comes, and return it."""
    from app.cli.chat_stream import ask

    answer = ask(endpoint, talk.model, talk.asked(), output.stream)
    output.say("")
    if answer.finish == "length":
        output.note("(cut off: the answer reached its length limit)")
    if not answer.finish:
        raise CommandError("The answer broke off. Ask again; `lmx status` shows the server.")
    if sys.stderr.isatty() and (speed := answer.speed()):
        sys.stdout.flush()
        output.aside(f"({speed})")
    return answer.text


def _first_model(endpoint: "Server") -> str:
    from app.cli.connection import rows

    served = [m.get("id") for m in rows(endpoint.get("/v1/models"), "data")]
    for found in served:
        if isinstance(found, str):
            return found
    raise CommandError("The server has no model yet: lmx models import DIR")
