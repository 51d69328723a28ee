"""`lmx chat`: a conversation over /v1/chat/completions, as any client of the server has it."""

import sys
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli import output
from app.cli.options import SERVER, ServerUrl
from app.cli.outcomes import CommandError, ExitCode
from app.cli.text import one_line

if TYPE_CHECKING:
    from app.cli.connection import Server

Messages = list[dict[str, str]]

_LEAVE = frozenset({"/exit", "/quit", "/bye"})
_DATA = "data:"


def chat(
    model: Annotated[
        str | None, typer.Argument(metavar="MODEL", help="Default: the first one served.")
    ] = None,
    message: Annotated[
        str | None, typer.Option("--message", "-m", metavar="TEXT", help="Ask this and leave.")
    ] = None,
    server: ServerUrl = SERVER,
) -> None:
    """Talk to a model; with -m, or text on stdin, get one answer and leave."""
    from app.cli.connection import connected

    if message is None and not sys.stdin.isatty():
        message = sys.stdin.read()
    if message is not None and not message.strip():
        raise CommandError("There is nothing to ask: the text is empty.", exit_code=ExitCode.USAGE)
    with connected(server) as endpoint:
        chosen = model or _first_model(endpoint)
        if message is None:
            _converse(endpoint, chosen)
        else:
            try:
                _answer(endpoint, chosen, [{"role": "user", "content": message}])
            except KeyboardInterrupt:
                raise CommandError("Stopped before the answer was complete.") from None


def _converse(endpoint: "Server", model: str) -> None:
    output.note(f"Talking to {model}. Ctrl-C stops an answer; Ctrl-D or /exit leaves.")
    messages: Messages = []
    while (said := _read_line()) is not None:
        if not said.strip():
            continue
        messages.append({"role": "user", "content": said})
        try:
            reply = _answer(endpoint, model, messages)
        except KeyboardInterrupt:
            output.note("\n(stopped)")
            messages.pop()
        except CommandError as failed:
            output.note(f"lmx: {failed.sentence}")
            output.note_list(failed.hints)
            messages.pop()
        else:
            messages.append({"role": "assistant", "content": reply})


def _read_line() -> str | None:
    try:
        output.prompt()
        line = sys.stdin.readline()
    except KeyboardInterrupt:
        line = ""
    except UnicodeDecodeError:
        output.note("That line is not UTF-8; type it again.")
        return ""
    if not line or line.strip() in _LEAVE:
        output.note("")
        return None
    return line.rstrip("\n")


def _answer(endpoint: "Server", model: str, messages: Messages) -> str:
    """Ask, show the answer while it comes, and return it."""
    body = {"model": model, "messages": messages, "stream": True}
    said: list[str] = []
    ending = "incomplete"
    with closing(_chunks(endpoint, body)) as chunks:
        for piece, finish in chunks:
            said.append(piece)
            output.stream(piece)
            ending = finish or ending
    output.say("")
    if ending == "length":
        output.note("(cut off: the answer reached its length limit)")
    if ending == "incomplete":
        raise CommandError("The answer broke off. Ask again; `lmx status` shows the server.")
    return "".join(said)


def _chunks(endpoint: "Server", body: dict[str, Any]) -> Generator[tuple[str, str], None, None]:
    """The text and, at the end, the finish reason of each event of the stream."""
    from app.cli.connection import parse_object, refusal

    with closing(endpoint.lines("/v1/chat/completions", body)) as lines:
        for line in lines:
            content = line.removeprefix(_DATA).strip()
            if not line.startswith(_DATA) or content == "[DONE]":
                continue
            event = parse_object(content)
            problem = event.get("error")
            if problem is not None:
                output.say("")
                raise refusal(problem if isinstance(problem, dict) else {}, status=500)
            yield from _said(event)


def _said(event: dict[str, Any]) -> Iterator[tuple[str, str]]:
    choices = event.get("choices")
    for choice in choices if isinstance(choices, list) else []:
        if not isinstance(choice, dict):
            continue
        delta = choice.get("delta")
        piece = delta.get("content") if isinstance(delta, dict) else None
        yield (
            piece if isinstance(piece, str) else "",
            one_line(choice["finish_reason"]) if choice.get("finish_reason") else "",
        )


def _first_model(endpoint: "Server") -> str:
    from app.cli.connection import rows

    served = [m.get("id") for m in rows(endpoint.get("/v1/models"), "data")]
    for found in served:
        if isinstance(found, str):
            return found
    raise CommandError("The server has no model yet: lmx models import DIR")
