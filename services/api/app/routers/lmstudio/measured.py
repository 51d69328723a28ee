"""An answer that is timed while it is made, with the facts of the model that made it."""

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace

from app.domain.actors import Actor
from app.domain.generation import AnswerEvent, Echoed, InferenceRequest
from app.routers.dependencies import Services
from app.routers.inference_ports import Generation
from app.routers.lmstudio.described import Model, known, named

_AT_ONCE_S = 0.001
"""Tokens that came within so short a time came in one piece: it tells no speed."""


@dataclass(slots=True)
class Pace:
    """When an answer's parts came, in seconds since its prompt was accepted.

    `load_s`: how long that took, where the model had to be loaded first.
    """

    load_s: float | None = None
    began: float = field(default_factory=time.monotonic)
    first_s: float | None = None
    last_s: float = 0.0

    def note(self, event: AnswerEvent) -> None:
        self.last_s = time.monotonic() - self.began
        if self.first_s is None and not isinstance(event, Echoed):
            self.first_s = self.last_s

    @property
    def time_to_first_token_s(self) -> float:
        return self.last_s if self.first_s is None else self.first_s

    def tokens_per_second(self, tokens: int) -> float:
        """Of the tokens after the prompt was read, as LM Studio counts them."""
        spent = self.last_s - self.time_to_first_token_s
        spent = self.last_s if spent < _AT_ONCE_S else spent
        return tokens / spent if spent else 0.0


class Measured:
    """A generation with its pace and its model. Implements `Generation`."""

    def __init__(self, generation: Generation, model: Model, pace: Pace) -> None:
        self._generation = generation
        self.model = model
        self.pace = pace

    @property
    def model_id(self) -> str:
        return self._generation.model_id

    @property
    def digest(self) -> str:
        return self._generation.digest

    @property
    def prompt_tokens(self) -> Sequence[int]:
        return self._generation.prompt_tokens

    async def events(self) -> AsyncIterator[tuple[int, AnswerEvent]]:
        async for index, event in self._generation.events():
            self.pace.note(event)
            yield index, event

    async def aclose(self) -> None:
        await self._generation.aclose()


@dataclass(frozen=True, slots=True)
class _Measuring:
    """`Inference` whose generations are timed."""

    services: Services

    async def open(self, actor: Actor, request: InferenceRequest) -> Measured:
        reading, asked = self.services.reading, time.monotonic()
        before = named(await reading.described_models(actor), request.model)
        generation = await self.services.inference.open(actor, request)
        pace = Pace()
        if before is not None and not before["loaded"]:
            pace.load_s = pace.began - asked
        try:
            models = await reading.described_models(actor)
            return Measured(generation, known(models, generation.model_id), pace)
        except BaseException:
            await generation.aclose()
            raise


def measuring(services: Services) -> Services:
    return replace(services, inference=_Measuring(services))


def measured(generation: Generation) -> Measured:
    """What `measuring` services opened."""
    if not isinstance(generation, Measured):
        raise TypeError("this generation is not measured")
    return generation
