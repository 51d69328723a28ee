"""What may be sent to /authority/guardrails. A field that is not named here is refused."""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Annotated, Any, Literal

from fastapi import Request
from pydantic import AfterValidator, Field, WithJsonSchema

from app.domain.refusals import InvalidRequest
from app.routers.authority.bodies import Reason, Strict
from app.routers.authority.free_text import without_secrets

MAX_DOCUMENT = 1 << 20
MAX_TASKS = 10_000
MAX_DAYS = 365
LARGEST = 2**31 - 1

TaskName = Annotated[str, Field(pattern="^[a-z][a-z0-9-]{0,63}$")]
Version = Annotated[int, Field(ge=1, le=LARGEST)]
Tasks = Annotated[list[TaskName], Field(min_length=1, max_length=MAX_TASKS)]


async def names_once(request: Request) -> None:
    """Refuse a body in which a name is given twice: one of both would be lost without a word."""
    content = await request.body()
    with suppress(ValueError, RecursionError):  # what is no JSON is refused as that
        json.loads(content, object_pairs_hook=_once)


def only(*allowed: str) -> Callable[[Request], None]:
    """Refuse parameters nobody knows: a filter that is misspelled would filter nothing."""

    def refuse_others(request: Request) -> None:
        names = [name for name, _ in request.query_params.multi_items()]
        for name in names:
            if name not in allowed or names.count(name) > 1:
                wrong = "is no parameter here" if name not in allowed else "is given twice"
                raise InvalidRequest(
                    f"{name[:60]}: {wrong}. Allowed, once each, are: {_names(allowed)}.",
                    param=name[:100],
                )

    return refuse_others


def _names(allowed: Sequence[str]) -> str:
    return ", ".join(allowed) or "none"


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise InvalidRequest(f"{name[:60]}: is given twice. Give it once.", param=name[:100])
        found[name] = value
    return found


def _words_or_structure(found: Any) -> Any:
    if not isinstance(found, str | dict):
        raise ValueError("is a text in plain words, or the structure that they stand for")
    return without_secrets(found) if isinstance(found, str) else found


Intent = Annotated[
    Any,
    AfterValidator(_words_or_structure),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object"}]}),
]
"""Plain words, or the structure that they stand for; what is wrong in it, the compiler says."""


class Text(Strict):
    """A document. `form` says whether it is YAML or Markdown with one fence of it."""

    text: Annotated[str, Field(max_length=MAX_DOCUMENT)]
    form: Literal["yaml", "markdown"] = "yaml"


class LoadText(Text):
    """`note`: why, for whoever reads the list of versions."""

    note: Reason = ""


class Compile(Strict):
    """`version`: the document to compile under; without it the active one."""

    intent: Intent
    version: Version | None = None
    id: TaskName | None = None


class Add(Strict):
    """`version`: which version of the task it is to be; 409 where that is something else."""

    id: TaskName
    intent: Intent
    version: Version | None = None
    reason: Reason = ""


class Why(Strict):
    """Why it is asked for, in the words of whoever asks."""

    reason: Reason = ""


class Rebind(Strict):
    """`version`: a document that was active once. Without `tasks`, all tasks it concerns."""

    version: Version
    tasks: Tasks | None = None
    reason: Reason = ""


class Recompile(Strict):
    """`days`: how much recorded history the impact is computed from."""

    version: Version | None = None
    tasks: Tasks | None = None
    days: Annotated[int, Field(ge=1, le=MAX_DAYS)] = 30


class Replay(Strict):
    """RFC 3339 or a date, UTC; `until` is excluded, a date's day included."""

    since: Annotated[str, Field(max_length=200)] | None = None
    until: Annotated[str, Field(max_length=200)] | None = None
    limit: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
