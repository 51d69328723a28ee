"""Whatever ends, races or edits a witness, it never cosigns two histories of one log."""

import subprocess
import sys
from pathlib import Path

import pytest

from app import files
from app.cli.witness_evidence import folder_name
from app.cli.witness_home import WitnessHome
from app.evidence.checkpoints import SignedCheckpoint, cosigned_at
from app.evidence.witnessing import WitnessRefused
from tests.cli.runs import PROGRAM, Run
from tests.cli.witnesses import NOW_S, carry, environment_of
from tests.fakes.signed_log import ORIGIN, SignedLog

CRASHES = {
    "before the line is written": ("write_all", "before"),
    "when half of it is written": ("write_all", "half"),
    "before it is synced": ("sync", "before"),
    "after it is synced": ("sync", "after"),
}
_CRASH = """
import os, sys
from app import files
name, when = sys.argv[1:3]
real = getattr(files, name)
def crash(descriptor, *content):
    if when == "half":
        os.write(descriptor, content[0][:50])
    elif when == "after":
        real(descriptor, *content)
    os._exit(9)
setattr(files, name, crash)
from app.cli.main import main
main(["witness", "cosign", sys.argv[3]])
"""


@pytest.mark.parametrize(("function", "when"), CRASHES.values(), ids=CRASHES)
def test_a_crash_between_the_check_and_the_answer_loses_nothing(
    tmp_path: Path, log: SignedLog, witness: WitnessHome, function: str, when: str
) -> None:
    """Whatever got lost was never handed out, and the same bundle is answered afterwards."""
    witness.cosign(log.bundle(0), now_s=NOW_S)
    bundle = log.grow(9).bundle(5)
    carried = carry(tmp_path, bundle)
    crashed = subprocess.run(
        [sys.executable, "-c", _CRASH, function, when, carried],
        env=environment_of(witness.directory),
        capture_output=True,
        check=False,
    )
    assert (crashed.returncode, crashed.stdout) == (9, b"")

    remembered = [seen.checkpoint.size for seen in witness.seen(ORIGIN)]
    assert remembered == ([5, 9] if function == "sync" else [5])
    if remembered[-1] == 9:  # what is remembered binds, handed out or not
        with pytest.raises(WitnessRefused, match="FORK"):
            witness.cosign(log.copy(8).grow(9, "other").bundle(5), now_s=NOW_S)
    note = witness.cosign(bundle, now_s=NOW_S + 60)
    assert cosigned_at(note, witness.key) is not None
    assert [seen.checkpoint.size for seen in witness.seen(ORIGIN)] == [5, 9]
    witness.cosign(log.grow(10).bundle(9), now_s=NOW_S)


def test_the_line_is_on_the_disk_before_the_cosignature_is_returned(
    witness: WitnessHome, log: SignedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "sync", full)
    with pytest.raises(OSError, match="No space"):
        witness.cosign(log.bundle(0), now_s=NOW_S)
    assert witness.seen(ORIGIN) == []
    monkeypatch.undo()
    assert witness.cosign(log.bundle(0), now_s=NOW_S)


def test_of_two_histories_that_race_one_is_cosigned(
    home: Path, tmp_path: Path, log: SignedLog, witness: WitnessHome
) -> None:
    witness.cosign(log.bundle(0), now_s=NOW_S)
    other = log.copy(5).grow(9, "other")
    bundles = [log.grow(9).bundle(5), other.bundle(5)] * 2
    racing = [
        subprocess.Popen(
            [*PROGRAM, "witness", "cosign", carry(tmp_path, bundle, f"bundle-{number}")],
            env=environment_of(home),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for number, bundle in enumerate(bundles)
    ]
    answers = [process.communicate() for process in racing]
    roots = {SignedCheckpoint.parse(out, log.key).checkpoint.root for out, _ in answers if out}
    assert len(roots) == 1
    assert sorted(process.returncode for process in racing) == [0, 0, 3, 3]
    assert [seen.checkpoint.size for seen in witness.seen(ORIGIN)] == [5, 9]
    assert len(list((home / "evidence").iterdir())) == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda seen: seen.replace(b'"old": 0', b'"old": x'),
        lambda seen: b"{}\n" + seen,
        lambda seen: seen.replace(b"time_s", b"time"),
        lambda seen: seen + b"\n",
        lambda seen: seen.replace(b'"time_s": 18', b'"time_s": 17'),
    ],
)
def test_a_memory_that_was_edited_signs_nothing(
    lmx: Run, witness: WitnessHome, log: SignedLog, tmp_path: Path, damage: object
) -> None:
    witness.cosign(log.bundle(0), now_s=NOW_S)
    memory = witness.directory / "seen" / folder_name(ORIGIN)
    memory.write_bytes(damage(memory.read_bytes()))  # type: ignore[operator]
    ended = lmx("witness", "cosign", carry(tmp_path, log.grow(6).bundle(5)))
    assert (ended.code, ended.out) == (1, "")
    assert "is not as this witness wrote it" in ended.err


def test_a_lost_memory_is_not_taken_for_a_new_one(
    lmx: Run, home: Path, witness: WitnessHome, log: SignedLog, tmp_path: Path
) -> None:
    witness.cosign(log.bundle(0), now_s=NOW_S)
    (home / "seen" / folder_name(ORIGIN)).unlink()
    (home / "seen").rmdir()
    ended = lmx("witness", "cosign", carry(tmp_path, log.bundle(0)))
    assert (ended.code, ended.out) == (1, "")
