"""`lmx models alias`, `pin`, `unpin`, `note`, `rm`: what people say about a model, and its end."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from app.cli import adoption, output
from app.cli.options import SERVER, ModelName, Reason, ServerUrl
from app.cli.text import one_line


def alias(
    name: ModelName,
    alias: Annotated[str, typer.Argument(metavar="ALIAS", help="A name without a slash.")],
    remove: Annotated[bool, typer.Option("--remove", help="Take the alias away.")] = False,
    server: ServerUrl = SERVER,
) -> None:
    """Give a model a further name to ask it by; one that another model has moves to this one."""
    from app.cli.connection import connected, model_path

    path = f"{model_path(name, 'aliases')}/{quote(alias, safe='')}"
    with connected(server) as authority:
        _show(authority.delete(path) if remove else authority.put(path))


def pin(name: ModelName, server: ServerUrl = SERVER) -> None:
    """Keep a model: it is not deleted, and once loaded not unloaded to make room."""
    _put(server, name, "pin", {"pinned": True})


def unpin(name: ModelName, server: ServerUrl = SERVER) -> None:
    """Let a model make room again, and be deleted when that is approved."""
    _put(server, name, "pin", {"pinned": False})


def note(
    name: ModelName,
    text: Annotated[str, typer.Argument(metavar="TEXT", help='One line; "" takes it away.')],
    server: ServerUrl = SERVER,
) -> None:
    """Say something about a model in one line. The ledger keeps what was said."""
    _put(server, name, "note", {"note": text})


def rm(
    name: ModelName,
    drain: Annotated[
        bool, typer.Option("--drain", help="Let running answers end first, instead of refusing.")
    ] = False,
    reason: Reason = "",
    server: ServerUrl = SERVER,
) -> None:
    """Delete a model. It needs an approval, and can be restored for a while.

    Shows the plan and asks for a typed phrase; no flag skips that. Exits with 4 while it waits for
    somebody else, or where there is no terminal.
    """
    from app.cli.asking import follow
    from app.cli.connection import connected, model_path

    with connected(server) as authority:
        made = authority.delete(model_path(name), {"drain": drain, "reason": reason})
        follow(authority, str(made.get("id")))
    output.note(f"Put it back with: lmx store restore {one_line(name)}")


def register(app: typer.Typer) -> None:
    app.command("adopt")(adoption.adopt)
    for command in (alias, pin, unpin, note, rm):
        app.command(command.__name__)(command)


def _put(server: str, name: str, what: str, body: dict[str, Any]) -> None:
    from app.cli.connection import connected, model_path

    with connected(server) as authority:
        _show(authority.put(model_path(name, what), body))


def _show(model: dict[str, Any]) -> None:
    output.show_fields([(k, one_line(model.get(k))) for k in ("id", "aliases", "pinned", "note")])
