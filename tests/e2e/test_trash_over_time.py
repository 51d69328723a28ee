"""A deleted model whose grace is over: its bytes go by the approval it was deleted with."""

from pathlib import Path
from typing import Any

from tests.e2e.asking import until
from tests.e2e.conversation import governed
from tests.e2e.server import RunningServer, running_server
from tests.fakes.database import foreign_connection

STARTER = "lmx/starter"


def store_bytes(home: Path) -> int:
    folders = (home / "store" / "blobs", home / "trash")
    return sum(
        path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file()
    )


def outcomes(server: RunningServer, phase: str) -> list[dict[str, Any]]:
    """The bodies of what approved acts ended with, in this phase."""
    seqs = [event["seq"] for event in server.events(kind="act_outcome")]
    with server.authority() as authority:
        bodies = [authority.get(f"/ledger/events/{seq}").json()["body"] for seq in seqs]
    return [body for body in bodies if body["data"]["phase"] == phase]


def test_after_the_grace_the_bytes_are_gone_and_it_is_on_record(tmp_path: Path) -> None:
    home = tmp_path / "lmx"
    with running_server(home) as server:
        code, screen = governed(
            "models", "rm", STARTER, phrase=f"yes, delete {STARTER}", environment=server.environment
        )
        assert code == 0, screen
        assert "are in the trash" in " ".join(screen.split())
        assert store_bytes(home) > 1_000_000
    with foreign_connection(home / "lmx.db") as connection:
        connection.execute("UPDATE trash SET purge_after_us = 1")
    with running_server(home) as server:
        until(lambda: outcomes(server, "purge"), within_s=60)
        (purged,) = outcomes(server, "purge")
        (deleted,) = outcomes(server, "act")
        assert purged["outcome"] == "done"
        assert purged["data"]["freed_bytes"] > 1_000_000
        assert purged["data"]["ask"] == deleted["data"]["ask"]
        assert len(purged["data"]["run"]) == 64
        assert store_bytes(home) < 10_000
        assert STARTER not in server.lmx("models", "ls").stdout
        refused = server.lmx("store", "restore", STARTER)
        assert refused.returncode != 0
