"""The command tree. A new command: one loader, one line in COMMANDS, its name in the tests' list.

A loader imports its module when its command is asked for, and not before: `lmx --help` loads none
of them. What the line says stands in `lmx --help`; keep it under 48 characters.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer

from app.cli.lazily import Entry, LazyGroup, lazy


def _serve() -> Any:
    from app.cli.serve import serve

    return serve


def _status() -> Any:
    from app.cli.status import status

    return status


def _doctor() -> Any:
    from app.cli.doctor import doctor

    return doctor


def _setup() -> Any:
    from app.cli.setup import setup

    return setup


def _chat() -> Any:
    from app.cli.chat import chat

    return chat


def _models() -> Any:
    from app.cli.models import app

    return app


def _store() -> Any:
    from app.cli.store import app

    return app


def _keys() -> Any:
    from app.cli.keys import app

    return app


def _approvals() -> Any:
    from app.cli.approvals import app

    return app


def _guardrails() -> Any:
    from app.cli.guardrails import app

    return app


def _advice() -> Any:
    from app.cli.advice import app

    return app


def _people() -> Any:
    from app.cli.people import app

    return app


def _runs() -> Any:
    from app.cli.runs import app

    return app


def _ledger() -> Any:
    from app.cli.ledger import app

    return app


def _witness() -> Any:
    from app.cli.witness import app

    return app


def _rules() -> Any:
    from app.cli.rules import rules

    return rules


def _backup() -> Any:
    from app.cli.backup import app

    return app


def _config() -> Any:
    from app.cli.config import app

    return app


def _service() -> Any:
    from app.cli.service import app

    return app


def _completion() -> Any:
    from app.cli.completion import completion

    return completion


COMMANDS: Final[Mapping[str, Entry]] = {
    "serve": Entry("Run the server, on 127.0.0.1 alone.", _serve),
    "status": Entry("What the server does now, on one screen.", _status),
    "service": Entry("Run the server as a service of this machine.", _service),
    "doctor": Entry("What should stand here, and what to do.", _doctor),
    "setup": Entry("Name the people who approve.", _setup),
    "chat": Entry("Talk to a model.", _chat),
    "models": Entry("The catalog, and loading from it.", _models),
    "store": Entry("What takes the disk, and the trash.", _store),
    "keys": Entry("Create, list and revoke keys.", _keys),
    "approvals": Entry("What waits for a person's yes, and deciding.", _approvals),
    "guardrails": Entry("Rules in plain words, and what they decide.", _guardrails),
    "advice": Entry("What advisors propose: look, accept, dismiss.", _advice),
    "people": Entry("List people, name one, erase a name.", _people),
    "runs": Entry("Attempts: what was asked, decided and done.", _runs),
    "ledger": Entry("Read the append-only record.", _ledger),
    "backup": Entry("Back up the whole state, and put it back.", _backup),
    "config": Entry("Settings: what holds, and reading them anew.", _config),
    "witness": Entry("Cosign another server's checkpoints.", _witness),
    "rules": Entry("Every hard rule, and which test holds it.", _rules),
    "completion": Entry("Complete what is typed, in bash, zsh and fish.", _completion),
}
"""What `lmx` can do, in the order of its help."""

_typer = typer.Typer(
    name="lmx",
    cls=LazyGroup,
    help="LMX Authority: a local model server with an execution authority inside.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help: starts faster, reads well at 60 columns and in pipes
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from app.cli import output, version

        output.say(version.sentence())
        raise typer.Exit


@_typer.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_print_version, help="Print the version."
        ),
    ] = False,
) -> None:
    del version  # its callback has answered


app: Final = lazy(_typer, COMMANDS)
