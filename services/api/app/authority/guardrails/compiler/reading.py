"""A text as an intent: an action, points, and what it is about, word by word. Pure.

    ACTION [POINT [or POINT]] when CONDITION [and CONDITION | or CONDITION] [unless CONDITION]

Nothing is guessed and no word is passed over: what is not understood is asked about.
"""

from typing import Final

from app.authority.guardrails.compiler.clauses import Head, clause_of
from app.authority.guardrails.compiler.findings import echo, unclear
from app.authority.guardrails.compiler.hearing import VALUES_FOLLOW, is_value
from app.authority.guardrails.compiler.lexicon import Said, lexicon_of
from app.authority.guardrails.compiler.lookup import Lookup
from app.authority.guardrails.compiler.nearby import like
from app.authority.guardrails.compiler.offering import fitting
from app.authority.guardrails.compiler.subject import Before
from app.authority.guardrails.compiler.words import words_of
from app.authority.guardrails.document.model import Guardrails
from app.authority.guardrails.grammar import Kind
from app.authority.guardrails.primitives import PRIMITIVES, WORDS
from app.authority.guardrails.values import (
    Action,
    Combined,
    Expression,
    Intent,
    Operator,
    Point,
)

DEEPEST: Final = 8
_SKIPPED: Final = (Kind.FILLER, Kind.WHEN, Kind.COMMA)
_JOINS: Final = {Kind.AND: Operator.AND, Kind.OR: Operator.OR}
_ALLOWING: Final = frozenset({"allow", "permit", "only", "let", "accept"})
_ONE_MODEL: Final = (["a", "model"], ["any", "model"])
_WHOSE: Final = frozenset({"whose", "that", "which", "with"})
_ENDS: Final = (Kind.AND, Kind.OR, Kind.UNLESS, Kind.CLOSE)


def read(text: str, guardrails: Guardrails, lookup: Lookup | None = None) -> Intent:
    """What `text` says; `points` is empty where it names none. `lookup` records what was read of
    the document besides its phrases.

    Raises:
        IntentUnclear: something is left open, or a word is not known.
    """
    said = lexicon_of(guardrails).split(words_of(text))
    sentence = _Sentence(said, lookup or Lookup(guardrails.document))
    action = sentence.action()
    points = sentence.points()
    when = sentence.condition(0)
    sentence.must_end()
    return Intent(text=text, action=action, points=points, when=when)


class _Sentence:
    """Reads from left to right; `_at` is what comes next."""

    def __init__(self, said: tuple[Said, ...], lookup: Lookup) -> None:
        self._said = said
        self._lookup = lookup
        self._document = lookup.document
        self._at = 0
        self._urgent: tuple[str, ...] = ()
        self._before: Before | None = None
        self._points: tuple[Point, ...] = ()
        self._of_one: tuple[Said, ...] = ()

    # --- the head ---------------------------------------------------------------------------

    def action(self) -> Action:
        self._skip(Kind.FILLER, Kind.URGENT)
        found = self._next()
        if found is not None and found.text in _ALLOWING:
            raise _only_tightens(found)
        if found is None or not found.has(Kind.ACTION):
            heard = f", and {echo(found.text)} is none" if found is not None else ""
            raise unclear(
                f"What is to be done? An intent begins with an action{heard}.",
                where=found.where if found is not None else "the whole text",
                choices=self._actions(found),
            )
        self._only(found, Kind.ACTION)
        self._at += 1
        return Action(found.meanings[0].name)

    def _actions(self, found: Said | None) -> list[str]:
        """What is near to what was said first, then each action by its first word."""
        known = [said.words for _, said in sorted(self._document.actions.items())]
        near = like(found.text, (word for words in known for word in words)) if found else []
        return [*near, *(words[0] for words in known)]

    def points(self) -> tuple[Point, ...]:
        """Before which acts: in one order, whatever the order they are said in."""
        found: set[Point] = set()
        start = self._at
        self._skip(Kind.FILLER, Kind.URGENT, Kind.WHEN, Kind.EVERY)
        if (first := self._next()) is None or not first.has(Kind.POINT):
            self._at = start
            self._skip(Kind.FILLER, Kind.URGENT)
        while (said := self._next()) is not None and said.has(Kind.POINT):
            self._only(said, Kind.POINT)
            found.add(Point(said.meanings[0].name))
            self._at += 1
            if not self._another_point():
                break
        self._skip(Kind.FILLER, Kind.URGENT, *([Kind.EVERY] if found else []))
        self._of_one = self._one_whose()
        self._points = tuple(point for point in Point if point in found)
        return self._points

    def _one_whose(self) -> tuple[Said, ...]:
        """`a model whose`: what follows is said of that one."""
        said = self._next()
        whose = said is not None and said.text in _WHOSE
        one = whose and self._one_model_before(self._at)
        return self._said[self._at - 2 : self._at] if one else ()

    def _another_point(self) -> bool:
        """Whether `or`, `and` or a comma leads to another point; it is passed over then."""
        start = self._at
        self._skip(Kind.FILLER, Kind.COMMA, Kind.EVERY)
        if (said := self._next()) is not None and said.has(Kind.AND, Kind.OR):
            self._at += 1
        self._skip(Kind.FILLER)
        if (said := self._next()) is not None and said.has(Kind.POINT):
            return True
        self._at = start
        return False

    # --- the condition ----------------------------------------------------------------------

    def condition(self, depth: int) -> Expression:
        """Operands that are all joined by `and` or all by `or`, and at most one exception."""
        if depth > DEEPEST:
            raise unclear("What is meant, with fewer parentheses?", where=self._where())
        self._skip(*_SKIPPED)
        if self._take(Kind.UNLESS):
            return self._exception(depth)
        operands = [self._operand(depth)]
        joined: set[Operator] = set()
        while (said := self._next()) is not None and said.kind in _JOINS:
            joined.add(_JOINS[said.kind])
            if len(joined) > 1:
                raise _mixed(said)
            self._at += 1
            operands.append(self._operand(depth))
        operator = joined.pop() if joined else None
        at = self._next()
        if at is not None and self._take(Kind.UNLESS):
            if operator is Operator.OR:
                raise _mixed(at)
            operands.append(self._exception(depth))
            operator = Operator.AND
        return operands[0] if operator is None else Combined(operator, tuple(operands))

    def _exception(self, depth: int) -> Combined:
        found = Combined(Operator.NOT, (self._operand(depth),))
        if (said := self._next()) is not None and said.has(Kind.AND, Kind.OR, Kind.UNLESS):
            raise _mixed(said)
        return found

    def _operand(self, depth: int) -> Expression:
        self._skip(*_SKIPPED)
        start = self._at
        negated = self._take(Kind.NOT)
        self._skip(Kind.FILLER)
        if self._take(Kind.OPEN):
            found = self.condition(depth + 1)
            if not self._take(Kind.CLOSE):
                raise unclear("Where does the parenthesis end?", where=self._where())
            return Combined(Operator.NOT, (found,)) if negated else found
        self._at = start - 2 if self._one_model_before(start) else start
        part = self._part()
        if not part:
            raise self._nothing_said()
        head = Head(self._urgent, self._points, self._of_one)
        found, self._before = clause_of(part, self._before, head, self._lookup)
        return found

    def _one_model_before(self, at: int) -> bool:
        """`a model` was passed over as it says nothing by itself: of what follows, it may."""
        return [said.text for said in self._said[max(at - 2, 0) : at]] in _ONE_MODEL

    def _part(self) -> list[Said]:
        """Everything up to the next joining word; in a list of values, `or` joins values."""
        found: list[Said] = []
        listing = False
        while (said := self._next()) is not None:
            if said.has(Kind.OR, Kind.COMMA) and listing and is_value(found[-1]):
                ahead = self._peek_value()
                if ahead:
                    self._at += ahead
                    continue
            if said.kind in _ENDS:
                break
            if said.kind is Kind.COMMA and self._comma_is_idle():
                self._at += 1
                continue
            listing = listing or said.kind in VALUES_FOLLOW or _named_by_texts(said)
            found.append(said)
            self._at += 1
        return found

    def _peek_value(self) -> int:
        """How many separators stand before another value; 0: no value follows."""
        ahead = 1
        if self._is(self._at, Kind.COMMA) and self._is(self._at + 1, Kind.OR):
            ahead = 2
        following = self._at + ahead
        return ahead if following < len(self._said) and is_value(self._said[following]) else 0

    def _comma_is_idle(self) -> bool:
        following = self._at + 1
        return following == len(self._said) or self._said[following].has(*_ENDS, Kind.WHEN)

    def must_end(self) -> None:
        said = self._next()
        if said is not None:
            raise unclear(f"What does {echo(said.text)} say here?", where=said.where)

    # --- what comes next --------------------------------------------------------------------

    def _next(self) -> Said | None:
        return self._said[self._at] if self._at < len(self._said) else None

    def _is(self, at: int, kind: Kind) -> bool:
        return at < len(self._said) and self._said[at].kind is kind

    def _skip(self, *kinds: Kind) -> None:
        while (said := self._next()) is not None and {m.kind for m in said.meanings} <= set(kinds):
            if said.kind is Kind.URGENT:
                self._urgent = (*self._urgent, said.text)
            self._at += 1

    def _take(self, kind: Kind) -> bool:
        taken = self._is(self._at, kind)
        self._at += taken
        return taken

    def _where(self) -> str:
        said = self._next()
        return said.where if said is not None else "the end of the text"

    def _only(self, said: Said, kind: Kind) -> None:
        if len(said.meanings) > 1:
            raise unclear(
                f"What does {echo(said.text)} stand for? It is a phrase of more than one {kind}.",
                where=said.where,
                choices=[f"{each.kind} {each.name}".strip() for each in said.meanings],
            )

    def _nothing_said(self) -> Exception:
        return unclear(
            "When? Say what is watched, and what about it.",
            where=self._where(),
            choices=fitting([], self._points, self._document),
        )


def _named_by_texts(said: Said) -> bool:
    """Whether values may follow it without another word: `from google or qwen`."""
    return said.kind is Kind.PRIMITIVE and any(
        each.kind is Kind.PRIMITIVE
        and each.name in PRIMITIVES
        and PRIMITIVES[each.name].type in WORDS
        for each in said.meanings
    )


def _only_tightens(said: Said) -> Exception:
    return unclear(
        "What is to be blocked, and unless what? Guardrails only tighten: none allows anything.",
        where=said.where,
        choices=("block ... unless ...", "ask for approval before ... unless ..."),
    )


def _mixed(said: Said) -> Exception:
    return unclear(
        f"What belongs together around {echo(said.text)}? Use parentheses, or write two intents.",
        where=said.where,
        choices=("(A and B) or C", "A and (B or C)", "two intents"),
    )
