"""The Dockerfile and its compose file keep what the server promises, as far as text can say it."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "services" / "deploy" / "docker"


def instructions() -> list[tuple[str, str]]:
    """Each instruction and what follows it, its continuation lines joined, without remarks."""
    text = (FOLDER / "Dockerfile").read_text("utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [
        (name, rest.strip())
        for name, _, rest in (line.partition(" ") for line in joined.splitlines() if line.strip())
    ]


STEPS = instructions()


def last(name: str) -> str:
    return [rest for step, rest in STEPS if step == name][-1]


@pytest.fixture(scope="module")
def service() -> dict[str, Any]:
    composed = yaml.safe_load((FOLDER / "compose.yaml").read_text("utf-8"))
    only: dict[str, Any] = composed["services"]["lmx"]
    return only


def test_everything_that_is_copied_is_there_and_is_sent_to_the_builder() -> None:
    ignored = (FOLDER / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    copied = [source for name, rest in STEPS if name == "COPY" for source in rest.split()[:-1]]
    assert copied
    for source in copied:
        assert (ROOT / source).exists(), source
        assert f"!{source}" in ignored
    assert {line[1:] for line in ignored if line.startswith("!")} == set(copied)


def test_it_installs_what_the_lock_names_and_nothing_else() -> None:
    ran = " ".join(rest for name, rest in STEPS if name == "RUN")
    assert "tools/bootstrap cpu" in ran
    assert not re.search(r"pip install|curl|wget|git clone|https?://", ran)
    assert not [name for name, _ in STEPS if name == "ADD"]
    assert "--require-hashes" in (ROOT / "tools" / "bootstrap").read_text("utf-8")


def test_the_server_is_nobody_special_and_cannot_write_its_own_program() -> None:
    names = [name for name, _ in STEPS]
    assert last("USER") == "lmx"
    assert names.index("USER") > max(at for at, name in enumerate(names) if name in ("COPY", "RUN"))
    assert "--mode 0700 /var/lib/lmx" in " ".join(rest for name, rest in STEPS if name == "RUN")
    assert "chown" not in str(STEPS)


def test_it_is_reached_through_the_hosts_loopback_and_publishes_nothing(
    service: dict[str, Any],
) -> None:
    assert "EXPOSE" not in [name for name, _ in STEPS]
    assert service["network_mode"] == "host"
    assert "ports" not in service
    assert "0.0.0.0" not in str(STEPS)


def test_state_is_in_the_volume_and_the_drain_has_its_time(service: dict[str, Any]) -> None:
    assert last("VOLUME") == "/var/lib/lmx"
    assert "LMX_HOME=/var/lib/lmx" in last("ENV")
    assert service["volumes"] == ["lmx-home:/var/lib/lmx"]
    assert last("STOPSIGNAL") == "SIGTERM"
    assert int(service["stop_grace_period"].removesuffix("s")) > 30
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]


def test_the_health_check_is_a_program_that_reads(service: dict[str, Any]) -> None:
    command = yaml.safe_load(last("HEALTHCHECK").partition("CMD ")[2])
    assert command[:2] == ["python", "-c"]
    compile(command[2], "HEALTHCHECK", "exec")
    assert "/healthz" in command[2]
    assert shlex.split(service["image"]) == ["lmx-authority"]
