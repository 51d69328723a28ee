"""The store as its keeper sees it: names, pins, models of other programs, purges, what is free."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.asking import complete, until
from tests.e2e.conversation import governed
from tests.e2e.server import RunningServer, running_server
from tests.fakes.caches import hub_cache, state_of
from tests.models import tiny_model

ADOPTED = "org/model"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tiny_model(tmp_path_factory.mktemp("made") / "tiny")
    return hub_cache(tmp_path_factory.mktemp("hub"), made)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("store") / "home") as running:
        yield running


@pytest.mark.timeout(300)
def test_a_model_of_another_program_is_adopted_named_pinned_used_and_deleted_without_a_trace(
    server: RunningServer, cache: Path
) -> None:
    before = state_of(cache)
    adopted = server.lmx("models", "adopt", "hf", str(cache))
    assert adopted.returncode == 0, adopted.stderr
    assert "pinned" in adopted.stdout
    named = server.lmx("models", "alias", ADOPTED, "mine")
    assert named.returncode == 0, named.stderr
    assert complete(server, "a", model="mine", max_tokens=2)["usage"]["completion_tokens"] == 2
    assert not list((server.home / "store" / "blobs").rglob("*.safetensors"))

    assert server.lmx("models", "pin", ADOPTED).returncode == 0
    assert server.residency(ADOPTED)["pinned"] is True
    kept = server.lmx("models", "rm", ADOPTED, "--drain")
    assert kept.returncode == 3
    assert "lmx models unpin" in kept.stderr
    assert server.lmx("models", "unpin", ADOPTED).returncode == 0
    assert server.residency(ADOPTED)["pinned"] is False

    code, screen = governed(
        *("models", "rm", ADOPTED, "--drain"),
        phrase=f"yes, delete {ADOPTED}",
        environment=server.environment,
    )
    assert code == 0, screen
    assert server.lmx("models", "show", ADOPTED).returncode == 1
    changes = [e["body"]["data"]["change"] for e in server.events(kind="model_changed")]
    assert changes == ["pin", "pin", "alias"]

    restored = server.lmx("store", "restore", ADOPTED)
    assert restored.returncode == 0, restored.stderr
    assert complete(server, "a", model="mine", max_tokens=2)
    code, screen = governed(
        *("models", "rm", ADOPTED, "--drain"),
        phrase=f"yes, delete {ADOPTED}",
        environment=server.environment,
    )
    assert code == 0, screen
    entry = json.loads(server.lmx("store", "trash", "--json").stdout)["trash"][0]
    code, screen = governed(
        *("store", "purge", "--trash", entry["id"]),
        phrase=f"yes, purge trash {entry['id']}",
        environment=server.environment,
    )
    assert code == 0, screen
    assert state_of(cache) == before


def test_the_store_tells_what_it_holds_and_orphans_are_purged(server: RunningServer) -> None:
    stray = server.home / "store" / "blobs" / "sha256" / "00" / ("0" * 64)
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"x" * 10_000)
    told = json.loads(server.lmx("store", "ls", "--json").stdout)
    assert [m["id"] for m in told["models"]] == ["lmx/starter"]
    assert told["uses"]["orphans"]["apparent_bytes"] == 10_000
    # A file system counts the blocks of a new file when it has written them.
    until(lambda: told_bytes(server) == bytes_on_disk(server.home / "store"))
    waiting = server.lmx("store", "purge", "--orphans")
    assert waiting.returncode == 4, waiting.stderr
    assert stray.exists()
    code, screen = governed(
        *("store", "purge", "--orphans"),
        phrase="yes, purge orphans",
        environment=server.environment,
    )
    assert code == 0, screen
    assert not stray.exists()
    assert json.loads(server.lmx("store", "ls", "--json").stdout)["orphans_count"] == 0
    assert complete(server, "a", model="lmx/starter", max_tokens=2)


def told_bytes(server: RunningServer) -> int:
    told: int = json.loads(server.lmx("store", "ls", "--json").stdout)["total"]["bytes"]
    return told


def bytes_on_disk(store: Path) -> int:
    found = [file.lstat() for file in store.rglob("*") if not file.is_dir()]
    return sum({(s.st_dev, s.st_ino): s.st_blocks * 512 for s in found}.values())
