"""What the words of one clause say, from left to right, each by its kind. Pure."""

from dataclasses import dataclass, field
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
from app.authority.guardrails.compiler.nearby import like
from app.authority.guardrails.compiler.subject import meanings_for
from app.authority.guardrails.document.model import Document
from app.authority.guardrails.grammar import OVER, Kind, Meaning
from app.authority.guardrails.primitives import PRIMITIVES, Primitive
from app.authority.guardrails.values import Scope, Value, ValueType

VALUES_FOLLOW: Final = (Kind.IS, Kind.IS_NOT, Kind.ONE_OF, Kind.NONE_OF)
_LISTED: Final = frozenset(
    {label for primitive in PRIMITIVES.values() for label in primitive.labels} | {"true", "false"}
)
WORDED: Final = frozenset({ValueType.STRING, ValueType.CATEGORICAL, ValueType.BOOLEAN})
_SILENT: Final = frozenset({Kind.FILLER, Kind.WHEN, Kind.PRIMITIVE})


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

    def __init__(self, part: list[Said], primitive: Primitive, document: Document) -> None:
        self._part = part
        self._primitive = primitive
        self._document = document
        self._found = Heard()
        self._at = 0

    def heard(self) -> Heard:
        while self._at < len(self._part):
            said = self._part[self._at]
            self._at += 1
            for meaning in meanings_for(said, self._primitive):
                self._hear(said, meaning)
        return self._found

    def _hear(self, said: Said, meaning: Meaning) -> None:  # noqa: C901, PLR0912 - a table
        found = self._found
        match meaning.kind:
            case kind if kind in _SILENT:
                pass
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
                self._once("mapping", said.text, said)
            case Kind.TERM:
                self._once("term", said.text, said)
            case Kind.SEVERITY | Kind.URGENT:
                if said.text not in found.severity:
                    found.severity.append(said.text)
            case _:
                raise self._not_understood(said, meaning)

    def _once(self, name: str, value: object, said: Said) -> None:
        if getattr(self._found, name) is not None:
            raise unclear(
                f"Which {name} is meant? {echo(said.text)} is the second; join two conditions "
                "with and.",
                where=said.where,
            )
        setattr(self._found, name, value)

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
            raise self._no_value(said)

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
            others = [m for m in meanings_for(said, self._primitive) if m.kind is not Kind.UNKNOWN]
            if others:
                raise unclear(
                    f"Is {echo(said.text)} the value itself? Put it in quotes then.",
                    where=said.where,
                    choices=(f'"{said.text}"', *(each.kind.value for each in others)),
                )
            return True
        if said.kind is Kind.UNKNOWN:
            raise self._no_value(said)
        return False

    def _no_value(self, said: Said) -> Exception:
        name = words_for(self._primitive, self._document)
        guide = self._document.primitives[self._primitive.name]
        quoted = f'"{said.text}"' if said.kind is Kind.UNKNOWN else '"..."'
        choices = [*self._primitive.labels, *sorted(guide.terms)]
        return unclear(
            f"Which values of {name} are meant? {echo(said.text)} is none of the known ones; what "
            "is meant letter by letter stands in quotes.",
            where=said.where,
            choices=choices if self._primitive.labels else [quoted, *choices],
        )

    def _not_understood(self, said: Said, meaning: Meaning) -> Exception:
        match meaning.kind:
            case Kind.NOT_STRICT:
                question = "All comparisons are strict: above or below which number?"
                return unclear(question, where=said.where, choices=("above 10", "below 10"))
            case Kind.ACTION | Kind.POINT:
                question = f"What does {echo(said.text)} say here? Actions and acts come first."
                return unclear(question, where=said.where)
            case Kind.QUANTITY | Kind.QUOTED:
                question = f"What about {echo(said.text)}? Say how it is compared."
                return unclear(question, where=said.where, choices=("above", "below", "is"))
            case _:
                known = [
                    word for guide in self._document.primitives.values() for word in guide.words
                ]
                known += [*self._document.mappings, *self._primitive.labels]
                known += [
                    word for words in self._document.severity.words.values() for word in words
                ]
                known += self._document.primitives[self._primitive.name].terms
                return unclear(
                    f"What does {echo(said.text)} mean? It is not in the vocabulary.",
                    where=said.where,
                    choices=like(said.text, known),
                )


def words_for(primitive: Primitive, document: Document) -> str:
    return document.primitives[primitive.name].words[0]
