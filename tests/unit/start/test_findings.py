"""What is wrong with a state directory is one sentence and the command that mends it."""

import os
from pathlib import Path

import pytest

from app.domain.refusals import StartRefused
from app.home import findings, prepare_home
from app.home.looking import PARTS, Seen, judge, on_mount
from app.home.mounts import Mount, deepest, mount_of, parse_mountinfo

MOUNTINFO = """\
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
22 21 0:5 / /proc rw,nosuid - proc proc rw
30 21 0:40 / /mnt/my\\040disk rw,relatime shared:7 master:2 - nfs4 files:/export rw,vers=4.2
31 30 0:41 / /mnt/my\\040disk/local rw - ext4 /dev/sdb1 rw
32 21 0:42 / /home/me/far rw - fuse.sshfs me@far:/ rw
33 21 0:43 / /over rw - cifs //nas/over rw
34 33 8:9 / /over rw - xfs /dev/sdc1 rw
a line that says nothing
"""


def test_a_new_state_directory_has_nothing_wrong(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert [f.ok for f in findings(home)] == [True]  # not there yet: the first start makes it
    assert prepare_home(home) == []
    assert all(finding.ok and not finding.do for finding in findings(home))
    assert len(findings(home)) > 3


@pytest.mark.parametrize(
    ("path", "mode", "command"),
    [
        (".", 0o755, "chmod 700"),
        (".", 0o770, "chmod 700"),
        ("operator.key", 0o640, "chmod 600"),
        ("ledger/signing.key", 0o604, "chmod 600"),
        ("lmx.db", 0o666, "chmod 600"),
        ("lmx.db-wal", 0o622, "chmod 600"),
        ("ledger", 0o777, "chmod 700"),
        ("store", 0o720, "chmod 700"),
        ("config.yaml", 0o666, "chmod 600"),
    ],
)
def test_what_others_may_do_is_refused_with_the_command_that_ends_it(
    tmp_path: Path, path: str, mode: int, command: str
) -> None:
    home = tmp_path / "it's a home"
    prepare_home(home)
    target = home / path
    if not target.exists():
        target.touch()
    target.chmod(mode)
    with pytest.raises(StartRefused) as refused:
        prepare_home(home)
    (wrong,) = [finding for finding in findings(home) if not finding.ok]
    assert wrong.fatal
    assert refused.value.message == f"{wrong.why} {wrong.do}"
    assert command in wrong.do
    assert os.system(wrong.do.removeprefix("Close it: ")) == 0  # as a person would paste it
    assert prepare_home(home) == []


def test_what_belongs_to_another_account_is_refused_with_both_ways_out() -> None:
    home = Path("/srv/my lmx")
    part = next(part for part in PARTS if part.path == "lmx.db")
    wrong = judge(part, Seen(home / "lmx.db", 987_654, 0o600, is_directory=False), home, 0)
    assert (wrong.ok, wrong.fatal) == (False, True)
    assert "/srv/my lmx/lmx.db belongs to another account (987654; this one is root)" in wrong.why
    assert "Run lmx as 987654" in wrong.do
    assert "sudo chown -R root '/srv/my lmx'" in wrong.do


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    prepare_home(tmp_path)
    (tmp_path / "operator.key").touch(0o600)
    (tmp_path / "operator.key").chmod(0o644)
    tmp_path.chmod(0o755)
    with pytest.raises(StartRefused) as refused:
        prepare_home(tmp_path)
    assert refused.value.message.count("chmod") == 2


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/lmx", "ext4"),
        ("/mnt/my disk", "nfs4"),
        ("/mnt/my disk/lmx", "nfs4"),
        ("/mnt/my disk/local/lmx", "ext4"),
        ("/mnt/my diskette/lmx", "ext4"),
        ("/home/me/far/.lmx", "fuse.sshfs"),
        ("/over/lmx", "xfs"),
    ],
)
def test_a_path_lies_on_the_deepest_mount_above_it(path: str, kind: str) -> None:
    found = deepest(path, parse_mountinfo(MOUNTINFO))
    assert found is not None
    assert found.kind == kind


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "smbfs", "cifs", "afpfs", "fuse.sshfs", "SMBFS"])
def test_a_network_file_system_is_a_warning_that_says_what_to_do(kind: str) -> None:
    (found,) = on_mount(Path("/mnt/lmx"), Mount("/mnt", kind))
    assert (found.ok, found.fatal) == (False, False)
    assert f"network file system ({kind} at /mnt)" in found.why
    assert "LMX_HOME" in found.do


def test_a_disk_of_this_machine_is_no_warning_and_an_unknown_one_is_not_guessed() -> None:
    assert [f.ok for f in on_mount(Path("/x"), Mount("/", "apfs"))] == [True]
    assert list(on_mount(Path("/x"), None)) == []
    assert deepest("/x", []) is None


def test_a_warning_does_not_stop_a_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.home.looking.mount_of", lambda _: Mount("/", "nfs4"))
    assert [finding.name for finding in prepare_home(tmp_path)] == ["file system"]


def test_this_machine_says_where_a_path_lies() -> None:
    assert mount_of(Path("/")) is not None
