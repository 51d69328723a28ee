"""`lmx keys recover`: a new operator's key for a lost one, at this machine, while no server runs.

A person types the phrase; no flag skips it. Whoever can run this as the account that owns the state
could read and change all of it: what it adds is that it is on record.
"""

import os
from pathlib import Path
from typing import Final

from app.cli import confirmation, output
from app.cli.address import home
from app.cli.outcomes import CommandError, ExitCode, refused_as_said

PHRASE: Final = "yes, recover the operator key"


def recover() -> None:
    """Make a new operator key for a lost one. At this machine only, while no server runs.

    The key it replaces is revoked, and the ledger records it. Where two persons approve, the new
    key approves nothing.
    """
    confirmation.require_terminal("Recovering the operator key")
    place = home(os.environ)
    _refuse_others_state(place)
    _refuse_no_state(place)
    _refuse_running(place)
    confirmation.typed(
        PHRASE,
        consequences=[
            f"This makes a new operator key for {place}.",
            "The key it replaces is revoked, and the ledger records both, for good.",
            "Where two persons approve, it approves nothing: one that does takes an ask.",
        ],
    )
    from app.main import recover as make

    with refused_as_said():
        made = make(place)
    output.show_fields(
        [
            ("key", made.key.id),
            ("roles", ", ".join(sorted(made.key.roles))),
            ("file", str(made.path)),
            ("revoked", ", ".join(made.revoked) or "none: what it replaces was revoked before"),
        ]
    )
    if made.moved is not None:
        output.note(f"What lay in its place opened nothing, and is kept: {made.moved}")
    output.note("It is on record. Start the server and look: lmx keys ls")


def _refuse_others_state(place: Path) -> None:
    try:
        owner = place.stat().st_uid
    except OSError as error:
        raise CommandError(
            f"{place} cannot be looked at: {error.strerror}. Say where the state is with LMX_HOME."
        ) from error
    if owner != os.getuid():
        from app.home.looking import account_name

        name = account_name(owner)
        raise CommandError(
            f"{place} belongs to {name}, and only that account may recover its key: "
            f"sudo -u {name} LMX_HOME={place} lmx keys recover",
            exit_code=ExitCode.REFUSED,
        )


def _refuse_no_state(place: Path) -> None:
    """Before a person is asked; the key's maker looks again, and harder."""
    if not (place / "lmx.db").exists():
        raise CommandError(
            f"{place} holds no state of LMX: there is no lmx.db. Say where it is with LMX_HOME.",
            exit_code=ExitCode.REFUSED,
        )


def _refuse_running(place: Path) -> None:
    """Before a person is asked; it is locked again when the key is made."""
    from app.home import hold_home

    with refused_as_said("A key is recovered while no server runs."):
        hold_home(place).close()
