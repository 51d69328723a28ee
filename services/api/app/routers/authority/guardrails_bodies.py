"""What may be sent to /authority/guardrails. A field that is not named here is refused."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from app.routers.authority.bodies import Reason, Strict

MAX_DOCUMENT = 1 << 20
MAX_TASKS = 10_000
MAX_DAYS = 365
LARGEST = 2**31 - 1

TaskName = Annotated[str, Field(pattern="^[a-z][a-z0-9-]{0,63}$")]
Version = Annotated[int, Field(ge=1, le=LARGEST)]
Tasks = Annotated[list[TaskName], Field(min_length=1, max_length=MAX_TASKS)]


def _words_or_structure(found: Any) -> Any:
    if not isinstance(found, str | dict):
        raise ValueError("is a text in plain words, or the structure that they stand for")
    return found


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

    note: Annotated[str, Field(max_length=500)] = ""


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
