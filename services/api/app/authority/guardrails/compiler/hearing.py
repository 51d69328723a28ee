"""What the words of one clause say, from left to right, each by its kind. Pure."""

from dataclasses import dataclass, field, replace
from typing import Final

from app.authority.guardrails.compiler.comparing import (
    Comparison,
    by_more,
    compared,
    ranked,
    seconds_of,
)
from app.authority.guardrails.compiler.findings import echo, unclear
from app.authority.guardrails.compiler.lexicon import Said
from app.authority.guardrails.compiler.lookup import Lookup
from app.authority.guardrails.compiler.misheard import no_value, not_understood
from app.authority.guardrails.compiler.offering import phrase_for
from app.authority.guardrails.compiler.subject import LABELS, meanings_for
from app.authority.guardrails.compiler.valuing import values_of
from app.authority.guardrails.grammar import OVER, UNFINISHED, Kind, Meaning
from app.authority.guardrails.primitives import PRIMITIVES, WORDS, Primitive
from app.authority.guardrails.values import Scope, Value, ValueType

VALUES_FOLLOW: Final = (Kind.IS, Kind.IS_NOT, Kind.ONE_OF, Kind.NONE_OF)
_LISTED: Final = frozenset(
    {label for primitive in PRIMITIVES.values() for label in primitive.labels} | {"true", "false"}
)
WORDED: Final = frozenset({ValueType.STRING, ValueType.CATEGORICAL, ValueType.BOOLEAN})
_SILENT: Final = frozenset({Kind.WHEN})
_ONE: Final = frozenset({"a", "any"})
_MODELS: Final = frozenset({"model", "models"})


def is_value(said: Said) -> bool:
    """Whether it can stand in a list of values."""
    return said.kind in {Kind.QUOTED, Kind.UNKNOWN} or said.text in _LISTED


@dataclass(slots=True)
class Heard:
    """What a clause says, while it is read."""

    strategy: str | None = None
    comparison: Comparison | None = None
    values: Comparison | None = None
    window: int | None = None
    scope: Scope | None = None
    mapping: str | None = None
    term: str | None = None
    usual: str | None = None
    severity: list[str] = field(default_factory=list)
    negated: bool = False


class Hearing:
    """Reads one clause's parts from left to right, each by the method of its kind."""

    def __init__(self, part: list[Said], primitive: Primitive, lookup: Lookup) -> None:
        self._part = part
        self._primitive = primitive
        self._lookup = lookup
        self._document = lookup.document
        self._found = Heard()
        self._at = 0

    def heard(self) -> Heard:
        while self._at < len(self._part):
            said = self._part[self._at]
            self._at += 1
            for meaning in meanings_for(said, self._primitive, self._lookup):
                self._hear(said, meaning)
        return self._found

    def _hear(self, said: Said, meaning: Meaning) -> None:  # noqa: C901, PLR0912 - a table
        found = self._found
        match meaning.kind:
            case kind if kind in _SILENT:
                pass
            case Kind.FILLER:
                self._hear_filler(said)
            case Kind.EACH:
                self._each(said, Scope(meaning.name))
            case Kind.PRIMITIVE:
                self._hear_value_after(said)
            case Kind.IS | Kind.IS_NOT | Kind.ONE_OF | Kind.NONE_OF:
                self._hear_values(said, meaning.kind)
            case Kind.NOT:
                self._negate(said)
            case Kind.COMPARE:
                self._hear_number(said, meaning.name)
            case Kind.BY_MORE:
                self._compare(by_more(said, self._following()), said)
            case Kind.RANK:
                self._compare(ranked(said, meaning.name, self._following()), said)
            case Kind.WITHIN:
                self._once("window", seconds_of(said, self._following()), said)
            case Kind.LASTING:
                self._once("window", int(meaning.name), said)
            case Kind.USUAL:
                self._once("usual", meaning.name, said)
                self._direct(int(meaning.name))
            case Kind.SCOPE:
                self._once("scope", Scope(meaning.name), said)
            case Kind.STRATEGY:
                self._once("strategy", meaning.name, said)
            case Kind.MAPPING:
                self._hear_mapping(said)
            case Kind.TERM:
                self._once("term", said.text, said)
            case Kind.SEVERITY | Kind.URGENT:
                if said.text not in found.severity:
                    found.severity.append(said.text)
            case Kind.UNKNOWN if self._is_adjective(said):
                self._at -= 1
                self._hear_values(said, Kind.IS)
            case _:
                before = self._part[self._at - 2] if self._at > 1 else None
                after = self._following()
                around = (before, after)
                raise not_understood(said, meaning, around, self._primitive, self._lookup)

    def _once(self, name: str, value: object, said: Said) -> None:
        if getattr(self._found, name) is not None:
            raise unclear(
                f"Which {name} is meant? {echo(said.text)} is the second; join two conditions "
                "with and.",
                where=said.where,
            )
        setattr(self._found, name, value)

    def _hear_filler(self, said: Said) -> None:
        """`a model` says per model, where that is counted."""
        before = self._part[self._at - 2] if self._at > 1 else None
        if said.text == "model" and before is not None and before.text in _ONE:
            self._each(replace(said, text=f"{before.text} model"), Scope.MODEL)

    def _each(self, said: Said, scope: Scope) -> None:
        """One of many: counted for each, where it can be; what an act is about is of one anyway."""
        if scope in self._primitive.scopes:
            if self._found.scope is not scope:
                self._once("scope", scope, said)
        elif not self._primitive.about_subject:
            name = phrase_for(self._primitive.name, self._document)
            raise unclear(
                f"What does {echo(said.text)} say of {name}? That is one number for all, and not "
                f"counted per {'key' if scope is Scope.ACTOR else scope.value}.",
                where=said.where,
                choices=(name,),
            )

    def _hear_mapping(self, said: Said) -> None:
        """How to judge; one that ends as a comparator does has its number behind it."""
        self._is_of_what_is_watched(said)
        mapped = self._document.mappings[said.text]
        unfinished = any(said.text.endswith(f" {end}") for end in UNFINISHED)
        if not unfinished or mapped.strategy != "threshold" or mapped.direction is None:
            self._once("mapping", said.text, said)
            return
        number = self._following()
        self._compare(compared(said, mapped.direction, number, self._primitive), said)

    def _is_of_what_is_watched(self, said: Said) -> None:
        """Of large models, latency: the adjective is about their size, and judges no latency."""
        after = self._part[self._at].text if self._at < len(self._part) else ""
        if after not in _MODELS:
            return
        about = self._lookup.at("mappings", said.text, "primitive")
        if about is not None and about != self._primitive.name:
            raise unclear(
                f"What does {echo(f'{said.text} {after}')} say of "
                f"{phrase_for(self._primitive.name, self._document)}? It is about "
                f"{phrase_for(about, self._document)}: join two conditions with and.",
                where=said.where,
            )

    def _hear_value_after(self, said: Said) -> None:
        """`licence "mit"`, `from google`: a value right behind the name of what has it."""
        if self._primitive.type in WORDS:
            self._hear_values(said, Kind.IS)

    def _is_adjective(self, said: Said) -> bool:
        if self._found.values is not None or self._primitive.type not in WORDS:
            return False
        if LABELS.get(said.text) == self._primitive.name:
            return True
        return not self._primitive.labels and said.text in values_of(self._primitive, self._lookup)

    def _negate(self, said: Said) -> None:
        if self._found.negated:
            raise unclear("What is meant, without a double not?", where=said.where)
        self._found.negated = True

    def _following(self) -> Said | None:
        """The next part that is no filler, which is used up."""
        while self._at < len(self._part) and self._part[self._at].kind is Kind.FILLER:
            self._at += 1
        self._at += 1
        return self._part[self._at - 1] if self._at <= len(self._part) else None

    def _compare(self, comparison: Comparison, said: Said) -> None:
        self._once("comparison", comparison, said)
        if self._found.usual is not None:
            self._direct(int(self._found.usual))

    def _direct(self, place: int) -> None:
        """The side of the mean, said before or after the number of deviations."""
        comparison = self._found.comparison
        if comparison is not None and comparison.strategy == "z_score":
            self._found.comparison = comparison.towards(("above", "below", "any")[place])

    def _hear_number(self, said: Said, direction: str) -> None:
        number = self._following()
        quantity = number.quantity if number is not None else None
        if said.text == OVER and quantity is not None and quantity.kind == "time":
            if self._primitive.unit in {"days", "seconds"}:
                raise unclear(
                    f"Is {echo(f'over {quantity.said}')} a limit or a window?",
                    where=said.where,
                    choices=(f"above {quantity.said}", f"in the last {quantity.said}"),
                )
            self._once("window", seconds_of(said, number), said)
            return
        self._compare(compared(said, direction, number, self._primitive), said)

    def _hear_values(self, said: Said, kind: Kind) -> None:
        negate = kind in {Kind.IS_NOT, Kind.NONE_OF}
        start = self._at
        values: list[str] = []
        self._pass_fillers()
        while self._at < len(self._part) and self._is_value(self._part[self._at]):
            values.append(self._part[self._at].text)
            self._at += 1
        if values:
            shown = f"{said.text} {' or '.join(values)}"
            params: dict[str, Value] = {"values": tuple(values), "negate": negate}
            self._once("values", Comparison("equals", params, shown), said)
            return
        self._at = start
        if kind is Kind.IS_NOT:
            self._negate(said)
        elif kind is not Kind.IS:
            raise no_value(said, self._primitive, self._lookup)

    def _pass_fillers(self) -> None:
        while self._at < len(self._part) and self._part[self._at].kind is Kind.FILLER:
            self._at += 1

    def _is_value(self, said: Said) -> bool:
        if self._primitive.type not in WORDED:
            return False
        if said.kind is Kind.QUOTED:
            return True
        labels = (
            ("true", "false")
            if self._primitive.type is ValueType.BOOLEAN
            else self._primitive.labels
        )
        if said.text in labels:
            heard = meanings_for(said, self._primitive, self._lookup)
            others = [meaning for meaning in heard if meaning.kind is not Kind.UNKNOWN]
            if others:
                raise unclear(
                    f"Is {echo(said.text)} the value itself? Put it in quotes then.",
                    where=said.where,
                    choices=(f'"{said.text}"', *(each.kind.value for each in others)),
                )
            return True
        if said.kind is not Kind.UNKNOWN:
            return False
        if said.text not in values_of(self._primitive, self._lookup):
            raise no_value(said, self._primitive, self._lookup)
        return True
