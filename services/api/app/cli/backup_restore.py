"""`lmx backup restore`: puts a backup back, at this machine, while no server runs.

A person types the phrase; no flag skips it. What is replaced is kept, and the next start records
what was done before it does anything else.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli import confirmation, output
from app.cli.address import home
from app.cli.backup_shown import bar, show, wrapped
from app.cli.outcomes import CommandError, ExitCode, refused_as_said
from app.cli.text import one_line, utc_time

if TYPE_CHECKING:
    from app.backups import Manifest
    from app.backups.replaced import Losses


def restore(
    path: Annotated[
        Path | None,
        typer.Argument(metavar="DIR", help="A backup's directory; needed without --continue."),
    ] = None,
    *,
    go_on: Annotated[
        bool, typer.Option("--continue", help="Bring a restore to its end that was cut off.")
    ] = False,
) -> None:
    """Put a backup back. Shows what is lost, and asks for a typed phrase; no server may run.

    The state that is there is kept in LMX_HOME/replaced. The next start records the restore.
    """
    if (path is None) != go_on:
        raise CommandError(
            "Name a backup's directory, or say --continue.", exit_code=ExitCode.USAGE
        )
    place = home(os.environ)
    if path is None:
        _continue(place)
        return
    confirmation.require_terminal("Restoring a backup")
    _refuse_running(place)
    from app.backups import verify
    from app.backups.replaced import losses
    from app.backups.restoring import is_under_way
    from app.backups.restoring import restore as put_back

    if is_under_way(place):
        raise CommandError(
            "A restore was begun here and cut off. Bring it to its end first: "
            "lmx backup restore --continue",
            exit_code=ExitCode.REFUSED,
        )
    with bar("verifying") as progress:
        found = verify(path, progress=progress)
    if not found.holds or found.manifest is None:
        show(found)
        raise CommandError("Nothing was restored: the backup is not whole.")
    lost = losses(place, path)
    confirmation.typed(
        f"yes, restore {found.manifest.name}",
        consequences=wrapped([*_consequences(found.manifest, lost), *_copies(path)]),
    )
    with refused_as_said():
        kept = put_back(place, path, found.manifest, found.digest, lost)
    output.say(f"Restored: {place} is as it was at {utc_time(found.manifest.made_us)}.")
    if kept is not None:
        output.say(f"What was there is kept in {kept}")
    output.note_wrapped("Start the server: it records the restore before anything else.")


def _continue(place: Path) -> None:
    from app.backups.restoring import finish
    from app.home import hold_home

    if not place.is_dir():
        raise CommandError(f"There is no {place}.")
    with refused_as_said(), hold_home(place):
        done = finish(place)
    if not done:
        raise CommandError("No restore was begun here that was not brought to its end.")
    output.say("The restore was brought to its end. Start the server: it records it.")


def _refuse_running(place: Path) -> None:
    """Before anything is read or asked; whoever restores takes the lock itself afterwards."""
    from app.home import hold_home

    never = (
        "A backup is never restored under a running server: `lmx service status` says how it was "
        "started."
    )
    if place.is_dir():
        with refused_as_said(never):
            hold_home(place).close()


def _consequences(found: "Manifest", lost: "Losses") -> list[str]:
    """What is lost, for whoever types the phrase."""
    made = f"The backup is of {utc_time(found.made_us)}, with {found.events:,} events."
    if lost.size is None:
        lines = [made, "There is no state here that it would replace."]
    elif found.origin and lost.origin and found.origin != lost.origin:
        other = (
            f"IT IS OF ANOTHER INSTALLATION, {one_line(found.origin)}; this one is "
            f"{one_line(lost.origin)}. None of the {lost.size:,} {_s(lost.size, 'event')} and none "
            "of the keys here will be in the restored state, and whoever has a key of the other "
            "one can use it here. The present state is kept in LMX_HOME/replaced."
        )
        lines = [made, other]
    else:
        gone = max(0, lost.size - found.events)
        later = (
            f"{gone:,} {_s(gone, 'event')} of the ledger here came later: what happened in them is "
            "not in the restored state. The present state is kept in LMX_HOME/replaced."
        )
        lines = [made, later]
    if lost.unread:
        lines.append(
            f"A database that is there cannot be read ({one_line(lost.unread)}), so not all keys "
            "that were revoked since are known: look at `lmx keys ls` afterwards."
        )
    if lost.revoked:
        ids = ", ".join(map(one_line, lost.revoked))
        lines.append(f"Revoked since, and revoked again at the next start: {ids}.")
    if lost.erased:
        lines.append(
            f"{len(lost.erased)} {_s(len(lost.erased), 'name')} erased since: erased again."
        )
    if lost.asks:
        lines.append(
            f"{lost.asks} {_s(lost.asks, 'ask')} that waited, was approved or begun: ended. "
            "Ask anew."
        )
    if lost.missing:
        names = ", ".join(map(one_line, lost.missing))
        lines.append(f"Not loadable, as their bytes are not in store/: {names}. Import them again.")
    lines.append(
        "Settings, the operator key, who approves and how become those of the backup. Whoever "
        "holds a checkpoint from after the backup will see that the history was restored."
    )
    return lines


def _copies(backup: Path) -> list[str]:
    """What to do about further copies of the ledger, which know what the backup does not."""
    from app.strict_yaml import UnreadableYaml, read_mapping

    try:
        ledger = read_mapping(backup / "config.yaml").get("ledger")
    except (OSError, UnreadableYaml):
        return []
    if not isinstance(ledger, dict) or not ledger.get("sinks"):
        return []
    copies = (
        "Its settings name further copies of the ledger (ledger.sinks). One with later events "
        "contradicts the backup, and the start is refused: move it away, it is evidence."
    )
    return [copies]


def _s(count: int, noun: str) -> str:
    return noun if count == 1 else f"{noun}s"
