"""`lmx service`: install the server as a service of this account or machine, look at it, remove it.

What it writes and runs is said before and can be seen without doing it (--dry-run). The state is
never touched: it is the server's.
"""

import os
import pwd
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli import output, state_removal
from app.cli.options import AsJson
from app.cli.outcomes import CommandError, ExitCode

if TYPE_CHECKING:
    from app.cli.service_standing import Standing
    from app.cli.service_steps import Steps, Supervisor
    from app.cli.service_units import Wanted

app = typer.Typer(
    name="service",
    help="Run the server as a service of this machine.",
    no_args_is_help=True,
)

System = Annotated[
    bool, typer.Option("--system", help="Of the whole machine, from boot on. Needs root.")
]


@app.command("install")
def install(
    system: System = False,
    user_name: Annotated[
        str | None,
        typer.Option("--user-name", metavar="NAME", help="With --system: the account it runs as."),
    ] = None,
    home: Annotated[
        Path | None,
        typer.Option("--home", metavar="DIR", envvar="LMX_HOME", help="Where the state lives."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be written and run.")
    ] = False,
    print_unit: Annotated[
        bool, typer.Option("--print", help="Only print the service's file.")
    ] = False,
) -> None:
    """Write the service's file, start it now, and let it start by itself from then on.

    On Linux a systemd unit, on macOS a launchd agent; with --system a unit or daemon of the whole
    machine. It listens on 127.0.0.1:1234 and nowhere else. Installing again is an update.
    """
    from app.cli.service_doing import do, refuse_foreign, refuse_other_server
    from app.cli.service_standing import supervisor
    from app.cli.service_steps import installing, unit_text
    from app.cli.service_units import as_typed
    from app.cli.service_wanted import again, wanted_service

    kind = supervisor()
    wanted, owner = wanted_service(system=system, user_name=user_name, home=home)
    if print_unit:
        output.exactly(unit_text(kind, wanted))
        return
    steps = installing(kind, wanted, user_home=Path(owner.pw_dir), uid=os.getuid())
    if dry_run:
        _say_only(steps)
        return
    if system and os.geteuid() != 0:
        raise CommandError(
            "A service of the whole machine is made by root. Run: "
            + as_typed(("sudo", *again(wanted))),
            exit_code=ExitCode.REFUSED,
        )
    refuse_foreign(steps.files)
    refuse_other_server(wanted.home, steps.files[0].path)
    do(steps, owner)
    output.note_wrapped(f"Installed: {steps.files[0].path}")
    _say_how(kind, wanted, steps)


@app.command("status")
def status(system: System = False, as_json: AsJson = False) -> None:
    """Whether the service is installed and runs. Exits with 1 where it does not."""
    from app.cli.service_standing import standing
    from app.cli.service_steps import steering

    found = standing(system=system or None)
    if as_json:
        output.as_json({**asdict(found), "unit": str(found.unit)})
    else:
        output.show_fields(_rows(found))
    if not found.installed:
        raise CommandError("No service of lmx is installed. Install it: lmx service install")
    if not found.running:
        control = steering(found.supervisor, system=found.system, uid=os.getuid())
        raise CommandError(
            f"It does not run. See why: {control['output']}. Start it: {control['restart']}"
        )


@app.command("uninstall")
def uninstall(system: System = False) -> None:
    """Stop the service and remove its file. The state stays where it is."""
    from app.cli.service_doing import end_with, run_all
    from app.cli.service_standing import supervisor, text_of
    from app.cli.service_steps import NEWSYSLOG, after_removal, uninstalling, unit_path
    from app.cli.service_units import as_typed, home_named_in, is_ours
    from app.cli.service_wanted import program

    kind = supervisor()
    path = unit_path(kind, system=system, user_home=Path.home())
    text = text_of(path)
    if text is None:
        raise CommandError(f"No service is installed: there is no {path}.")
    if not is_ours(text):
        raise CommandError(
            f"{path} was not written by lmx, so it is left alone.", exit_code=ExitCode.REFUSED
        )
    if system and os.geteuid() != 0:
        words = ("sudo", str(program()), "service", "uninstall", "--system")
        raise CommandError(
            f"It is of the whole machine. Run: {as_typed(words)}", exit_code=ExitCode.REFUSED
        )
    failed = run_all(uninstalling(kind, system=system, uid=os.getuid()).commands)
    path.unlink(missing_ok=True)
    if kind == "launchd" and system and is_ours(text_of(NEWSYSLOG) or ""):
        NEWSYSLOG.unlink(missing_ok=True)
    failed += run_all(after_removal(kind, system=system).commands)
    output.note_wrapped(f"Removed: {path}")
    output.note_wrapped(
        f"The state stays: models, ledger and keys, in {home_named_in(text) or 'LMX_HOME'}. "
        "Removing it is an act that is asked for while a server runs: lmx serve, then "
        "lmx service remove-state"
    )
    end_with(failed)


app.command("remove-state")(state_removal.remove_state)


def _say_only(steps: "Steps") -> None:
    from app.cli.service_units import as_typed

    for file in steps.files:
        output.say(f"# would write {file.path}", *file.text.splitlines(), "")
    output.say("# would run", *(as_typed(command.words) for command in steps.commands))


def _say_how(kind: "Supervisor", wanted: "Wanted", steps: "Steps") -> None:
    from app.cli.service_steps import steering
    from app.cli.service_units import PORT

    control = steering(kind, system=wanted.system, uid=os.getuid())
    output.note_wrapped(
        f"It runs as {wanted.account}, on http://127.0.0.1:{PORT}, from {wanted.home}."
    )
    output.note_fields(
        [("look", "lmx service status"), *((name, said) for name, said in control.items())]
    )
    output.note_list(list(steps.notes))


def _rows(found: "Standing") -> list[tuple[str, str]]:
    words = {True: "yes", False: "no", None: "not known"}
    installed = words[found.installed]
    if found.foreign:
        installed = "no: a file of that name is there that lmx did not write"
    rows = [
        ("service", f"{found.supervisor}, of {'the machine' if found.system else 'this account'}"),
        ("file", str(found.unit)),
        ("installed", installed),
        ("state", found.state),
        ("from boot", words[found.enabled]),
        ("process", str(found.pid or "-")),
        ("restarts", "-" if found.restarts is None else str(found.restarts)),
    ]
    if found.supervisor == "systemd" and not found.system:
        how = words[found.lingers]
        how += "" if found.lingers else f" (sudo loginctl enable-linger {_self()})"
        rows.append(("without login", how))
    return [*rows, ("why", found.why)] if found.why else rows


def _self() -> str:
    return pwd.getpwuid(os.getuid()).pw_name
