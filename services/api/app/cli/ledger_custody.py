"""`lmx ledger prune` and `lmx ledger recover`: refused so far, whoever approves."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from app.cli import confirmation, output
from app.cli.options import SERVER, ServerUrl
from app.cli.outcomes import CommandError, ExitCode
from app.cli.text import one_line


def prune(
    before: Annotated[
        str, typer.Option("--before", metavar="DATE", help="Events before this day, UTC.")
    ],
    server: ServerUrl = SERVER,
) -> None:
    """Ask for old events to be pruned. Refused: this release prunes nothing."""
    from app.cli.connection import connected

    asked = {"before_us": _midnight_us(before)}
    with connected(server) as authority:
        authority.post("/authority/ledger/prune", asked)
    output.say("The server has taken it on. `lmx ledger ls` shows what it does.")


def recover(server: ServerUrl = SERVER) -> None:
    """Ask for a recovery epoch. Refused: this release goes on from no earlier point."""
    from app.cli.connection import connected

    with connected(server) as authority:
        authority.post("/authority/ledger/recover", {})
    output.say("The server has taken it on. `lmx ledger ls` shows what it does.")


def rotate(server: ServerUrl = SERVER) -> None:
    """Change the signing key. Asks for a typed phrase; both keys sign the change."""
    confirmation.require_terminal("Rotating the signing key")
    from app.cli.connection import connected

    with connected(server) as authority:
        phrase = confirmation.typed(
            "yes, rotate the signing key",
            consequences=[
                "From here on checkpoints are signed by a new key; the old one is destroyed.",
                "The checkpoint over this change is signed by both, so old ones stay good.",
                "Give the new key to everybody who holds the old one: `lmx ledger key`.",
            ],
        )
        answer = authority.post("/authority/ledger/rotate", {"confirmation": phrase})
    output.say("The signing key is now:", one_line(answer.get("new")))


def _midnight_us(day: str) -> int:
    """The beginning of a day in microseconds of UTC."""
    try:
        moment = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        moment = None
    if moment is None or moment.year < 1970:
        raise CommandError(
            f"{day!r} is not a day. Write it as 2026-01-31.", exit_code=ExitCode.USAGE
        )
    return int(moment.timestamp()) * 1_000_000
