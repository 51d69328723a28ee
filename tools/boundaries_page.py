"""The page that lists every import contract and every boundary rule, for those who review them."""

from configparser import ConfigParser
from pathlib import Path

from tools.boundary import FILE_RULES
from tools.boundary_rules import RULES

CONTRACT = "importlinter:contract:"


def contracts() -> list[str]:
    parser = ConfigParser(interpolation=None)
    parser.read(Path(__file__).resolve().parent.parent / ".importlinter", "utf-8")
    rows = []
    for section in parser.sections():
        if section.startswith(CONTRACT):
            guidance = " ".join(parser[section]["broken_contract_guidance"].split())
            name = section.removeprefix(CONTRACT)
            rows.append(f"| `{name}` | {parser[section]['name']} | {guidance} |")
    return rows


def page() -> str:
    rules = [f"| {rule.id} | `{rule.zone}` | {rule.message} |" for rule in RULES]
    rules += [f"| {rule_id} | every file | {instead} |" for rule_id, instead in FILE_RULES.items()]
    return "\n".join(
        [
            "# The lines between the zones",
            "",
            "## Import contracts (`lint-imports`)",
            "",
            "| contract | holds that | when it breaks |",
            "|---|---|---|",
            *contracts(),
            "",
            "## Boundary rules (`python -m tools.boundary`): what an import contract cannot see",
            "",
            "| rule | where | what it says, why, and what to do instead |",
            "|---|---|---|",
            *rules,
        ]
    )
