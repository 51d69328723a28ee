"""From an intent with a name to the definition that it would be: the next one, or one there is."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.authority.guardrails.changing import Changing
from app.authority.guardrails.compiler.resolve import resolve
from app.authority.guardrails.compiler.structured import intent_of
from app.authority.guardrails.document.model import Guardrails
from app.authority.guardrails.ir import define
from app.authority.guardrails.recompiling import Known, defined
from app.authority.guardrails.standing import Now
from app.authority.guardrails.values import Definition, Resolution
from app.domain.refusals import GuardrailsConflict, InvalidRequest

_ID: Final = re.compile(r"[a-z][a-z0-9-]{0,63}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """`intent`: in words, or a structure. `version`: which definition of the task this is to be;
    None: the next."""

    id: str
    intent: str | Mapping[str, Any]
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Added:
    """`bound`: exactly this decides already, in the state that `now` is."""

    now: Now
    definition: Definition
    bound: bool


def wanted(id: object, intent: object, version: object = None) -> Wanted:  # noqa: A002
    """Raises InvalidRequest for what is no id, no version or no intent."""
    if version is not None and (type(version) is not int or version < 1):
        raise InvalidRequest("A definition's version is a number of 1 or more.", param="version")
    return Wanted(task_id(id), given(intent), version)


def task_id(id: object, param: str = "id") -> str:  # noqa: A002
    if not isinstance(id, str) or not _ID.fullmatch(id):
        raise InvalidRequest(
            "A task's id begins with a small letter and has up to 64 of a-z, 0-9 and -.",
            param=param,
        )
    return id


def given(intent: object) -> str | Mapping[str, Any]:
    """An intent in words, or as a structure. Raises InvalidRequest for anything else."""
    if (isinstance(intent, str) and intent.strip()) or isinstance(intent, Mapping):
        return intent
    raise InvalidRequest(
        'Say what is to be done and when, as "Alert when latency is above 3 s", or give a '
        'structure: {"action", "points", "when"}.',
        param="intent",
    )


def resolved(intent: str | Mapping[str, Any], guardrails: Guardrails, known: Known) -> Resolution:
    """What it means under a document. Raises IntentUnclear, GuardrailViolated."""
    said = intent if isinstance(intent, str) else intent_of(intent, guardrails)
    return resolve(said, guardrails, known)


def added(changing: Changing, asked: Wanted) -> Added:
    """The definition that it would be, under the active document; nothing is kept.

    Raises IntentUnclear, GuardrailViolated; GuardrailsConflict where that version is another one.
    """
    now = changing.standing.current()
    resolution = resolved(asked.intent, now.guardrails, changing.standing.known())
    earlier = changing.earlier(asked.id)
    definition = _definition(asked, resolution, earlier)
    decides = now.definitions.get(asked.id)
    return Added(now, definition, decides is not None and decides.version == definition.version)


def _definition(asked: Wanted, resolution: Resolution, earlier: list[Definition]) -> Definition:
    if asked.version is None:
        return defined(asked.id, resolution, earlier)
    again = define(asked.id, asked.version, resolution)
    following = max((one.version for one in earlier), default=0) + 1
    for one in earlier:
        if one.version == asked.version:
            if _hashes(one) != _hashes(again):
                raise _conflict(one, again, following)
            return one
    if asked.version != following:
        raise InvalidRequest(
            f"The next version of {asked.id} is {following}. Leave the version out to get it.",
            param="version",
        )
    return again


def _conflict(stored: Definition, submitted: Definition, following: int) -> GuardrailsConflict:
    return GuardrailsConflict(
        f"{stored.id}@{stored.version} is something else already: its ir_hash is "
        f"{stored.ir_hash} and its binding_hash {stored.binding_hash}; this intent has "
        f"{submitted.ir_hash} and {submitted.binding_hash}. Leave the version out: then it becomes "
        f"version {following}.",
        param="version",
        details={
            "id": stored.id,
            "version": stored.version,
            "stored": _hashes(stored),
            "submitted": _hashes(submitted),
        },
    )


def _hashes(definition: Definition) -> dict[str, Any]:
    return {"ir_hash": definition.ir_hash, "binding_hash": definition.binding_hash}
