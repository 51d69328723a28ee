"""The witness as a program of its own: no server, no LMX_HOME, only files that are carried."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli.outcomes import CommandError
from app.cli.witness_evidence import folder_name
from app.cli.witness_home import WitnessHome
from app.evidence import merkle
from app.evidence.checkpoints import Bundle, SignedCheckpoint, cosigned_at
from app.evidence.notes import Note, VerifierKey
from app.evidence.witnessing import WitnessRefused
from tests.cli.runs import API, PROGRAM, Run
from tests.cli.witnesses import NOW_S, carry, environment_of, program
from tests.fakes.signed_log import ORIGIN, SignedLog


def test_the_whole_flow_between_two_accounts(tmp_path: Path, log: SignedLog) -> None:
    home = tmp_path / "w"
    made = program(home, "init", "example.com/alice")
    assert made.returncode == 0, made.stderr
    key = VerifierKey.parse(made.stdout.decode())
    assert program(home, "key").stdout == made.stdout
    assert key.fingerprint.encode() in made.stderr

    trusted = program(home, "trust", str(log.key))
    assert trusted.returncode == 0
    assert " ".join(log.key.fingerprint.split()[:4]).encode() in trusted.stdout

    first = carry(tmp_path, log.bundle(0))
    cosigned = program(home, "cosign", first)
    assert cosigned.returncode == 0, cosigned.stderr
    note = Note.parse(cosigned.stdout)  # to the last byte, though the terminal is ASCII
    assert cosigned_at(note, key) is not None
    assert SignedCheckpoint.parse(cosigned.stdout, log.key).checkpoint == log.checkpoint()

    second = carry(tmp_path, log.grow(9).bundle(5))
    out = tmp_path / "answer"
    assert program(home, "cosign", second, "--out", str(out)).returncode == 0
    assert cosigned_at(Note.parse(out.read_bytes()), key) is not None

    listed = json.loads(program(home, "log", "--json").stdout)["cosigned"]
    assert [(row["log"], row["size"]) for row in listed] == [(ORIGIN, 5), (ORIGIN, 9)]
    assert not (home.parent / "account").exists()


def test_a_bundle_may_come_through_a_pipe(home: Path, log: SignedLog, witness: WitnessHome) -> None:
    piped = subprocess.run(
        [*PROGRAM, "witness", "cosign", "-"],
        env=environment_of(home),
        input=str(log.bundle(0)).encode(),
        capture_output=True,
        check=True,
    )
    assert cosigned_at(Note.parse(piped.stdout), witness.key) is not None


def test_a_fork_is_refused_and_what_is_kept_convicts_it(
    lmx: Run, home: Path, tmp_path: Path, log: SignedLog, witness: WitnessHome
) -> None:
    """Two copies grown apart; afterwards only the folder and the log's public key are needed."""
    witness.cosign(log.bundle(0), now_s=NOW_S)
    witness.cosign(log.grow(7).bundle(5), now_s=NOW_S)
    other = log.copy(6).grow(12, "other")
    refused = lmx("witness", "cosign", carry(tmp_path, other.bundle(7)))
    assert (refused.code, refused.out) == (3, "")
    assert "FORK" in refused.err
    (kept,) = (home / "evidence").iterdir()
    assert str(kept) in refused.err
    assert kept.name.startswith("lmx-authority%2Ftest-12-")

    remembered = SignedCheckpoint.parse((kept / "remembered.note").read_bytes(), log.key).checkpoint
    offered = SignedCheckpoint.parse((kept / "offered.note").read_bytes(), log.key).checkpoint
    bundle = Bundle.parse((kept / "bundle").read_bytes())
    assert (remembered.size, offered.size, bundle.old) == (7, 12, 7)
    implied = merkle.implied_old_root(7, 12, offered.root, bundle.proof)
    assert implied is not None
    merkle.verify_consistency(7, implied, 12, offered.root, bundle.proof)
    assert implied != remembered.root
    finding = json.loads((kept / "finding.json").read_text(encoding="utf-8"))
    assert (finding["found"], finding["proven"]) == ("fork", True)

    # The honest log goes on, and the same offer again makes no second folder.
    again = lmx("witness", "cosign", carry(tmp_path, other.bundle(7)))
    assert str(kept) in again.err
    assert len(list((home / "evidence").iterdir())) == 1
    assert lmx("witness", "cosign", carry(tmp_path, log.grow(8).bundle(7))).code == 0


def test_two_roots_for_one_size_are_kept(
    lmx: Run, home: Path, tmp_path: Path, log: SignedLog, witness: WitnessHome
) -> None:
    witness.cosign(log.bundle(0), now_s=NOW_S)
    other = log.copy(4).grow(5, "other")
    assert lmx("witness", "cosign", carry(tmp_path, other.bundle(0))).code == 3
    (kept,) = (home / "evidence").iterdir()
    one, two = (
        SignedCheckpoint.parse((kept / name).read_bytes(), log.key).checkpoint
        for name in ("remembered.note", "offered.note")
    )
    assert one.size == two.size
    assert one.root != two.root


def test_a_smaller_log_is_kept_and_convicted_where_its_size_was_seen(
    lmx: Run, home: Path, tmp_path: Path, log: SignedLog, witness: WitnessHome
) -> None:
    for old, size in ((0, 5), (5, 9), (9, 12)):
        witness.cosign(log.grow(size).bundle(old), now_s=NOW_S)
    never_shown = log.copy(3).grow(8, "other")
    seen_other = log.copy(3).grow(9, "other")
    assert "[rollback]" in lmx("witness", "cosign", carry(tmp_path, never_shown.bundle(0))).err
    assert "[fork]" in lmx("witness", "cosign", carry(tmp_path, seen_other.bundle(0))).err
    found = {
        json.loads((kept / "finding.json").read_text())["found"]: kept.name
        for kept in (home / "evidence").iterdir()
    }
    assert set(found) == {"rollback", "fork"}


def test_an_old_checkpoint_again_is_told_the_size_and_leaves_no_evidence(
    lmx: Run, home: Path, tmp_path: Path, log: SignedLog, witness: WitnessHome
) -> None:
    old = log.bundle(0)
    witness.cosign(old, now_s=NOW_S)
    witness.cosign(log.grow(9).bundle(5), now_s=NOW_S)
    witness.cosign(log.grow(12).bundle(9), now_s=NOW_S)
    refused = lmx("witness", "cosign", carry(tmp_path, old))
    assert refused.code == 3
    assert "--since 12" in refused.err
    assert not (home / "evidence").exists()


def test_the_directory_and_the_key_are_private(home: Path, witness: WitnessHome) -> None:
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    for name in ("key", "logs"):
        assert stat.S_IMODE((home / name).stat().st_mode) == 0o600
    for name, mode in (("key", 0o640), (".", 0o755)):
        path = home / name
        private = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode)
        with pytest.raises(CommandError, match="chmod"):
            WitnessHome.open(home)
        path.chmod(private)
    assert WitnessHome.open(home).key == witness.key


def test_a_second_init_changes_nothing(lmx: Run, home: Path, witness: WitnessHome) -> None:
    before = (home / "key").read_bytes()
    refused = lmx("witness", "init", "example.com/mallory")
    assert (refused.code, (home / "key").read_bytes()) == (3, before)


def test_a_key_behind_a_link_is_not_used(home: Path, witness: WitnessHome, tmp_path: Path) -> None:
    elsewhere = tmp_path / "key"
    (home / "key").rename(elsewhere)
    (home / "key").symlink_to(elsewhere)
    with pytest.raises(CommandError, match="link"):
        WitnessHome.open(home)


@pytest.mark.parametrize("name", ["", "two words", "a+b", "line\nbreak", "\u200bhidden"])
def test_a_name_that_no_note_could_carry_is_refused(lmx: Run, home: Path, name: str) -> None:
    assert lmx("witness", "init", name).code == 2
    assert not (home / "key").exists()


def test_without_a_witness_the_command_says_how_to_make_one(lmx: Run, home: Path) -> None:
    for arguments in (["key"], ["log"], ["trust", "x"], ["cosign", "x"]):
        ended = lmx("witness", *arguments)
        assert ended.code == 2
        assert "lmx witness init NAME" in ended.err


def test_only_a_logs_key_can_be_trusted(lmx: Run, witness: WitnessHome) -> None:
    for given in (str(witness.key), "nonsense", str(witness.key).replace("alice", "bob")):
        assert lmx("witness", "trust", given).code == 2
    assert [key.name for key in witness.trusted()] == [ORIGIN]


def test_trusting_again_and_a_second_key_are_said(
    lmx: Run, witness: WitnessHome, log: SignedLog
) -> None:
    assert "already" in lmx("witness", "trust", str(log.key)).out
    second = SignedLog(ORIGIN, private=witness.private)
    said = lmx("witness", "trust", str(second.key))
    assert "from now on" in said.out
    assert "another trusted key" in said.err
    assert witness.trusted() == [log.key, second.key]


@pytest.mark.parametrize(
    "content", ["", "old 0\n\n", "nonsense", "old 0\r\n\r\n", "old 0\n\nx\n\n— a b\n"]
)
def test_what_is_no_bundle_is_refused(
    lmx: Run, witness: WitnessHome, tmp_path: Path, content: str
) -> None:
    refused = lmx("witness", "cosign", carry(tmp_path, content))
    assert (refused.code, refused.out) == (3, "")
    assert "lmx ledger checkpoint --since" in refused.err


def test_files_that_cannot_be_read_or_written_fail(
    lmx: Run, witness: WitnessHome, tmp_path: Path, log: SignedLog
) -> None:
    assert lmx("witness", "cosign", str(tmp_path / "absent")).code == 1
    assert lmx("witness", "cosign", str(tmp_path)).code == 1
    assert lmx("witness", "cosign", carry(tmp_path, "x" * 200_000)).code == 1
    carried = carry(tmp_path, log.bundle(0))
    assert lmx("witness", "cosign", carried, "--out", str(tmp_path / "absent" / "x")).code == 1
    # It is remembered already, and the same command again gives the answer.
    assert lmx("witness", "cosign", carried).code == 0


@pytest.mark.parametrize(
    "origin", ["..", ".", "a/b", "../../etc", "x" * 300, "é" * 200, "x" * 299 + "y", "*[?]"]
)
def test_every_log_has_a_file_of_its_own_inside(home: Path, origin: str) -> None:
    witness = WitnessHome.create(home, "w")
    log = SignedLog(origin).grow(3)
    witness.trust(log.key)
    witness.cosign(log.bundle(0), now_s=NOW_S)
    with pytest.raises(WitnessRefused):
        witness.cosign(log.copy(2).grow(3, "other").bundle(0), now_s=NOW_S)
    assert len(list((home / "seen").iterdir())) == 1
    assert len(list((home / "evidence").iterdir())) == 1
    assert {path.name for path in home.iterdir()} == {"key", "lock", "logs", "seen", "evidence"}
    assert folder_name(origin) not in (folder_name("x" * 298), folder_name("other"))


_LOADED = """
import app.cli.main, app.cli.witness_home, sys
never = ("app.authority", "app.routers", "app.settings", "sqlalchemy", "sqlite3", "httpx", "socket")
print([module for module in sys.modules if module.startswith(never)])
"""


def test_the_program_imports_no_server_and_no_database() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", _LOADED],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(API)},
        capture_output=True,
        check=True,
    )
    assert loaded.stdout.strip() == b"[]"
