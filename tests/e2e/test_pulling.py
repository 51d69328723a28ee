"""`lmx models pull` from a hub on this machine, by a person in a terminal and by a script."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.asking import chat, until
from tests.e2e.server import LMX, ROOT, RunningServer, running_server, type_to_lmx, with_checkout
from tests.fakes.hub import COMMIT, FakeHub, serving_hub
from tests.fakes.hub import KNOWN_REPO as REPO
from tests.models import tiny_model

WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeHub]:
    directory = tiny_model(tmp_path_factory.mktemp("hub") / "model")
    with serving_hub(FakeHub(repo=REPO).holds(directory)) as serving:
        serving.files["README.md"] = b"\x1b[2J hello"
        serving.card = {"license": "Llama3.2"}
        yield serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, hub: FakeHub) -> Iterator[RunningServer]:
    home = tmp_path_factory.mktemp("home") / "lmx"
    with running_server(home, hub={"endpoint": hub.url, "hosts": []}) as running:
        yield running


@pytest.fixture(scope="module")
def held(server: RunningServer) -> str:
    """A model that was pulled already."""
    done = server.lmx("models", "pull", REPO, "--name", "acme/held", "--yes")
    assert done.returncode == 0, done.stderr
    return "acme/held"


def test_a_script_is_refused_without_yes_and_told_why(server: RunningServer) -> None:
    done = server.lmx("models", "pull", REPO, "--name", "acme/script")
    assert done.returncode == 3
    assert "--yes" in done.stderr
    assert done.stdout == ""
    assert server.events(kind="pull_intent", subject="acme/script") == []


def test_a_no_fetches_nothing(server: RunningServer) -> None:
    code, screen = type_to_lmx(
        "models", "pull", REPO, "--name", "acme/no", typed="n", environment=server.environment
    )
    assert code == 3
    assert "Nothing was fetched" in screen
    assert server.events(kind="pull_intent", subject="acme/no") == []


def test_a_person_sees_everything_says_yes_and_asks_the_model(
    server: RunningServer, hub: FakeHub
) -> None:
    code, screen = type_to_lmx("models", "pull", REPO, typed="y", environment=server.environment)
    assert code == 0, screen
    seen = (COMMIT, hub.url, "no token", WEIGHTS, "README.md", "llama3.2", "Fits", "pinned")
    for shown in seen:
        assert shown in screen, shown
    told = server.lmx("models", "show", REPO).stdout
    assert re.search(r"^licence +llama3\.2$", told, re.MULTILINE)
    assert chat(server, "hello", model=REPO, max_tokens=3).status_code == 200
    outcome = server.events(kind="pull_outcome")[0]
    assert (outcome["outcome"], outcome["subject"]) == ("done", REPO)


def test_the_second_pull_moves_no_bytes(server: RunningServer, hub: FakeHub, held: str) -> None:
    before = hub.content_bytes
    done = server.lmx("models", "pull", REPO, "--name", held)
    assert done.returncode == 0, done.stderr
    assert hub.content_bytes == before
    assert "0 B came over the network" in done.stderr


def test_an_operator_confirms_what_was_pinned(server: RunningServer, held: str) -> None:
    with server.authority() as authority:
        digest = authority.get(f"/models/{held}").json()["digest"]
    for typed, code, trust in (
        (f"yes, confirm {held}", 3, "pinned"),
        (f"yes, confirm {held} {digest[-6:]}", 0, "verified"),
    ):
        ended, screen = type_to_lmx(
            "models", "confirm", held, typed=typed, environment=server.environment
        )
        assert ended == code, screen
        with server.authority() as authority:
            assert authority.get(f"/models/{held}").json()["trust"] == trust


def test_ctrl_c_cancels_and_the_next_pull_goes_on(server: RunningServer, hub: FakeHub) -> None:
    hub.drip_s = 0.002
    hub.files["generation_config.json"] += b"\n" * 60
    hub.moves_on("d" * 40, {**hub.files, WEIGHTS: hub.files[WEIGHTS][:-4] + b"\0\0\1\0"})
    command = [*LMX, "models", "pull", REPO, "--name", "acme/slow", "--yes"]
    process = subprocess.Popen(
        command,
        env=with_checkout(server.environment),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    parts: list[Path] = []
    ends = time.monotonic() + 60
    while not parts and time.monotonic() < ends:
        time.sleep(0.05)
        found = (server.home / "store" / "downloads").glob(f"*/{WEIGHTS}.part")
        parts = [part for part in found if part.stat().st_size > 1000]
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "kept" in said
    until(lambda: server.events(kind="pull_outcome", subject="acme/slow"), within_s=60)
    ended = server.events(kind="pull_outcome", subject="acme/slow")
    assert ended[0]["outcome"] == "cancelled"
    kept = parts[0].stat().st_size
    hub.drip_s = 0.0
    done = server.lmx("models", "pull", REPO, "--name", "acme/slow", "--yes")
    assert done.returncode == 0, done.stderr
    again = server.events(kind="pull_outcome", subject="acme/slow")[0]
    assert again["outcome"] == "done"
    assert again["body"]["data"]["fetched_bytes"] <= len(hub.files[WEIGHTS]) - kept + 200_000


def test_a_repository_that_is_not_there_is_a_sentence(server: RunningServer) -> None:
    done = server.lmx("models", "pull", "mlx-community/none", "--yes")
    assert done.returncode == 3
    assert "The hub has no mlx-community/none" in done.stderr
    assert server.events(kind="refusal")[0]["subject"] == "mlx-community/none"
