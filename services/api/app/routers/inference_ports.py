"""What routes that ask a model are given, as types."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Protocol

from app.domain.actors import Actor
from app.domain.generation import AnswerEvent, InferenceRequest
from app.domain.work import Work, WorkResult


class Generation(Protocol):
    """An accepted request: every sequence has started."""

    @property
    def model_id(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def prompt_tokens(self) -> Sequence[int]: ...
    def events(self) -> AsyncIterator[tuple[int, AnswerEvent]]: ...
    async def aclose(self) -> None: ...


class Inference(Protocol):
    async def open(self, actor: Actor, request: InferenceRequest) -> Generation: ...


class WorkDone(Protocol):
    """What a model made of each piece of work, in the order asked."""

    @property
    def model_id(self) -> str: ...
    @property
    def results(self) -> Sequence[WorkResult]: ...
    @property
    def prompt_tokens(self) -> int: ...


class Computing(Protocol):
    """What a model is asked besides generating."""

    async def compute(
        self, actor: Actor, request_id: str, model: str, works: Sequence[Work]
    ) -> WorkDone: ...


class KeptResponse(Protocol):
    @property
    def body(self) -> Mapping[str, Any]: ...
    @property
    def input(self) -> Sequence[Mapping[str, Any]]: ...
    @property
    def messages(self) -> Sequence[Mapping[str, Any]]: ...


class Responses(Protocol):
    """Responses that are kept for some keys, each for its own key alone."""

    def keeps_for(self, actor: Actor) -> bool: ...
    def keep(
        self,
        actor: Actor,
        response_id: str,
        body: Mapping[str, Any],
        sent: Sequence[Mapping[str, Any]],
        messages: Sequence[Mapping[str, Any]],
    ) -> None: ...
    def get(self, actor: Actor, response_id: str) -> KeptResponse: ...
    def delete(self, actor: Actor, response_id: str) -> None: ...
