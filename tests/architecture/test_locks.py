"""The locks pin everything by hash, name no index, and say what pyproject.toml asks for."""

import re
import tomllib
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("runtime", "dev", "cuda13")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def text(lock: str) -> str:
    return (ROOT / "requirements" / f"{lock}.txt").read_text("utf-8")


@cache
def entries(lock: str) -> list[tuple[Requirement, list[str]]]:
    """Each requirement with its hashes."""
    joined = text(lock).replace("\\\n", " ")
    found = []
    for line in joined.splitlines():
        if line and not line.startswith("#"):
            requirement, *hashes = re.split(r"\s+--hash=", line.strip())
            found.append((Requirement(requirement), hashes))
    return found


@cache
def pins(lock: str) -> dict[str, set[str]]:
    versions: dict[str, set[str]] = {}
    for requirement, _ in entries(lock):
        (specifier,) = requirement.specifier
        versions.setdefault(canonicalize_name(requirement.name), set()).add(specifier.version)
    return versions


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_is_one_version_with_hashes(lock: str) -> None:
    assert len(entries(lock)) > 40
    for requirement, hashes in entries(lock):
        assert [specifier.operator for specifier in requirement.specifier] == ["=="]
        assert requirement.url is None
        assert hashes
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", digest) for digest in hashes)


@pytest.mark.parametrize("lock", LOCKS)
def test_no_index_and_no_path_is_named(lock: str) -> None:
    """Comments count: a lock must not tell where the one who made it gets packages."""
    assert not re.search(r"https?:|file:|index|find-links|/\w+/|@ ", text(lock))


@pytest.mark.parametrize("lock", LOCKS)
def test_both_platforms_are_covered(lock: str) -> None:
    mac = {
        "sys_platform": "darwin",
        "platform_machine": "arm64",
        "platform_python_implementation": "CPython",
        "python_full_version": "3.11.9",
    }
    linux = {**mac, "sys_platform": "linux", "platform_machine": "x86_64"}

    def names(environment: dict[str, str]) -> set[str]:
        return {r.name for r, _ in entries(lock) if r.marker and r.marker.evaluate(environment)}

    assert {"mlx", "mlx-metal", "mlx-lm"} <= names(mac)
    backend = "mlx-cuda-13" if lock == "cuda13" else "mlx-cpu"
    assert {"mlx", backend, "mlx-lm"} <= names(linux)
    both = {"mlx-cpu", "mlx-cuda-13"}  # two builds of one shared library
    assert names(linux) & both == {backend}
    assert names({**mac, "platform_machine": "x86_64"}) == set()


def test_what_is_tested_is_what_is_served() -> None:
    dev, cuda = pins("dev"), pins("cuda13")
    assert {name: dev.get(name) for name in pins("runtime")} == pins("runtime")
    shared = cuda.keys() & pins("runtime").keys()
    assert {name: cuda[name] for name in shared} == {name: pins("runtime")[name] for name in shared}


@pytest.mark.parametrize(
    ("lock", "groups"),
    [
        ("runtime", [PROJECT["project"]["dependencies"], PROJECT["dependency-groups"]["build"]]),
        ("runtime", [PROJECT["project"]["optional-dependencies"]["cpu"]]),
        ("runtime", [PROJECT["build-system"]["requires"]]),
        ("cuda13", [PROJECT["project"]["optional-dependencies"]["cuda13"]]),
        ("dev", [PROJECT["dependency-groups"]["dev"]]),
    ],
)
def test_the_lock_answers_pyproject(lock: str, groups: list[list[str]]) -> None:
    """`make lock` was forgotten when this fails."""
    locked = pins(lock)
    for wanted in (Requirement(line) for group in groups for line in group):
        versions = locked.get(canonicalize_name(wanted.name), set())
        assert versions, f"{wanted.name} is in pyproject.toml but not in requirements/{lock}.txt"
        assert all(wanted.specifier.contains(version) for version in versions)


def test_nothing_giant_is_served() -> None:
    assert {"torch", "tensorflow", "jax", "pandas", "scipy"} & pins("dev").keys() == set()
