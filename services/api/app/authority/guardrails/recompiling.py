"""What a task would be under another document: its intent, unchanged, compiled once more. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app.authority.guardrails.compiler.resolve import resolve
from app.authority.guardrails.document.model import Guardrails
from app.authority.guardrails.ir import define
from app.authority.guardrails.values import (
    Composite,
    Condition,
    Definition,
    Intent,
    Leaf,
    Reference,
    Resolution,
)
from app.domain.refusals import GuardrailsInvalid, GuardrailViolated, IntentUnclear

Known = Mapping[tuple[str, int], Definition]


class Result(StrEnum):
    """How a task fares under another document."""

    CHANGED = "changed"
    SAME = "same"
    UNCLEAR = "unclear"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recompiled:
    """`after` None: it cannot be bound under that document; `why` says why not."""

    task: str
    before: Definition
    after: Definition | None
    result: Result
    why: str = ""

    @property
    def stays(self) -> bool:
        """Whether what is bound is exactly that already."""
        return self.after is not None and self.after.version == self.before.version


def compiled(definition: Definition, guardrails: Guardrails, known: Known) -> Resolution:
    """A definition's intent under a document. Raises IntentUnclear, GuardrailViolated."""
    return resolve(as_said(definition.resolution.intent), guardrails, known)


def as_said(intent: Intent) -> str | Intent:
    """An intent as it was given: in words, or as a structure."""
    return intent.text or intent


def recompiled(
    before: Definition, earlier: Iterable[Definition], guardrails: Guardrails, known: Known
) -> Recompiled:
    """`earlier`: every definition of the task; one that would come out again is taken again."""
    try:
        resolution = compiled(before, guardrails, known)
    except IntentUnclear as unclear:
        return _cannot(before, Result.UNCLEAR, unclear.message)
    except (GuardrailViolated, GuardrailsInvalid) as rejected:
        return _cannot(before, Result.REJECTED, rejected.message)
    moved = _moved(before.resolution.intent, resolution.intent)
    if moved:
        return _cannot(before, Result.REJECTED, moved)
    after = defined(before.id, resolution, earlier)
    same = after.resolution.condition == before.resolution.condition
    return Recompiled(
        task=before.id,
        before=before,
        after=after,
        result=Result.SAME if same else Result.CHANGED,
    )


def defined(task: str, resolution: Resolution, earlier: Iterable[Definition]) -> Definition:
    """The resolution as a definition of `task`: an earlier one that says the same, or the next."""
    last = 0
    for one in earlier:
        if says(one, resolution):
            return one
        last = max(last, one.version)
    return define(task, last + 1, resolution)


def says(definition: Definition, resolution: Resolution) -> bool:
    """Whether a definition is exactly this: in its intent, and in everything that decides."""
    again = define(definition.id, definition.version, resolution)
    same_intent = definition.resolution.intent == resolution.intent
    return same_intent and again.binding_hash == definition.binding_hash


def delta(before: Definition, after: Definition) -> list[dict[str, Any]]:
    """What is another in a condition: ``[{what, before, after}]``; None where there is nothing."""
    was, now = _flat(before), _flat(after)
    return [
        {"what": what, "before": was.get(what), "after": now.get(what)}
        for what in sorted(was.keys() | now.keys())
        if was.get(what) != now.get(what)
    ]


def _moved(was: Intent, now: Intent) -> str:
    """Why the new meaning is no binding anew: actions and points are kept, whatever is reloaded."""
    if was.action != now.action:
        return (
            f"Under this document its words mean {now.action} and no longer {was.action}. Binding "
            "again keeps what is done: add the intent anew if that is wanted."
        )
    if was.points != now.points:
        before, after = ", ".join(was.points), ", ".join(now.points)
        return (
            f"Under this document its words mean the points {after} and no longer {before}. "
            "Binding again keeps them: add the intent anew if that is wanted."
        )
    return ""


def _cannot(before: Definition, result: Result, why: str) -> Recompiled:
    return Recompiled(task=before.id, before=before, after=None, result=result, why=why)


def _flat(definition: Definition) -> dict[str, Any]:
    return dict(_said(definition.resolution.condition, "when"))


def _said(condition: Condition, path: str) -> Iterator[tuple[str, Any]]:
    match condition:
        case Leaf():
            yield f"{path}.primitive", f"{condition.primitive}@{condition.primitive_version}"
            yield f"{path}.scope", str(condition.scope)
            yield f"{path}.strategy", f"{condition.strategy}@{condition.strategy_version}"
            for name, value in condition.params.items():
                yield f"{path}.{name}", list(value) if isinstance(value, tuple) else value
        case Composite(operator, operands, _):
            yield f"{path}.operator", str(operator)
            for at, operand in enumerate(operands):
                yield from _said(operand, f"{path}.{at}")
        case Reference(id, version):
            yield f"{path}.condition", f"{id}@{version}"
