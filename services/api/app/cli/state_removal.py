"""`lmx service remove-state`: removes everything this server ever kept, once that was approved.

Beside a running server it asks for the approval. Without one it carries it out, after the ledger
has said that it was given, and after a person has typed the phrase once more.
"""

import os
import time
from pathlib import Path

import typer

from app.cli import confirmation, output
from app.cli.address import home
from app.cli.backup_shown import wrapped
from app.cli.options import SERVER, Reason, ServerUrl
from app.cli.outcomes import CommandError, ExitCode, refused_as_said

_ASKED = {"what": "everything"}
_NEXT = "It is approved. Stop the server, then run this again: lmx service remove-state"


def remove_state(reason: Reason = "", server: ServerUrl = SERVER) -> None:
    """Remove the whole state: ledger, models, keys, logs. It is an ask, and cannot be undone.

    While the server runs, this asks for it. Once it is approved and the server was stopped, this
    removes what is LMX's in LMX_HOME, and nothing else. A receipt stays beside the directory.
    """
    from app.domain.refusals import StartRefused
    from app.home import hold_home

    place = home(os.environ)
    if not place.is_dir():
        raise CommandError(f"There is no {place}: nothing is there to remove.")
    try:
        held = hold_home(place)
    except StartRefused:
        if _is_approved(place):
            output.note_wrapped(_NEXT)
        else:
            _ask(server, reason)
        return
    with held:
        remove(place)


def _ask(server: str, reason: str) -> None:
    from app.cli.asking import governed
    from app.cli.connection import connected

    with connected(server) as authority:
        governed(authority, "state_removal", _ASKED, reason=reason)
    output.note_wrapped(_NEXT)


def _is_approved(place: Path) -> bool:
    """Whether this server has it on record already, so that nothing more is to be asked."""
    from app.backups import removing
    from app.domain.refusals import Refusal

    try:
        removing.approved(place)
    except Refusal:
        return False
    return True


def remove(place: Path) -> None:
    """Carry it out. The state directory is held by the caller."""
    from app.backups import removing

    with refused_as_said():
        removing.approved(place)
    confirmation.require_terminal("Removing the whole state")
    receipt = _receipt(place)
    left = removing.foreign(place)
    goes = (
        f"All of LMX's state in {place} is removed: ledger, models, keys, settings, logs, and the "
        "backups that are in it. It cannot be undone."
    )
    stays = "There is nothing else in it, so the directory goes too."
    if left:
        stays = f"These are not LMX's and stay: {', '.join(left)}."
    kept = f"The approval and the newest checkpoint are kept in {receipt}"
    confirmation.typed(
        f"yes, remove everything in {place.name}", consequences=wrapped([goes, stays, kept])
    )
    with refused_as_said():
        done = removing.remove(place, receipt)
    output.say(f"Removed from {place}: {', '.join(done.parts)}.", f"Receipt: {done.receipt}")
    if done.left:
        output.note(f"Left in {place}: {', '.join(done.left)}")
    if set(done.left) - set(left):
        raise typer.Exit(ExitCode.FAILED)


def _receipt(place: Path) -> Path:
    from app.backups.contents import moment

    return place.resolve().parent / f"lmx-removed-{moment(time.time_ns() // 1000)}.json"
