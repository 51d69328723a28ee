"""What the site holds and where it stands: the one table of its pages.

A Markdown file under docs/ that stands in no section stops the build, and so does a page that is
no file.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Section:
    """A heading of the navigation; each page is (its path in the repository, its name there)."""

    title: str
    pages: tuple[tuple[str, str], ...]


HOME = "docs/index.md"

SECTIONS: tuple[Section, ...] = (
    Section(
        "Start",
        ((HOME, "LMX Authority"), ("docs/first-five-minutes.md", "The first five minutes")),
    ),
    Section(
        "Operator",
        (
            ("docs/operator.md", "Operator's guide"),
            ("docs/models.md", "Getting and keeping models"),
            ("docs/alerts.md", "What each alert wants"),
            ("docs/proxy.md", "Proxy, tunnel, container"),
            ("docs/guardrails.md", "Guardrails"),
            ("docs/advice.md", "Advice"),
        ),
    ),
    Section(
        "Reviewer",
        (
            ("docs/reviewer.md", "Reviewer's guide"),
            ("docs/approving.md", "How to decide on an ask"),
            ("docs/approvals.md", "Asks and their states"),
        ),
    ),
    Section(
        "Auditor",
        (
            ("docs/auditor.md", "Auditor's guide"),
            ("docs/ledger.md", "The ledger"),
            ("SECURITY.md", "Promises and limits"),
        ),
    ),
    Section(
        "Bot author",
        (
            ("docs/bots.md", "Bot author's guide"),
            ("docs/clients.md", "What clients can do"),
            ("docs/contract.md", "Every field"),
        ),
    ),
    Section(
        "Reference",
        (
            ("docs/cli.md", "Command line"),
            ("docs/http.md", "HTTP"),
            ("docs/configuration.md", "Configuration"),
            ("docs/errors.md", "Errors"),
            ("docs/events.md", "Events"),
            ("docs/metrics.md", "Metrics"),
            ("docs/primitives.md", "Guardrail primitives"),
            ("docs/advisors.md", "Advisors, measured"),
            ("docs/lifecycle.md", "Lifecycle of a model"),
            ("docs/boundaries.md", "Boundaries"),
            ("docs/benchmarks.md", "Benchmarks"),
        ),
    ),
    Section(
        "Project",
        (
            ("README.md", "Read me"),
            ("CONTRIBUTING.md", "Contributing"),
            ("CHANGELOG.md", "Changelog"),
            ("docs/decisions/README.md", "Decisions"),
        ),
    ),
)

DECISIONS = "docs/decisions"


def named() -> dict[str, str]:
    """The name of each page of the navigation, by its path."""
    return {path: title for section in SECTIONS for path, title in section.pages}


def decisions() -> Iterator[str]:
    """Every decision record: reached through the page that lists them."""
    for path in sorted((ROOT / DECISIONS).glob("[0-9]*.md")):
        yield f"{DECISIONS}/{path.name}"


def unplaced() -> list[str]:
    """Markdown under docs/ that stands nowhere, and names of the table that are no file."""
    placed = {*named(), *decisions()}
    there = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")}
    gone = {path for path in placed if not (ROOT / path).is_file()}
    return sorted((there - placed) | gone)
