"""`lmx witness`: cosign another server's checkpoints. Needs no server and no database.

Another person, account or machine runs it: it vouches that a log has only ever grown.
"""

import time
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from app.cli import carried, output
from app.cli.options import AsJson
from app.cli.outcomes import CommandError, ExitCode
from app.cli.text import one_line, utc_seconds

app = typer.Typer(name="witness", help="Cosign another server's checkpoints.", no_args_is_help=True)

HOME: Final = Path("~/.lmx-witness")
Home = Annotated[
    Path,
    typer.Option(
        "--home", envvar="LMX_WITNESS_HOME", metavar="DIR", help="The witness's directory."
    ),
]


@app.command("init")
def init(
    name: Annotated[str, typer.Argument(metavar="NAME", help="One word, as in example.com/alice.")],
    home: Home = HOME,
) -> None:
    """Make a witness with its own key.

    It has a directory of its own. The server's operator adds the printed line, its verifier key,
    to `ledger.witnesses` in config.yaml.
    """
    from app.cli.witness_home import WitnessHome

    made = WitnessHome.create(_directory(home), name)
    output.note(f"The witness {made.key.name} lives in {made.directory}.")
    output.note(f"Fingerprint: {made.key.fingerprint}")
    output.note("Give this line to the server's operator, for ledger.witnesses in config.yaml:")
    output.exactly(f"{made.key}\n")


@app.command("key")
def key(home: Home = HOME) -> None:
    """Print the witness's verifier key."""
    opened = _opened(home)
    output.note(f"Fingerprint: {opened.key.fingerprint}")
    output.exactly(f"{opened.key}\n")


@app.command("trust")
def trust(
    vkey: Annotated[
        str, typer.Argument(metavar="VKEY", help="The log's verifier key: name+id+base64.")
    ],
    home: Home = HOME,
) -> None:
    """Trust a log by its verifier key.

    Compare the fingerprint with the one its operator reads to you: `lmx ledger key` prints it.
    """
    from app.evidence.notes import NoteInvalid, VerifierKey

    opened = _opened(home)
    try:
        given = VerifierKey.parse(vkey)
    except NoteInvalid as error:
        raise CommandError(f"{error}.", exit_code=ExitCode.USAGE) from error
    older = sum(known.name == given.name and known != given for known in opened.trusted())
    added = opened.trust(given)
    output.show_fields(
        [
            ("log", given.name),
            ("fingerprint", given.fingerprint),
            ("trusted", "from now on" if added else "already"),
        ]
    )
    if added and older:
        output.note(
            f"This log has another trusted key ({older}). That is right after a change of keys "
            "only: have an export of the log checked with `verify.py --key` and the older one, "
            "which follows the change."
        )


@app.command("cosign")
def cosign(
    file: carried.Taken,
    out: carried.Out = None,
    home: Home = HOME,
) -> None:
    """Cosign a bundle's checkpoint, or refuse.

    FILE is what `lmx ledger checkpoint --since N` made. Prints the cosigned checkpoint.
    What contradicts an earlier one is kept as evidence.
    """
    from app.evidence.checkpoints import Bundle, CheckpointInvalid
    from app.evidence.notes import NoteInvalid
    from app.evidence.witnessing import WitnessRefused

    opened = _opened(home)
    try:
        bundle = Bundle.parse(carried.taken(file))
        note = opened.cosign(bundle, now_s=int(time.time()))
    except (NoteInvalid, CheckpointInvalid) as error:
        raise CommandError(
            f"This is no bundle for a witness: {error}. "
            "Make one on the server with: lmx ledger checkpoint --since N",
            exit_code=ExitCode.REFUSED,
        ) from error
    except WitnessRefused as refused:
        raise CommandError(
            f"{refused.message} [{refused.reason}]", exit_code=ExitCode.REFUSED
        ) from refused
    except OSError as error:
        raise CommandError(
            f"The checkpoint could not be remembered, so it was not cosigned: {error}."
        ) from error
    carried.hand_out(str(note), out)


@app.command("log")
def log(home: Home = HOME, as_json: AsJson = False) -> None:
    """List what was cosigned.

    Oldest first, log by log.
    """
    rows = [_row(seen) for seen in _opened(home).all_seen()]
    if as_json:
        output.as_json({"cosigned": rows})
        return
    output.show_table(
        ("time", "log", "size", "root"),
        [
            (utc_seconds(row["time_s"]), one_line(row["log"]), str(row["size"]), row["root"])
            for row in rows
        ],
        empty="Nothing was cosigned yet.",
        right=frozenset({"size"}),
    )


def _row(seen: Any) -> dict[str, Any]:
    return {
        "time_s": seen.time_s,
        "log": seen.checkpoint.origin,
        "size": seen.checkpoint.size,
        "root": seen.checkpoint.root.hex(),
    }


def _opened(home: Path) -> Any:
    from app.cli.witness_home import WitnessHome

    return WitnessHome.open(_directory(home))


def _directory(home: Path) -> Path:
    return home.expanduser().absolute()
