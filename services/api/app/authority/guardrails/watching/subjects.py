"""What an act is about, as guardrails look at it: one table, a line for each primitive.

A load, a deletion and a repair are about a model that the catalogue knows; a pull is about files
that its plan lists, and before the hub is asked about a name alone; what frees bytes says so in its
plan. What nobody knows is None, never a guess.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any, Final

from app.authority import feasibility
from app.authority.catalog import Catalog
from app.authority.catalog.known import BUNDLED
from app.authority.guardrails.values import Point, Scalar
from app.authority.policy.decisions import Question
from app.authority.policy.hard import REPAIR, on_demand
from app.authority.ports import MemoryProbe
from app.domain.models import CatalogModel
from app.domain.refusals import ModelNotFound
from app.domain.shapes import Format, ModelShape
from app.domain.terms import UsualTerms

DAY_US: Final = 86_400_000_000
_FORMATS: Final = {Format.MLX: "safetensors", Format.GGUF: "gguf"}
_ENDINGS: Final = (("gguf", ".gguf"), ("safetensors", ".safetensors"))


@dataclass(frozen=True, slots=True)
class Terms:
    """What a load is given where it says nothing, and what a worker takes before it loads."""

    usual: Callable[[CatalogModel], UsualTerms]
    worker_base_bytes: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Models:
    """Where facts about models come from."""

    catalog: Catalog
    probe: MemoryProbe
    terms: Terms
    _shapes: dict[str, ModelShape] = field(default_factory=dict, init=False, repr=False)
    """By digest: what a model is made of never changes."""

    def shape(self, model: CatalogModel) -> ModelShape:
        found = self._shapes.get(model.digest)
        if found is None:
            found = self._shapes[model.digest] = self.catalog.shape(model.id)
        return found


@dataclass(frozen=True)
class Subject:
    """One question, with what was looked up for it: each thing once."""

    question: Question
    point: Point
    at_us: int
    models: Models

    @property
    def is_planned(self) -> bool:
        """Whether it is about what a plan says, and not about what is here."""
        return self.point is Point.PULL and self.question.act != REPAIR

    def planned(self, name: str) -> str | None:
        """A text of the plan; None where it says nothing, or there is none yet."""
        found = self.question.about.get(name)
        return found if isinstance(found, str) else None

    @cached_property
    def model(self) -> CatalogModel | None:
        """What the catalogue says; None for a model that it does not know (any more)."""
        if self.is_planned:
            return None
        try:
            return self.models.catalog.get(self.question.subject)
        except ModelNotFound:
            return None

    @cached_property
    def shape(self) -> ModelShape | None:
        return None if self.model is None else self.models.shape(self.model)

    @cached_property
    def files(self) -> Sequence[Mapping[str, Any]]:
        """What a pull would fetch."""
        return tuple(self.question.about.get("files", ())) if self.is_planned else ()

    @cached_property
    def memory_bytes(self) -> int | None:
        if self.model is None or self.shape is None:
            return None
        terms = self.models.terms
        usual = terms.usual(self.model)
        need = feasibility.need(
            self.shape,
            context=self.term("context", usual.context),
            slots=self.term("slots", usual.slots),
            worker_base_bytes=terms.worker_base_bytes(),
        )
        return need.total_bytes

    def term(self, name: str, usual: int) -> int:
        """A term of a load: what was asked for, or what the plan of the ask says."""
        for said in (self.question.facts, self.question.about):
            if isinstance(said.get(name), int):
                return int(said[name])
        return usual


def _size(about: Subject) -> int | None:
    if about.is_planned:
        return sum(int(file["size"]) for file in about.files) if about.files else None
    return None if about.model is None else about.model.size_bytes


def _share(about: Subject) -> float | None:
    need = about.memory_bytes
    return None if need is None else need / about.models.probe.read().total_bytes


def _format(about: Subject) -> str | None:
    if not about.is_planned:
        return None if about.shape is None else _FORMATS[about.shape.format]
    if not about.files:
        return None
    endings = {PurePosixPath(str(file["path"])).suffix.lower() for file in about.files}
    return next((name for name, ending in _ENDINGS if ending in endings), "other")


def _quantization(about: Subject) -> str | None:
    """Of a pull it is known once its headers were read; what is not quantised is `none`."""
    if about.is_planned:
        return about.planned("quantization")
    return None if about.shape is None else about.shape.quantized_as


def _publisher(about: Subject) -> str | None:
    """Of a pull, the hub's: it reads names without regard to case, and so does this."""
    whole = about.question.subject
    if about.point is Point.PULL:
        said = about.planned("repo") or about.question.facts.get("repo")
        whole = said if isinstance(said, str) else ""
    return whole.partition("/")[0].lower() or None


def _source(about: Subject) -> str | None:
    model, catalog = about.model, about.models.catalog
    if model is None:
        return None
    if model.source == BUNDLED:
        return "shipped"
    if catalog.origin(model.id)["repo"] is not None:
        return "hub"
    return "adopted" if catalog.is_adopted(model.id) else "imported"


def _days(about: Subject) -> float | None:
    if about.model is None:
        return None
    verified_us = about.models.catalog.verified_us(about.model.id)
    return None if verified_us is None else max(0, about.at_us - verified_us) / DAY_US


def _freed(about: Subject) -> int | None:
    found = about.question.about.get("bytes_freed")
    return found if isinstance(found, int) else None


def _irreversible(about: Subject) -> bool | None:
    found = about.question.facts.get("irreversible")
    return found if isinstance(found, bool) else None


def _licence(about: Subject) -> str | None:
    """What the model's author says, as it was normalised when it was read."""
    if about.is_planned:
        return about.planned("licence")
    return None if about.model is None else about.model.licence or None


ABOUT: Final[Mapping[str, Callable[[Subject], Scalar | None]]] = {
    "model_size": _size,
    "model_memory": lambda about: about.memory_bytes,
    "model_memory_share": _share,
    "model_format": _format,
    "model_licence": _licence,
    "model_quantization": _quantization,
    "model_publisher": _publisher,
    "model_source": _source,
    "model_trust": lambda about: None if about.model is None else str(about.model.trust),
    "days_since_verified": _days,
    "on_demand": lambda about: on_demand(about.question),
    "bytes_freed": _freed,
    "irreversible": _irreversible,
    "actor": lambda about: about.question.actor.id,
}
"""How each primitive that is about an act's subject is read."""
