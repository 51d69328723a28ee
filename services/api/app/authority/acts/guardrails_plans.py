"""What plans about guardrails hold of definitions and changes: plain JSON without floats."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from app.authority.guardrails.changing import Changing
from app.authority.guardrails.compiler.saying import sentence
from app.authority.guardrails.definitions import condition_json, intent_json
from app.authority.guardrails.standing import Now
from app.authority.guardrails.strategies.wording import text
from app.authority.guardrails.values import ClauseTrace, Definition
from app.domain.refusals import GuardrailsNotFound, InvalidRequest

LISTED: Final = 200
"""Names that a plan spells out; it says how many there are besides."""


def plain(value: Any) -> Any:
    """`value` with its fractions as text: a plan's bytes hold no floats."""
    match value:
        case float():
            return f"{value:.0f}" if value.is_integer() else repr(value)
        case Mapping():
            return {name: plain(item) for name, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
    return value


def shown(definition: Definition, guardrails: int) -> dict[str, Any]:
    """A definition as an approver is shown it. `guardrails`: the number of its document."""
    resolution = definition.resolution
    intent = resolution.intent
    return {
        "version": definition.version,
        "guardrails": guardrails,
        "intent": intent.text or plain(intent_json(intent)),
        "sentence": sentence(definition.resolution),
        "action": str(intent.action),
        "points": [str(point) for point in intent.points],
        "condition": plain(condition_json(resolution.condition)),
        "why": [line for clause in resolution.trace.clauses for line in _why(clause)],
        "ir_hash": definition.ir_hash,
        "binding_hash": definition.binding_hash,
    }


def _why(clause: ClauseTrace) -> Iterator[str]:
    """What a clause became, and why; of a set that the sentence says by its name, all values."""
    if clause.implied_by is not None:
        yield f"{clause.path}: what is watched is from {clause.implied_by}"
    for chosen in clause.parameters:
        yield f"{clause.path}.{chosen.name}: {chosen.source}, {chosen.why}"
        if isinstance(chosen.value, tuple):
            yield f"{clause.path}.{chosen.name}: {', '.join(map(text, chosen.value))}"


def listed(names: Sequence[str] | frozenset[str]) -> dict[str, Any]:
    """So many names, and how many there are."""
    return {"count": len(names), "names": sorted(names)[:LISTED]}


def document(changing: Changing, version: int) -> dict[str, Any]:
    return {"version": version, "hash": changing.standing.documents.get(version).hash}


def number(params: Mapping[str, Any], name: str) -> int:
    """A version's number. Raises InvalidRequest."""
    value = params.get(name)
    if type(value) is not int or not 1 <= value < 2**53:
        raise InvalidRequest(f"`{name}` is a number of 1 or more.", param=f"params.{name}")
    return value


def exactly(params: Mapping[str, Any], needed: set[str], optional: set[str] | None = None) -> None:
    """Raises InvalidRequest unless params has these names and no others."""
    known = needed | (optional or set())
    if not needed <= params.keys() <= known:
        names = ", ".join(sorted(known))
        raise InvalidRequest(f"What is asked for has: {names}.", param="params")


def bound(now: Now, changing: Changing, task: object) -> Definition:
    """The definition that decides for a task. Raises GuardrailsNotFound, InvalidRequest."""
    if not isinstance(task, str):
        raise InvalidRequest("A task is named by its id.", param="params.task")
    found = now.definitions.get(task)
    if found is not None:
        return found
    if changing.standing.store.history(task):
        raise InvalidRequest(
            f"The task {task[:64]} was retired. Add its intent again: lmx guardrails add.",
            param="params.task",
        )
    raise GuardrailsNotFound(
        f"There is no task {task[:64]!r}. lmx guardrails tasks lists them.", param="params.task"
    )
