"""What the README shows of fetching and deleting, typed by a person in the order it is shown."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conversation import governed
from tests.e2e.server import RunningServer, running_server, type_to_lmx
from tests.e2e.test_readme import BY_HAND, SHELL
from tests.fakes.hub import FakeHub, serving_hub
from tests.models import tiny_model

COMMANDS = [shlex.split(c, comments=True)[1:] for c in SHELL if BY_HAND.match(c)]
"""Without `.venv/bin/lmx`."""


def shown(*words: str) -> list[str]:
    """The README's command that begins so."""
    return next(command for command in COMMANDS if command[: len(words)] == list(words))


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("readme") / "model")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, directory: Path) -> Iterator[RunningServer]:
    repo = shown("models", "pull")[2]
    with serving_hub(FakeHub(repo=repo).holds(directory)) as hub:
        home = tmp_path_factory.mktemp("home") / "lmx"
        with running_server(home, hub={"endpoint": hub.url, "hosts": []}) as running:
            yield running


def test_every_command_that_is_left_to_this_file_is_in_it() -> None:
    assert [command[:2] for command in COMMANDS] == [
        ["models", "pull"],
        ["models", "adopt"],
        ["models", "rm"],
        ["store", "restore"],
    ]


def test_a_pull_as_shown_asks_and_fetches(server: RunningServer) -> None:
    command = shown("models", "pull")
    code, screen = type_to_lmx(*command, typed="y", environment=server.environment)
    assert code == 0, screen
    assert command[2] in server.lmx("models", "ls").stdout


def test_what_other_programs_keep_is_listed(server: RunningServer) -> None:
    done = server.lmx(*shown("models", "adopt"))
    assert done.returncode == 0, done.stderr


def test_a_deletion_as_shown_asks_is_done_and_is_restored(
    server: RunningServer, directory: Path
) -> None:
    command = shown("models", "rm")
    name = command[2]
    assert server.lmx("models", "import", str(directory), "--name", name).returncode == 0
    code, screen = governed(*command, phrase=f"yes, delete {name}", environment=server.environment)
    assert code == 0, screen
    assert name not in server.lmx("models", "ls").stdout
    done = server.lmx(*shown("store", "restore"))
    assert done.returncode == 0, done.stderr
    assert name in server.lmx("models", "ls").stdout
