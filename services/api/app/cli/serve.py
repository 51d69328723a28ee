"""`lmx serve`: the only command that starts a server."""

import sys
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from app.cli import output
from app.cli.outcomes import CommandError, ExitCode


def serve(
    port: Annotated[
        int | None,
        typer.Option("--port", metavar="N", min=1, max=65535, help="Listen here, not on 1234."),
    ] = None,
    home: Annotated[
        Path | None,
        typer.Option("--home", metavar="DIR", envvar="LMX_HOME", help="Where the state lives."),
    ] = None,
) -> None:
    """Start the server on 127.0.0.1 and keep it running until Ctrl-C."""
    _leave_out("rich")
    from app.domain.refusals import Refusal
    from app.main import serve as start

    try:
        code = start(home=home, port=port)
    except Refusal as refused:
        raise CommandError(
            f"{refused.message} [{refused.code}]", exit_code=ExitCode.REFUSED
        ) from refused
    except KeyboardInterrupt:
        output.note("Stopped.")
        code = ExitCode.DONE
    raise typer.Exit(code)


def _leave_out(name: str) -> None:
    """Have structlog go without a package that it imports only where it is there.

    It would draw tracebacks with rich, and that brings pygments: 0.1 s and 6 MB of every server,
    whose log is JSON.
    """
    if name in sys.modules:
        return
    cast(Any, sys.modules)[name] = None  # Python's way to say: there is none
    try:
        import structlog  # noqa: F401
    finally:
        del sys.modules[name]
