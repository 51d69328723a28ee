"""Options that several commands share, spelled once."""

from typing import Annotated

import typer

from app.cli.address import DEFAULT_SERVER

ServerUrl = Annotated[
    str,
    typer.Option("--server", envvar="LMX_URL", metavar="URL", help="The server; loopback only."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]
ModelName = Annotated[str, typer.Argument(metavar="NAME", help="A model: PUBLISHER/NAME.")]
Context = Annotated[
    int | None, typer.Option("--context", metavar="N", min=1, help="Tokens of context per slot.")
]
Slots = Annotated[
    int | None, typer.Option("--slots", metavar="N", min=1, help="Answers generated at once.")
]
Reason = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="Why, for whoever decides and the record.")
]

SERVER = DEFAULT_SERVER
