"""docs/events.md: every kind of event and what it holds, from the table that checks them."""

from app.evidence.fields import Field, Schema
from app.evidence.schemas import SCHEMAS
from app.evidence.vocabulary import ACTION

INTRODUCTION = """
# Events

The ledger holds one canonical JSON object (RFC 8785) per event, at most 32 KiB. Beside what is
listed here every event has `seq`, `event_id` (UUIDv7), `kind`, `ts_utc_us`, `mono_us` and `boot_id`
(the wall clock may jump, the other two show it), `actor` (`id`, `person`, `roles`; never a name),
`intent_seq` (the event that an outcome closes), `request_id` and `v`, the version of this layout:
2 today; events of version 1 have no `person`.

Kinds and fields are only ever added. An event with a field that is not listed, without one that is
not optional, with another type or another outcome is a defect in the server and is never written.
"""


def page() -> str:
    return "\n\n".join([INTRODUCTION.strip(), *map(_section, SCHEMAS.values())])


def _section(schema: Schema) -> str:
    lines = [f"## {schema.kind}", "", schema.meaning, ""]
    facts = [f"action `{ACTION[schema.kind]}`"]
    if schema.subject:
        facts.append(f"subject: {schema.subject}")
    if schema.outcomes:
        facts.append("outcome: " + ", ".join(f"`{outcome}`" for outcome in schema.outcomes))
    lines.append("; ".join(facts) + ".")
    if schema.fields:
        lines += ["", "| field | type | meaning |", "|---|---|---|", *map(_row, schema.fields)]
    return "\n".join(lines)


def _row(field: Field) -> str:
    state = " (retired)" if field.retired else "" if field.required else " (optional)"
    return f"| `{field.name}` | {field.type}{state} | {field.meaning} |"
