"""How a witness runs in a test: as a program of an account that has no server."""

import os
import subprocess
from pathlib import Path

from tests.cli.runs import API, PROGRAM

NOW_S = 1_800_000_000


def carry(tmp_path: Path, bundle: object, name: str = "bundle") -> str:
    path = tmp_path / name
    path.write_text(str(bundle), encoding="utf-8")
    return str(path)


def program(home: Path, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(
        [*PROGRAM, "witness", *arguments],
        env=environment_of(home),
        capture_output=True,
        check=False,
    )


def environment_of(home: Path) -> dict[str, str]:
    """An account without any server: an ASCII terminal, nothing of LMX_* but the witness's own."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(API),
        "LMX_WITNESS_HOME": str(home),
        "HOME": str(home.parent / "account"),
        "PYTHONIOENCODING": "ascii",
    }
