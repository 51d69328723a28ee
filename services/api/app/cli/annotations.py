"""`lmx models alias`, `set`, `pin`, `unpin`, `note`, `rm`: what people say of a model, its end."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from app.cli import adoption, output
from app.cli.options import SERVER, Context, ModelName, Reason, ServerUrl, Slots
from app.cli.outcomes import CommandError, ExitCode
from app.cli.text import one_line, pick
from app.domain.terms import NEVER


def alias(
    name: ModelName,
    alias: Annotated[str, typer.Argument(metavar="ALIAS", help="A name without a slash.")],
    then: Annotated[
        list[str] | None,
        typer.Option(
            "--then",
            metavar="OTHER",
            help="A model that answers where the ones before cannot be loaded; repeatable.",
        ),
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take the alias away.")] = False,
    server: ServerUrl = SERVER,
) -> None:
    """Give a model a further name to ask it by; one that another model has moves to this one.

    What --then names is all that the alias falls back to: without it, to nothing.
    """
    if remove and then:
        raise CommandError("Say --then or --remove, not both.", exit_code=ExitCode.USAGE)
    from app.cli.connection import connected, model_path

    path = f"{model_path(name, 'aliases')}/{quote(alias, safe='')}"
    with connected(server) as authority:
        _show(
            authority.delete(path)
            if remove
            else authority.put(path, {"then": then} if then else None)
        )


def set_(  # noqa: PLR0917 - the options of a command
    name: ModelName,
    context: Context = None,
    slots: Slots = None,
    idle: Annotated[
        str | None,
        typer.Option("--idle", metavar="S|never", help="Seconds unused until it is unloaded."),
    ] = None,
    default: Annotated[
        bool, typer.Option("--default", help="Forget what was set: the settings hold again.")
    ] = False,
    server: ServerUrl = SERVER,
) -> None:
    """Set what a model is loaded on where nobody says otherwise, and how long it may idle.

    What is not said stays. With --default, what is said is all that is set. Idle time holds at
    once, context and slots from the next load on.
    """
    said = {"context": context, "slots": slots, "idle_s": None if idle is None else _idle_s(idle)}
    body = {term: value for term, value in said.items() if default or value is not None}
    if not body:
        raise CommandError(
            "Say what to set: --context, --slots or --idle, or --default to forget what was set.",
            exit_code=ExitCode.USAGE,
        )
    _put(server, name, "terms", body)


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
    app.command("alias")(alias)
    app.command("set")(set_)
    for command in (pin, unpin, note, rm):
        app.command(command.__name__)(command)


def _idle_s(idle: str) -> int:
    if idle == "never":
        return NEVER
    if not (idle.isascii() and idle.isdigit()) or len(idle) > 9 or int(idle) == NEVER:
        raise CommandError(
            "--idle takes a whole number of seconds, or never.", exit_code=ExitCode.USAGE
        )
    return int(idle)


def shown_terms(model: dict[str, Any]) -> str:
    """As in ``context 4096, slots 4 (default), idle 3600 s (default)``; a dash: not known."""
    usual = {term: pick(model, "usual", term) for term in ("context", "slots", "idle_s")}
    if None in usual.values():
        return "-"
    said = {
        "context": f"context {one_line(usual['context'])}",
        "slots": f"slots {one_line(usual['slots'])}",
        "idle_s": "idle never"
        if usual["idle_s"] == NEVER
        else f"idle {one_line(usual['idle_s'])} s",
    }
    return ", ".join(
        f"{words} (default)" if pick(model, "terms", term) is None else words
        for term, words in said.items()
    )


def shown_chains(model: dict[str, Any]) -> str:
    """As in ``small: a/b, then a/c; tiny: a/c, then a/b``; a dash: there are none."""
    chains = pick(model, "chains")
    found = (
        f"{one_line(alias)}: {', then '.join(map(one_line, chain))}"
        for alias, chain in (chains.items() if isinstance(chains, dict) else ())
        if isinstance(chain, list)
    )
    return "; ".join(found) or "-"


def _put(server: str, name: str, what: str, body: dict[str, Any]) -> None:
    from app.cli.connection import connected, model_path

    with connected(server) as authority:
        _show(authority.put(model_path(name, what), body))


def _show(model: dict[str, Any]) -> None:
    plain = [(k, one_line(model.get(k))) for k in ("id", "aliases", "pinned", "note")]
    output.show_fields([*plain, ("terms", shown_terms(model)), ("chains", shown_chains(model))])
