"""Writes a service's files and runs its commands; what could not be done is said as commands."""

import os
import pwd
import time
from pathlib import Path
from typing import Final

from app.cli import output, service_commands
from app.cli.outcomes import CommandError, ExitCode, refused_as_said
from app.cli.service_standing import text_of
from app.cli.service_steps import Command, File, Steps
from app.cli.service_units import as_typed, is_ours
from app.files import replace

NO_MANAGER: Final = (
    (
        "If that fails too, no service manager runs for this account, as after su or sudo: log in "
        "as it, or make a service of the machine: lmx service install --system"
    ),
    "Where there is no systemd, as in a container, run this instead: lmx serve",
)


def refuse_foreign(files: tuple[File, ...]) -> None:
    for file in files:
        text = text_of(file.path)
        if text is not None and (file.path.is_symlink() or not is_ours(text)):
            raise CommandError(
                f"{file.path} is there and was not written by lmx. Nothing was changed. Move it "
                "away if it is not needed, then install again.",
                exit_code=ExitCode.REFUSED,
            )


def refuse_other_server(home: Path, unit: Path) -> None:
    """A server that was started by hand would keep the service out; the service's own does not."""
    from app.home import hold_home

    if unit.exists() or not home.exists() or home.stat().st_uid != os.getuid():
        return
    with refused_as_said():
        hold_home(home).close()


def do(steps: Steps, owner: pwd.struct_passwd) -> None:
    for folder, account in steps.folders:
        made = not folder.exists()
        folder.mkdir(mode=0o700 if account else 0o755, parents=True, exist_ok=True)
        if made and account and os.geteuid() == 0:
            os.chown(folder, owner.pw_uid, owner.pw_gid)
    for file in steps.files:
        replace(file.path, file.text.encode())
        file.path.chmod(0o644)  # whatever this account's umask is
    failed = run_all(steps.commands)
    if failed:
        output.note_wrapped(f"Written: {', '.join(str(file.path) for file in steps.files)}")
        end_with(failed, NO_MANAGER if "systemctl --user" in failed[0] else ())


def run_all(commands: tuple[Command, ...]) -> list[str]:
    """Run them in turn up to the first that fails; what is left, as a person would type it."""
    for number, command in enumerate(commands):
        ran = service_commands.run(command.words)
        for _ in range(command.attempts - 1):
            if ran.code == 0:
                break
            time.sleep(1)
            ran = service_commands.run(command.words)
        if ran.code and not command.may_fail:
            output.note_wrapped(
                f"{as_typed(command.words)}: {ran.said or f'ended with {ran.code}'}"
            )
            return [as_typed(left.words) for left in commands[number:]]
    return []


def end_with(left: list[str], hints: tuple[str, ...] = ()) -> None:
    if left:
        lines = "".join(f"\n  {command}" for command in left)
        raise CommandError(f"The rest could not be done here. Run:{lines}", hints=hints)
