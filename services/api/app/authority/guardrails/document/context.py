"""What the checks of a document look things up in. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.authority.guardrails.document.model import Document, StrategySetting
from app.authority.guardrails.document.problems import Fault, Path, instead
from app.authority.guardrails.primitives import Primitive
from app.authority.guardrails.strategies.base import Signature, Strategy
from app.authority.guardrails.values import ValueType

WINDOW = "window"
DIRECTION = "direction"
UNUSED = StrategySetting(enabled=False)
"""A strategy that a document does not list is not used."""


@dataclass(frozen=True, slots=True)
class Context:
    """A document whose shape is right, and the registries that it may name things of."""

    document: Document
    strategies: Mapping[str, Strategy]
    primitives: Mapping[str, Primitive]

    def signature(self, strategy: str) -> Signature | None:
        found = self.strategies.get(strategy)
        return found.signature if found else None

    def is_enabled(self, strategy: str) -> bool:
        return self.document.strategies.get(strategy, UNUSED).enabled

    def takes(self, strategy: str, kind: ValueType) -> bool:
        """Whether the code and the document both let a strategy look at values of a type."""
        signature = self.signature(strategy)
        allowed = self.document.type_compatibility.get(kind.value, ())
        return signature is not None and kind in signature.input_types and strategy in allowed

    def unknown(self, path: Path, strategy: str) -> Iterator[Fault]:
        if strategy not in self.strategies:
            known = instead(strategy, list(self.strategies))
            yield Fault(path, f"There is no strategy {strategy}: {known}")

    def unusable(self, path: Path, strategy: str) -> Iterator[Fault]:
        """Why a strategy cannot be what something leads to."""
        yield from self.unknown(path, strategy)
        if strategy in self.strategies and not self.is_enabled(strategy):
            yield Fault(
                path, f"{strategy} is not enabled: enable it under strategies, or name another one."
            )
        elif strategy in self.strategies and self._is_of_decisions(strategy):
            yield Fault(path, f"{strategy} puts conditions together: name one for a single number.")

    def unfit(self, path: Path, strategy: str, kind: ValueType) -> Iterator[Fault]:
        """Why a strategy cannot look at values of a type."""
        yield from self.unknown(path, strategy)
        if strategy in self.strategies and not self.takes(strategy, kind):
            fit = [name for name in self.strategies if self.takes(name, kind)]
            choices = f"choose {' or '.join(sorted(fit))}" if fit else "type_compatibility has none"
            yield Fault(path, f"{strategy} does not go with {kind.value}: {choices}.")

    def _is_of_decisions(self, strategy: str) -> bool:
        return self.strategies[strategy].signature.input_types == {ValueType.DECISION}
