"""The only place that makes a page of a report: HTML that prints, and needs nothing beside it."""

from pathlib import Path
from typing import Any, Final

from app.cli.report_forms import (
    Column,
    Fetched,
    about,
    cell,
    columns_of,
    left_out,
    notes_of,
    tables_of,
)
from app.cli.text import visible

_TEMPLATE: Final = "report_page.html.j2"


def page(found: Fetched) -> str:
    """The whole page. Everything the record holds is escaped, for HTML and for the eye."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    facts = about(found)
    kept = {"report", "question", "subject", "verdict", "shown", "verify"}
    said = dict(facts)
    rows = [_cells(found.columns, row) for row in found.rows]
    used = [i for i, _ in enumerate(found.columns) if not rows or any(row[i][2] for row in rows)]
    return environment.get_template(_TEMPLATE).render(
        title=said.get("report", "Report"),
        question=said.get("question", ""),
        subject=said.get("subject"),
        verdict=said.get("verdict"),
        facts=[(name, value) for name, value in facts if name not in kept],
        commands=[value for name, value in facts if name == "verify"],
        findings=[visible(one) for one in found.findings],
        notes=[visible(one) for one in notes_of(found)],
        left_out=left_out(found),
        tables=[_shown(one) for one in tables_of(found.meta)],
        caption=_caption(found, len(rows)),
        columns=[found.columns[i] for i in used],
        rows=[[row[i] for i in used] for row in rows],
        empty=[c.label for i, c in enumerate(found.columns) if i not in used],
        note=[visible(line) for line in str(found.meta.get("checkpoint") or "").splitlines()],
    )


def _caption(found: Fetched, shown: int) -> str:
    if found.left_out:
        return f"The first {shown:,} of {shown + found.left_out:,} rows"
    return "One row" if shown == 1 else f"All {shown:,} rows"


def _shown(table: dict[str, Any]) -> dict[str, Any]:
    columns = columns_of(table)
    rows = table.get("rows")
    return {
        "title": cell(table.get("title"), "text"),
        "columns": columns,
        "rows": [_cells(columns, row) for row in rows] if isinstance(rows, list) else [],
    }


def _cells(columns: "list[Column] | Any", row: Any) -> list[tuple[str, str, str]]:
    """Name, form and text of each cell."""
    return [(c.name, c.form, cell(row.get(c.name), c.form)) for c in columns]
