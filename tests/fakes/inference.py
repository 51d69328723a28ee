"""A full, scripted `Inference`: what each model says, when it waits, how it fails."""

import asyncio
import struct
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from app.domain.actors import Actor
from app.domain.generation import (
    AnswerEvent,
    ChatPrompt,
    Delta,
    Finished,
    FinishReason,
    InferenceRequest,
    Prompt,
    TextPrompt,
)
from app.domain.refusals import InvalidRequest, ModelNotFound, TaskNotSupported
from app.domain.work import (
    Detokenize,
    Embed,
    Rerank,
    Scores,
    Text,
    Tokenize,
    Tokens,
    Vectors,
    Work,
    WorkResult,
)

Event = tuple[int, AnswerEvent]

MOST_DIMENSIONS = 4096


@dataclass(frozen=True)
class Say:
    """Text for one sequence, as one delta."""

    text: str
    index: int = 0


@dataclass(frozen=True)
class End:
    reason: FinishReason = FinishReason.STOP
    index: int = 0


@dataclass(frozen=True)
class Tell:
    """Any other piece of an answer."""

    event: AnswerEvent
    index: int = 0


@dataclass(frozen=True)
class Hold:
    """Wait until the test sets `gate`."""

    gate: asyncio.Event


Step = Say | End | Tell | Hold | Exception


@dataclass
class Script:
    """What a model does. `opening` comes before the request is accepted, `steps` after.

    Without steps every sequence repeats its own prompt, word by word.
    """

    opening: Sequence[Hold | Exception] = ()
    steps: Sequence[Step] | None = None
    digest: str = "ab" * 32


@dataclass
class FakeInference:
    """Implements `app.routers.inference_ports.Inference`; keeps what it was asked."""

    scripts: dict[str, Script] = field(default_factory=lambda: {"lab/echo": Script()})
    asked: list[tuple[Actor, InferenceRequest]] = field(default_factory=list)
    opened: list["FakeGeneration"] = field(default_factory=list)
    opening: asyncio.Event = field(default_factory=asyncio.Event)
    accepted: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled_opens: int = 0

    async def open(self, actor: Actor, request: InferenceRequest) -> "FakeGeneration":
        self.asked.append((actor, request))
        self.opening.set()
        script = self.scripts.get(request.model)
        if script is None:
            raise ModelNotFound(f"The model {request.model!r} does not exist.", param="model")
        try:
            for step in script.opening:
                await _wait_or_raise(step)
        except asyncio.CancelledError:
            self.cancelled_opens += 1
            raise
        generation = FakeGeneration(model_id=request.model, script=script, request=request)
        self.opened.append(generation)
        self.accepted.set()
        return generation


@dataclass
class FakeGeneration:
    model_id: str
    script: Script
    request: InferenceRequest
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    exhausted: asyncio.Event = field(default_factory=asyncio.Event)
    closes: int = 0
    cancelled: bool = False
    taken: int = 0

    @property
    def digest(self) -> str:
        return self.script.digest

    @property
    def prompt_tokens(self) -> list[int]:
        return [len(_words(sequence.prompt)) for sequence in self.request.sequences]

    async def events(self) -> AsyncIterator[Event]:
        counts = [0] * len(self.request.sequences)
        try:
            for step in self._steps():
                if isinstance(step, Say):
                    counts[step.index] += 1
                    self.taken += 1
                    yield step.index, Delta(step.text, 1)
                elif isinstance(step, Tell):
                    counts[step.index] += getattr(step.event, "tokens", 0)
                    yield step.index, step.event
                elif isinstance(step, End):
                    prompt = self.prompt_tokens[step.index]
                    yield step.index, Finished(step.reason, prompt, counts[step.index])
                else:
                    await _wait_or_raise(step)
            self.exhausted.set()
        except (asyncio.CancelledError, GeneratorExit):
            self.cancelled = True
            raise

    async def aclose(self) -> None:
        self.closes += 1
        self.closed.set()

    def _steps(self) -> list[Step]:
        if self.script.steps is not None:
            return list(self.script.steps)
        steps: list[Step] = []
        for index, sequence in enumerate(self.request.sequences):
            words = _words(sequence.prompt)
            limit = sequence.sampling.max_tokens or len(words)
            steps += [Say(word, index) for word in words[:limit]]
            reason = FinishReason.LENGTH if limit < len(words) else FinishReason.STOP
            steps.append(End(reason, index))
        return steps


async def _wait_or_raise(step: Hold | Exception) -> None:
    if isinstance(step, Hold):
        await step.gate.wait()
    else:
        raise step


def _words(prompt: Prompt) -> list[str]:
    if isinstance(prompt, ChatPrompt):
        text = str(prompt.messages[-1]["content"])
    elif isinstance(prompt, TextPrompt):
        text = prompt.text
    else:
        return [f"<{token}>" for token in prompt.tokens]
    return [word if i == 0 else f" {word}" for i, word in enumerate(text.split(" "))]


@dataclass(frozen=True)
class Done:
    model_id: str
    results: list[WorkResult]
    prompt_tokens: int


@dataclass
class FakeComputing:
    """Implements `app.routers.inference_ports.Computing`: words are tokens.

    Vectors are of up to 4096 numbers, as models' own are. Models are those of the scripts; one
    whose name begins with `chat/` gives no vectors.
    """

    inference: FakeInference
    asked: list[tuple[Actor, str, list[Work]]] = field(default_factory=list)

    async def compute(
        self, actor: Actor, request_id: str, model: str, works: Sequence[Work]
    ) -> Done:
        self.asked.append((actor, model, list(works)))
        if model not in self.inference.scripts:
            raise ModelNotFound(f"The model {model!r} does not exist.", param="model")
        results = [_worked(model, work) for work in works]
        read = sum(sum(r.prompt_tokens) for r in results if isinstance(r, Vectors | Scores))
        return Done(model, results, read)


def _worked(model: str, work: Work) -> WorkResult:
    match work:
        case Tokenize(prompt=prompt):
            words = _words(prompt)
            return Tokens(tuple(range(len(words))), tuple(word.encode() for word in words))
        case Detokenize(tokens=tokens):
            return Text(" ".join(map(str, tokens)))
        case _ if model.startswith("chat/"):
            raise TaskNotSupported("This model gives no embeddings.", param="model")
        case Embed(dimensions=int(dimensions)) if dimensions > MOST_DIMENSIONS:
            raise InvalidRequest(f"dimensions is more than {MOST_DIMENSIONS}.", param="dimensions")
        case Embed(inputs=inputs, dimensions=dimensions):
            counts = [len(_words(prompt)) for prompt in inputs]
            vectors = [struct.pack(f"<{dimensions or 4}f", 1, *[0] * ((dimensions or 4) - 1))]
            return Vectors(tuple(vectors * len(inputs)), tuple(counts))
        case Rerank(query=query, documents=documents):
            shared = [len(set(query.split()) & set(one.split())) for one in documents]
            scores = tuple(count / (count + 1) for count in shared)
            return Scores(scores, tuple(len(one.split()) for one in documents))
