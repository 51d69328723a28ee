"""docs/decisions/README.md: the list of the decision records, by number, from their headings."""

from pathlib import Path

DECISIONS = Path(__file__).resolve().parent.parent / "docs" / "decisions"

INTRODUCTION = """
# Decisions

What was decided, why, and what enforces it: one record each, in 40 lines or less. A record that no
longer holds says which one took its place.
"""


def page() -> str:
    rows = [f"* [{_title(path)}]({path.name})" for path in sorted(DECISIONS.glob("[0-9]*.md"))]
    return f"{INTRODUCTION.strip()}\n\n" + "\n".join(rows)


def _title(path: Path) -> str:
    first = path.read_text("utf-8").split("\n", 1)[0]
    return first.removeprefix("#").strip()
