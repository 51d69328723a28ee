"""The only place where an advisor's question reaches a model: as a client's would, and metered.

An advisor has no socket; whoever runs it asks for it. It never causes a load: a model is asked only
while it is in memory, and where it is not, there is no answer and the advisor is told why.
"""

import asyncio
import json
import secrets
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final, cast

from app.authority.advice.ports import Inference
from app.authority.lifecycle.serving import Serving
from app.authority.lifecycle.transitions import State
from app.authority.policy.routing import Routing
from app.domain.actors import Actor, Role
from app.domain.advice.frames import Answer, Question
from app.domain.generation import (
    ChatPrompt,
    Constraint,
    Delta,
    Form,
    InferenceRequest,
    Sampling,
    Sequence,
)
from app.domain.refusals import ModelNotFound, Refusal

QUESTIONS: Final = 3
"""Of one run."""
MAX_TOKENS: Final = 2_000
MAX_PROMPT: Final = 64_000
"""Characters."""
MAX_SCHEMA: Final = 32_000
"""Characters, as JSON."""
ANSWER_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Models:
    """What questions are put to. `name`: the alias or id that the settings give; None: nothing."""

    name: str | None
    inference: Inference
    serving: Serving
    routing: Routing
    answer_s: float = ANSWER_S

    def ready(self, models: set[str]) -> str | None:
        """The first model under that name that is in memory now."""
        if self.name is None:
            return None
        try:
            route = self.routing.resolve(self.name, models)
        except ModelNotFound:
            return None
        state = self.serving.residency.state
        candidates = (route.model_id, *route.fallbacks)
        return next((model for model in candidates if state(model) is State.READY), None)


class Asking:
    """The questions of one run of one advisor."""

    def __init__(self, models: Models, advisor: str, known: set[str]) -> None:
        self._models = models
        self._actor = Actor(f"advisor:{advisor}", advisor, frozenset({Role.CLIENT}))
        self._known = known
        self._asked = 0
        self.unanswered: list[str] = []
        """Why, of each question that got no answer."""

    async def answer(self, question: Question) -> Answer:
        """The model's text, or why there is none. Raises nothing on purpose."""
        answer = await self._answer(question)
        if answer.text is None and len(self.unanswered) < QUESTIONS:
            self.unanswered.append(answer.why)
        return answer

    async def _answer(self, question: Question) -> Answer:
        self._asked += 1
        if why := _too_much(question, self._asked):
            return Answer(None, why)
        model = self._models.ready(self._known)
        if model is None:
            return Answer(None, self._none_ready())
        try:
            # Nothing is awaited between the look at the state and the lease of the engine.
            async with asyncio.timeout(self._models.answer_s):
                return Answer(await self._text(model, question))
        except TimeoutError:
            return Answer(None, f"{model} did not answer within {self._models.answer_s:g} s")
        except Refusal as refusal:
            return Answer(None, refusal.message)

    async def _text(self, model: str, question: Question) -> str:
        answering = await self._models.inference.open(self._actor, _request(model, question))
        events = cast("AsyncGenerator[tuple[int, Any], None]", answering.events())
        async with aclosing(events):
            said = [event.text async for _, event in events if isinstance(event, Delta)]
        return "".join(said)

    def _none_ready(self) -> str:
        name = self._models.name
        if name is None:
            return (
                "the settings name no model for advice: set advice.llm_model in config.yaml, and "
                "restart"
            )
        return f"no model called {name} is in memory, and advice loads none: lmx models load {name}"


def _request(model: str, question: Question) -> InferenceRequest:
    request_id = secrets.token_hex(16)
    prompt = ChatPrompt(({"role": "user", "content": question.prompt},))
    sampling = Sampling(
        temperature=0.0,
        max_tokens=question.max_tokens,
        constraint=Constraint(Form.SCHEMA, dict(question.schema)),
    )
    return InferenceRequest(request_id, model, (Sequence(request_id, prompt, sampling),))


def _too_much(question: Question, asked: int) -> str:
    """Why it is not asked at all; empty where it is."""
    if asked > QUESTIONS:
        return f"a run may ask {QUESTIONS} questions, and this is one more"
    if not 1 <= question.max_tokens <= MAX_TOKENS:
        return f"an answer has 1 to {MAX_TOKENS} tokens, not {question.max_tokens}"
    if len(question.prompt) > MAX_PROMPT:
        return f"a question has at most {MAX_PROMPT} characters, not {len(question.prompt)}"
    try:
        size = len(json.dumps(dict(question.schema), allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        return "the schema is not plain JSON"
    return f"a schema has at most {MAX_SCHEMA} characters, not {size}" if size > MAX_SCHEMA else ""
