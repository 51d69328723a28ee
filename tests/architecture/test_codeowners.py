"""Whoever changes what holds the boundary is looked at: the list covers it, and no line is dead."""

from fnmatch import fnmatchcase
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINES = [
    line.split()
    for line in (ROOT / ".github" / "CODEOWNERS").read_text("utf-8").splitlines()
    if line.strip() and not line.startswith("#")
]
PATTERNS = [pattern for pattern, *_ in LINES]
BOUNDARY = (
    "services/api/app/authority/permissions.py",
    "services/api/app/authority/advice/untrusted.py",
    "services/api/app/walled/__main__.py",
    "services/api/app/engines/advisor_host.py",
    "services/api/app/engines/advisor_process.py",
    "services/api/app/routers/door.py",
    "migrations/env.py",
    "migrations/versions/0007_advice.py",
    "SECURITY.md",
    "tools/security_page.py",
    ".importlinter",
    "tools/boundary.py",
    "tools/boundary_rules.py",
    "tests/architecture/test_boundary.py",
    "tests/hostile/test_reaching_the_authority.py",
    ".github/CODEOWNERS",
)
ELSEWHERE = (
    "services/api/app/_experimental/registry.py",
    "services/api/app/cli/main.py",
    "docs/advice.md",
    "tests/unit/tools/boundary.py",
)


def covers(pattern: str, path: str) -> bool:
    """As the host reads it, of the forms that stand in the list: anchored, a folder ends in `/`."""
    anchored = pattern.removeprefix("/")
    if anchored.endswith("/"):
        return path.startswith(anchored)
    return fnmatchcase(path, anchored) and path.count("/") == anchored.count("/")


def owners_of(path: str) -> list[str]:
    """The last line that fits decides."""
    fitting = [owners for pattern, *owners in LINES if covers(pattern, path)]
    return fitting[-1] if fitting else []


def files(*below: str) -> list[str]:
    """Every file of the checkout below these folders that is no build output."""
    found = (path for place in below for path in (ROOT / place).rglob("*") if path.is_file())
    return [str(path.relative_to(ROOT)) for path in found if "__pycache__" not in path.parts]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_line_names_something_that_is_there_and_whose_it_is(pattern: str) -> None:
    assert pattern.startswith("/")
    assert "**" not in pattern
    assert "?" not in pattern
    assert list(ROOT.glob(pattern.strip("/"))), pattern
    assert all(owner.startswith("@") for owner in LINES[PATTERNS.index(pattern)][1:])
    assert len(LINES[PATTERNS.index(pattern)]) > 1


@pytest.mark.parametrize("path", BOUNDARY)
def test_what_holds_the_boundary_is_there_and_has_an_owner(path: str) -> None:
    assert (ROOT / path).is_file()
    assert owners_of(path)


@pytest.mark.parametrize("path", ELSEWHERE)
def test_what_does_not_hold_it_needs_nobody(path: str) -> None:
    assert not owners_of(path)


def test_every_file_of_the_authority_and_every_migration_has_an_owner() -> None:
    held = files("services/api/app/authority", "services/api/app/walled", "migrations")
    assert len(held) > 150
    assert [path for path in held if not owners_of(path)] == []


def test_who_the_owners_are_is_said_where_contributors_look() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    for owner in {owner for _, *owners in LINES for owner in owners}:
        assert owner in page
