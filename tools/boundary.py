"""Checks the zones for what import contracts cannot see: code loaded by name, files, grants.

`lint-imports` reads import statements. It does not see `importlib`, `__import__`, `exec`,
`sys.modules`, `open`, attributes of a bare `import app`, or anything at all in a package without
`__init__.py`. The rules are in tools/boundary_rules.py.

    python -m tools.boundary [REPOSITORY]     exit 1 when a rule is broken
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.boundary_rules import APP, MINIMUM, RULES

LINES_WARNED = 300
LINES_ALLOWED = 350
# Files that may be longer, each with its reason.
LONG_FILES: dict[str, str] = {
    "services/verify/verify.py": "one file, so that an auditor can read and carry it",
    "services/api/app/domain/refusals.py": "a list: whoever looks for a code finds it here",
    "services/api/app/authority/rules.py": "a list: every promise, and what keeps and tests it",
}
SOURCE_FOLDERS = ("services", "tools", "tests", "bench", "starter", "examples", "migrations")


@dataclass(frozen=True, slots=True)
class Finding:
    path: str
    line: int
    rule: str
    message: str
    fatal: bool = True

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule} {self.message}"


# Rules about files rather than syntax; listed so that docs and tests see every id.
FILE_RULES = {
    "F01": "A folder of code without __init__.py is invisible to import contracts: add one.",
    "F02": f"Longer than {LINES_ALLOWED} lines: split it at a noun, or say why in LONG_FILES.",
    "F03": "Does not parse, so nothing in it was checked.",
    "F04": "Found less code than a zone has: the check looked elsewhere, or MINIMUM is old.",
}


def check_source(path: str, source: str) -> Iterator[Finding]:
    """Every broken rule in one file; `path` is relative to the repository and decides the zone."""
    lines = source.count("\n")
    if lines > LINES_WARNED and path not in LONG_FILES:
        yield Finding(path, lines, "F02", FILE_RULES["F02"], fatal=lines > LINES_ALLOWED)
    rules = [rule for rule in RULES if rule.covers(path)]
    if not rules:
        return
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        yield Finding(path, 1, "F03", FILE_RULES["F03"])
        return
    for node in ast.walk(tree):
        for rule in rules:
            if rule.check(node):
                yield Finding(path, getattr(node, "lineno", 1), rule.id, rule.message)


def check_repository(root: Path) -> Iterator[Finding]:
    for zone, least in MINIMUM.items():
        found = len(list((root / zone).rglob("*.py")))
        if found < least:
            yield Finding(zone, 1, "F04", f"{found} files of at least {least}. {FILE_RULES['F04']}")
    for folder in sorted({file.parent for file in (root / APP).rglob("*.py")}):
        for package in (folder, *folder.parents):
            if not package.is_relative_to(root / APP):
                break
            if not (package / "__init__.py").exists():
                yield Finding(str(package.relative_to(root)), 1, "F01", FILE_RULES["F01"])
    for source_folder in SOURCE_FOLDERS:
        for file in sorted((root / source_folder).rglob("*.py")):
            yield from check_source(file.relative_to(root).as_posix(), file.read_text("utf-8"))


def main(arguments: list[str]) -> int:
    root = Path(arguments[0] if arguments else ".").resolve()
    findings = sorted(set(check_repository(root)), key=lambda f: (f.path, f.line, f.rule))
    for finding in findings:
        print(f"{finding}" if finding.fatal else f"{finding} (warning from {LINES_WARNED} on)")
    return 1 if any(finding.fatal for finding in findings) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
