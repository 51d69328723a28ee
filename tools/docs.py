"""Regenerates the pages under docs/ that are made from code, or says which are out of date.

    python -m tools.docs           write them
    python -m tools.docs --check   exit 1 if one differs from what the code says now

A page is a function that returns its text. To add one: write the function beside the table it
draws, and name it in `PAGES`.
"""

import difflib
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Page:
    """`source` is "module:function"; `path` is relative to the repository."""

    path: str
    source: str
    has_own_heading: bool = False

    def text(self) -> str:
        module, function = self.source.split(":")
        text = getattr(import_module(module), function)()
        if not isinstance(text, str) or not text.strip():
            raise TypeError(f"{self.source} returned no text")
        if self.has_own_heading:
            return text
        heading = f"<!-- Written by `make docs` from {self.source}. Do not edit. -->"
        return f"{heading}\n\n{text.strip()}\n"


PAGES: tuple[Page, ...] = (
    Page("SECURITY.md", "tools.security_page:page"),
    Page("docs/errors.md", "tools.errors_page:page"),
    Page("docs/contract.md", "tools.contract_page:page"),
    Page("docs/http.md", "tools.http_page:page"),
    Page("docs/decisions/README.md", "tools.decisions_page:page"),
    Page("docs/events.md", "tools.events_page:page"),
    Page("docs/approvals.md", "tools.approvals_page:page"),
    Page("docs/primitives.md", "tools.guardrails_page:page"),
    Page("docs/guardrails.md", "tools.guardrails_page:guide", has_own_heading=True),
    Page("docs/boundaries.md", "tools.boundaries_page:page"),
    Page("docs/metrics.md", "tools.metrics_page:page"),
    Page("docs/lifecycle.md", "app.authority.lifecycle.transitions:page"),
    Page("docs/cli.md", "app.cli.reference:render", has_own_heading=True),
    Page("config/guardrails.schema.json", "tools.guardrails_schema:page", has_own_heading=True),
    Page("config/config.yaml", "tools.config_page:template", has_own_heading=True),
    Page("config/config.schema.json", "tools.config_page:schema", has_own_heading=True),
    Page("docs/configuration.md", "tools.config_page:page"),
)


def difference(page: Page, written: str, wanted: str) -> str:
    lines = difflib.unified_diff(
        written.splitlines(), wanted.splitlines(), page.path, page.source, lineterm=""
    )
    return "\n".join(list(lines)[:40])


def main(arguments: list[str]) -> int:
    stale = 0
    for page in PAGES:
        path, wanted = ROOT / page.path, page.text()
        written = path.read_text("utf-8") if path.exists() else ""
        if written == wanted:
            continue
        if "--check" in arguments:
            stale += 1
            print(f"{page.path} is not what the code says; run `make docs`.")
            print(difference(page, written, wanted))
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted, "utf-8")
            print(f"wrote {page.path}")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
