"""What accepting calls and hosting asks: the use cases beside it, which it may not import."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol

from app.domain.actors import Actor
from app.domain.generation import AnswerEvent, InferenceRequest
from app.domain.terms import UNCHANGED, Unchanged

Json = dict[str, Any]


class Execution(Protocol):
    """Loads and unloads for an actor. Raises Refusals."""

    async def load(
        self, actor: Actor, model_id: str, *, context: int | None, slots: int | None, pinned: bool
    ) -> Json: ...
    async def unload(self, actor: Actor, model_id: str) -> Json: ...


class Housekeeping(Protocol):
    """What people say of a model, and asks for what destroys. Raises Refusals."""

    async def pin(self, actor: Actor, model_id: str, *, pinned: bool) -> Json: ...
    async def put_alias(
        self, actor: Actor, model_id: str, alias: str, fallbacks: Sequence[str] = ()
    ) -> Json: ...
    async def set_terms(
        self,
        actor: Actor,
        model_id: str,
        *,
        context: int | Unchanged | None = UNCHANGED,
        slots: int | Unchanged | None = UNCHANGED,
        idle_s: int | Unchanged | None = UNCHANGED,
    ) -> Json:
        """What is not said stays."""

    async def delete(
        self, actor: Actor, model_id: str, *, drain: bool, reason: str, request_id: str | None
    ) -> Json:
        """The ask."""

    async def purge(
        self, actor: Actor, what: str, *, reason: str, request_id: str | None
    ) -> Json: ...


class Guarding(Protocol):
    async def add(
        self,
        actor: Actor,
        id: str,  # noqa: A002 - it is asked for by that name
        intent: str | Mapping[str, Any],
        *,
        reason: str = "",
        request_id: str | None = None,
    ) -> Json:
        """``{ask: None, task}`` where exactly that is bound already, else the ask."""


class Pulls(Protocol):
    async def plan(self, actor: Actor, repo: str, revision: str | None, name: str | None) -> Json:
        """What a pull would do, with the `commit` it is of. Asks the hub. Raises Refusals."""


class Answering(Protocol):
    """An answer under way."""

    def events(self) -> AsyncIterator[tuple[int, AnswerEvent]]: ...
    async def aclose(self) -> None: ...


class Inference(Protocol):
    async def open(self, actor: Actor, request: InferenceRequest) -> Answering:
        """Raises a Refusal before the first event."""
