"""The command tree, and the one place where a command's end becomes an exit code."""

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from app.cli import (
    advice,
    approvals,
    chat,
    doctor,
    guardrails,
    keys,
    ledger,
    models,
    output,
    people,
    rules,
    runs,
    serve,
    setup,
    status,
    store,
    witness,
)
from app.cli.outcomes import CommandError, ExitCode
from app.cli.text import one_line

_INTERRUPTED = 130  # what the command-line library exits with after Ctrl-C

app = typer.Typer(
    name="lmx",
    help="LMX Authority: a local model server with an execution authority inside.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help: starts faster, reads well at 60 columns and in pipes
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import PackageNotFoundError, version

        try:
            output.say(f"lmx {version('lmx-authority')}")
        except PackageNotFoundError:
            output.say("lmx (from a source tree that is not installed)")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_print_version, help="Print the version."
        ),
    ] = False,
) -> None:
    del version  # its callback has answered


app.command("serve")(serve.serve)
app.command("status")(status.status)
app.command("doctor")(doctor.doctor)
app.command("setup")(setup.setup)
app.command("chat")(chat.chat)
app.add_typer(models.app)
app.add_typer(store.app)
app.add_typer(keys.app)
app.add_typer(approvals.app)
app.add_typer(guardrails.app)
app.add_typer(advice.app)
app.add_typer(people.app)
app.add_typer(runs.app)
app.add_typer(ledger.app)
app.add_typer(witness.app)
app.command("rules")(rules.rules)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit codes are in `outcomes`."""
    output.prepare_streams()
    try:
        code = _run(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        output.reader_went_away()
        return ExitCode.FAILED
    except OSError as error:
        output.reader_went_away()
        return _end(f"This machine refused a step: {error}.", ExitCode.FAILED)
    return code


def _run(arguments: Sequence[str]) -> int:
    try:
        app(args=list(arguments), prog_name="lmx")
    except SystemExit as end:
        if end.code == _INTERRUPTED:
            return _end(*_explained(KeyboardInterrupt()))
        return end.code if isinstance(end.code, int) else ExitCode.DONE
    except OSError:
        raise
    except (Exception, KeyboardInterrupt) as error:
        if os.environ.get("LMX_TRACEBACK") and not isinstance(error, CommandError):
            raise
        return _end(*_explained(error))
    return ExitCode.DONE


def _explained(error: BaseException) -> tuple[str, ExitCode]:
    match error:
        case CommandError():
            return error.sentence, error.exit_code
        case KeyboardInterrupt():
            return "Interrupted.", ExitCode.FAILED
        case UnicodeError():
            return "What was given is not valid UTF-8. Nothing was sent.", ExitCode.USAGE
        case _:
            what = f"{type(error).__name__}: {one_line(error)}"
            advice = "Run it with LMX_TRACEBACK=1 to see where, and report it."
            return (
                f"This is a fault in lmx, not in what you did ({what}). {advice}",
                ExitCode.FAILED,
            )


def _end(sentence: str, code: ExitCode) -> ExitCode:
    output.note(f"lmx: {sentence}")
    return code


if __name__ == "__main__":
    sys.exit(main())
