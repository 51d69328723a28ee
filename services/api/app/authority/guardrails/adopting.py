"""The first start: the guardrails that ship with the product become version 1, and are bound.

It happens once, by the server itself, recorded. What a later release ships, and a document of the
operator's own, are only ever loaded by somebody and approved like every other change.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from app.authority.guardrails.adding import resolved, task_id
from app.authority.guardrails.changing import Binding, Changing
from app.authority.guardrails.document.model import Guardrails
from app.authority.guardrails.document.reading import read
from app.authority.guardrails.recompiling import defined
from app.authority.guardrails.store import GuardrailsStore
from app.authority.guardrails.values import Definition
from app.authority.ledger.store import Ledger
from app.domain.actors import SYSTEM
from app.domain.refusals import GuardrailsInvalid, Refusal, StartRefused
from app.evidence.vocabulary import Kind
from app.strict_yaml import UnreadableYaml, read_mapping

DOCUMENT: Final = "guardrails.yaml"
TASKS: Final = "guardrails-tasks.yaml"
NOTE: Final = "the guardrails that ship with the product"


@dataclass(frozen=True, slots=True)
class Adopted:
    """`now`: whether it was this start that adopted them. `another_ships`: the document that ships
    with this release is none of those that were loaded; it is not adopted by itself."""

    now: bool
    another_ships: bool


def adopt(changing: Changing, ledger: Ledger, templates: Path) -> Adopted:
    """Adopt what lies in `templates`, unless something was adopted before.

    Goes on where an earlier start was interrupted. Raises StartRefused, with a sentence, when the
    document or one of its tasks cannot be used: then nothing of it is kept.
    """
    text = (templates / DOCUMENT).read_text("utf-8")
    store = changing.standing.store
    active = store.activation()
    if ledger.latest(Kind.GUARDRAILS_BOUND):
        changing.standing.checked()
        return Adopted(now=False, another_ships=_is_another(store, text, templates / DOCUMENT))
    shipped = _document(text, templates / DOCUMENT)
    document = shipped if active is None else changing.standing.documents.get(active.version)
    definitions = {
        task: _definition(task, intent, document, templates / TASKS)
        for task, intent in _tasks(templates / TASKS).items()
    }
    if active is None:
        version = changing.keep(text, "yaml", NOTE, SYSTEM).row.version
        changing.set_active(version, document, SYSTEM)
    else:
        version = active.version
    bindings = [Binding(task, one, version) for task, one in sorted(definitions.items())]
    changing.set_bound(bindings, SYSTEM)
    return Adopted(now=True, another_ships=False)


def _is_another(store: GuardrailsStore, text: str, path: Path) -> bool:
    """Read only where it was never loaded to the byte: every start asks."""
    if store.has_document(text.encode()):
        return False
    return store.version_of(_document(text, path).hash) is None


def _document(text: str, path: Path) -> Guardrails:
    try:
        return read(text, "yaml")
    except GuardrailsInvalid as invalid:
        raise StartRefused(
            f"{path} cannot be used: {invalid.message} Take the file that came with this release."
        ) from invalid


def _tasks(path: Path) -> Mapping[str, Any]:
    """Intents by the id of their task. Raises StartRefused."""
    try:
        said = read_mapping(path)
    except UnreadableYaml as error:
        raise StartRefused(str(error)) from error
    tasks = said.get("tasks")
    if said.keys() != {"version", "tasks"} or said["version"] != 1 or not isinstance(tasks, dict):
        raise StartRefused(f"{path} has `version: 1` and `tasks`, each with an intent.")
    for task, body in tasks.items():
        if not isinstance(body, dict) or body.keys() != {"intent"}:
            raise StartRefused(f"{path}: the task {task} has an intent, and nothing else.")
    return {task: body["intent"] for task, body in tasks.items()}


def _definition(task: str, intent: Any, document: Guardrails, path: Path) -> Definition:
    try:
        return defined(task_id(task), resolved(intent, document, {}), ())
    except Refusal as refusal:
        raise StartRefused(
            f"{path}: the task {task} does not compile: {refusal.message} Take the files that came "
            "with this release."
        ) from refusal
