"""Whether everything that a document names is there and goes together. Pure; all faults at once."""

from collections.abc import Callable, Iterator
from typing import Final

from app.authority.guardrails.document import limits, names, phrases
from app.authority.guardrails.document.context import Context
from app.authority.guardrails.document.problems import Fault

CHECKS: Final[tuple[Callable[[Context], Iterator[Fault]], ...]] = (
    names.strategies,
    names.compatibility,
    names.preferences,
    names.primitives,
    names.mappings,
    names.constraints,
    limits.parameters,
    limits.guides,
    limits.defaults,
    phrases.presence,
    phrases.phrases,
    phrases.texts,
)


def faults(context: Context) -> list[Fault]:
    """What is wrong with a document whose shape is right; one fault for each place and sentence."""
    return list(dict.fromkeys(fault for check in CHECKS for fault in check(context)))
