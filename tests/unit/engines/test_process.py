"""What a worker may inherit, and how its end is put into words."""

from pathlib import Path

import pytest

from app.engines.process import describe_exit, worker_command, worker_environment

HOME = Path("/empty")


def test_only_named_variables_are_inherited() -> None:
    server = {"PATH": "/bin", "HF_TOKEN": "x", "https_proxy": "x", "LMX_HOME": "x", "HOME": "/me"}
    seen = worker_environment(server, home=HOME)
    assert seen["PATH"] == "/bin"
    assert seen["HOME"] == "/empty"
    assert "x" not in seen.values()


def test_workers_are_offline() -> None:
    seen = worker_environment({"HF_HUB_OFFLINE": "0"}, home=HOME)
    assert seen["HF_HUB_OFFLINE"] == seen["TRANSFORMERS_OFFLINE"] == "1"


def test_workers_import_this_source_and_nothing_from_their_directory() -> None:
    source = Path(worker_environment({}, home=HOME)["PYTHONPATH"])
    assert (source / "app" / "engines").is_dir()
    assert "-P" in worker_command()


@pytest.mark.parametrize(
    ("status", "words"), [(0, "exited with status 0"), (-9, "killed by signal 9")]
)
def test_an_end_is_put_into_words(status: int, words: str) -> None:
    assert describe_exit(status) == words
