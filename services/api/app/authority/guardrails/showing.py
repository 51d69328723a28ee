"""Documents, definitions and tasks as plain JSON for people and programs."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from app.authority.guardrails.compiler.saying import sentence
from app.authority.guardrails.definitions import condition_json, intent_json, trace_json
from app.authority.guardrails.document.model import Document
from app.authority.guardrails.document.normal_form import values_at
from app.authority.guardrails.ir import ir_of
from app.authority.guardrails.store import BindingRow, DefinitionRow, VersionRow
from app.authority.guardrails.values import Definition

Json = dict[str, Any]
BOUND: Final = "bound"
RETIRED: Final = "retired"


def meaning(definition: Definition) -> Json:
    """What an intent was compiled to, in short."""
    intent = definition.resolution.intent
    return {
        "intent": intent.text or intent_json(intent),
        "action": str(intent.action),
        "points": [str(point) for point in intent.points],
        "sentence": sentence(definition.resolution),
        "ir_hash": definition.ir_hash,
        "binding_hash": definition.binding_hash,
    }


def whole(definition: Definition) -> Json:
    """What an intent was compiled to, why, and as a graph."""
    resolution = definition.resolution
    return meaning(definition) | {
        "condition": condition_json(resolution.condition),
        "trace": trace_json(resolution.trace),
        "ir": ir_of(definition.id, definition.version, resolution),
    }


def task(
    row: DefinitionRow, definition: Definition, binding: BindingRow, *, affected: bool
) -> Json:
    """A task by its newest binding; of one that was retired, what decided last."""
    return {
        "id": row.id,
        **meaning(definition),
        "version": row.version,
        "guardrails": row.guardrails,
        "bound_us": binding.bound_us,
        "bound_by": binding.bound_by,
        "ask": binding.ask,
        "affected": affected,
        "state": RETIRED if binding.definition is None else BOUND,
    }


def history(bindings: Iterable[BindingRow], definitions: Sequence[DefinitionRow]) -> list[Json]:
    """Every binding of a task, the newest first; `version` None: it was retired."""
    under = {row.version: row.guardrails for row in definitions}
    return [
        {
            "version": binding.definition,
            "guardrails": None if binding.definition is None else under[binding.definition],
            "bound_us": binding.bound_us,
            "bound_by": binding.bound_by,
            "ask": binding.ask,
        }
        for binding in reversed(list(bindings))
    ]


def version(row: VersionRow, *, active: int, activated_us: int | None, tasks: int) -> Json:
    """`activated_us`: when it last became the active one. `tasks`: bound, compiled under it."""
    return {
        "version": row.version,
        "hash": row.hash,
        "form": row.form,
        "note": row.note,
        "loaded_us": row.loaded_us,
        "loaded_by": row.loaded_by,
        "active": row.version == active,
        "activated_us": activated_us,
        "tasks": tasks,
    }


def changes(keys: Iterable[str], before: Document, after: Document) -> list[Json]:
    """Each key with what stands there in both; None for nothing."""
    return [
        {"key": key, "before": values_at(before, key), "after": values_at(after, key)}
        for key in sorted(keys)
    ]
