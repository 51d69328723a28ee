"""`lmx status`: what the running server is doing."""

import time
from typing import Annotated

import typer

from app.cli import output
from app.cli.options import SERVER, AsJson, ServerUrl
from app.cli.outcomes import CommandError, ExitCode

_EVERY_S = 2.0


def status(
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Stay, and draw it again; q or Ctrl-C leaves.")
    ] = False,
    every: Annotated[
        float | None, typer.Option("--every", metavar="SECONDS", help="With --watch; default 2.")
    ] = None,
    server: ServerUrl = SERVER,
    as_json: AsJson = False,
) -> None:
    """Show on one screen what is loaded and for whom, how busy it is, memory, and what waits.

    With --watch and --json: one line of JSON each time.
    """
    from app.cli.connection import connected, rows
    from app.cli.status_shown import screen

    if every is not None and not (watch and 0.2 <= every <= 3600):
        raise CommandError(
            "--every goes with --watch, and takes 0.2 to 3600 seconds.", exit_code=ExitCode.USAGE
        )
    if watch:
        from app.cli.status_watch import watching

        watching(server, every_s=every or _EVERY_S, as_json=as_json)
        return
    with connected(server) as authority:
        answer = authority.get("/authority/status")
    loaded = rows(answer, "models")
    if as_json:
        output.as_json(answer)
        return
    output.say(*screen(answer, width=output.width(), now_us=time.time_ns() // 1000))
    if not loaded:
        output.note("No model is loaded: the first request for one loads it.")
