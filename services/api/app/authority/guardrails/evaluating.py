"""Whether what is bound is met, and what follows: block over approval over alert. Pure.

Whatever cannot be read or computed is an error and never a quiet no: at an act point it blocks, on
the tick it alerts. Too little data is no error: it is recorded, with its reason, as not triggered.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import isfinite
from typing import Any, Final, NamedTuple, Protocol

from app.authority.guardrails.records import digest_of, to_bytes
from app.authority.guardrails.rulesets import Bound as Bound  # noqa: PLC0414 - found here too
from app.authority.guardrails.rulesets import Look, Plan, Rule, Tree, series_parts
from app.authority.guardrails.rulesets import Ruleset as Ruleset  # noqa: PLC0414 - found here too
from app.authority.guardrails.rulesets import bind as bind  # noqa: PLC0414 - found here too
from app.authority.guardrails.rulesets import series_key as series_key  # noqa: PLC0414 - here too
from app.authority.guardrails.sentences import Found, because, failed, met
from app.authority.guardrails.strategies.base import (
    NO_SUMMARY,
    Observation,
    Reading,
    Reason,
    Result,
    Strategy,
    Summary,
)
from app.authority.guardrails.strategies.composite import combine
from app.authority.guardrails.values import Action, Parameters, Point, Scope

ALLOW: Final = "allow"
OUTCOMES: Final = (ALLOW, str(Action.ALERT), str(Action.REQUIRE_APPROVAL), str(Action.BLOCK))
"""From the freest to the strictest; the strictest that a met condition asks for is what follows."""

ROW: Final = 8
"""How many fields of a verdict a record keeps: all but its sentence, which may be worded anew."""

LONGEST: Final = 300
NULL: Final = Reading(None, Reason.NULL_INPUT)
_LARGEST: Final = 2**63 - 1


class Histories(Protocol):
    """What was observed. Observations are only ever added, at the end of a series."""

    def of(self, series: str, since_us: int, before_us: int) -> Sequence[Observation]:
        """Return those with ``since_us <= at_us < before_us``, oldest first. Should be cheap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """`subject` is what the act is about (a model's id, where it is about one); `actor` is who."""

    at_us: int
    point: Point
    subject: str = ""
    actor: str = ""


class Verdict(NamedTuple):
    """What one bound condition says. `key` is the model or actor it was asked of, as in `series_key`
    behind the ``@``; `measures` are its conditions', in the order they are written. `sentence` says
    why, where it was met; `explaining` says why for the others too.
    """

    task: str
    version: int
    binding_hash: str
    key: str
    action: Action
    triggered: bool
    reason: Reason | None
    measures: tuple[float | None, ...]
    sentence: str


class Failure(NamedTuple):
    """A bound condition that could not be evaluated."""

    task: str
    version: int
    binding_hash: str
    key: str
    action: Action
    why: str

    @property
    def sentence(self) -> str:
        return failed(self.task, self.version, self.why)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """`record` holds all that it takes to decide again; `digest` is its SHA-256 (hex)."""

    asked: Asked
    verdicts: tuple[Verdict, ...]
    failures: tuple[Failure, ...]
    outcome: str
    record: bytes
    digest: str

    @property
    def errors(self) -> tuple[str, ...]:
        return tuple(failure.sentence for failure in self.failures)


class CannotRead(Exception):
    """A reading or a history that is not there; its text is what the record keeps."""


class Summaries(Protocol):
    def of(self, look: Look, series: str) -> Summary:
        """Raises whatever makes it impossible."""


def evaluate(
    rules: Ruleset,
    asked: Asked,
    readings: Mapping[str, Reading | Exception],
    histories: Histories,
) -> Evaluation:
    """Decide what is asked; the same rules, readings and histories give the same bytes anywhere.

    `readings` are by series (`series_key`). Nothing read of a whole series is an error; nothing
    read of one model or actor is a null. Raises nothing.
    """
    return decide(rules, asked, readings, _Live(rules, histories, asked.at_us))


def decide(
    rules: Ruleset,
    asked: Asked,
    readings: Mapping[str, Reading | Exception],
    summaries: Summaries,
) -> Evaluation:
    """As `evaluate`, over summaries that were found before."""
    case = _Case(rules.plan(asked.point), readings, summaries)
    for question in _questions(case.plan, asked, readings):
        case.ask(question)
    outcome = _outcome(asked.point, case.verdicts, case.failures)
    record = to_bytes(
        {
            "at_us": asked.at_us,
            "point": asked.point,
            "subject": asked.subject,
            "actor": asked.actor,
            "rules": rules.hash,
            "guardrails": rules.guardrails,
            "readings": case.readings_said(),
            "summaries": case.summaries_said(),
            "verdicts": [verdict[:ROW] for verdict in case.verdicts],
            "errors": [failure[:] for failure in case.failures],
            "outcome": outcome,
        }
    )
    return Evaluation(
        asked=asked,
        verdicts=tuple(case.verdicts),
        failures=tuple(case.failures),
        outcome=outcome,
        record=record,
        digest=digest_of(record),
    )


# --- which questions ------------------------------------------------------------------------

Suffixes = Mapping[Scope, str]


class _Question(NamedTuple):
    """One rule, asked of one model or actor or of all. Equal `key`s share their answers."""

    rule: Rule
    key: str
    suffixes: Suffixes
    answers: str


def _questions(plan: Plan, asked: Asked, readings: Mapping[str, Any]) -> Iterator[_Question]:
    """At an act point each rule once, of who asks and what about; on the tick of whatever was read.

    A rule over models and actors at once is asked, on the tick, of every pair of them.
    """
    if asked.point is not Point.TICK:
        said = {Scope.MODEL: f"model:{asked.subject}", Scope.ACTOR: f"actor:{asked.actor}"}
        suffixes = {Scope.ALL: "", **{scope: f"@{key}" for scope, key in said.items()}}
        for rule in plan.rules:
            key = " ".join([said[scope] for scope in rule.scopes]) if rule.scopes else ""
            yield _Question(rule, key, suffixes, "")
        return
    read = sorted(series_parts(series) for series in readings)
    for rule in plan.rules:
        watched = {(leaf.primitive, leaf.scope) for leaf in map(plan.leaf, rule.leaves)}
        keys = [
            sorted(
                {
                    f"{scope}:{key}"
                    for primitive, of, key in read
                    if (primitive, of) in watched and of is scope
                }
            )
            for scope in rule.scopes
        ]
        for pair in product(*keys):
            found = {scope: f"@{key}" for scope, key in zip(rule.scopes, pair, strict=True)}
            name = " ".join(pair)
            yield _Question(rule, name, {Scope.ALL: "", **found}, name)


# --- asking them ----------------------------------------------------------------------------


class _Case:
    """One evaluation: everything is read, looked up and decided at most once."""

    def __init__(self, plan: Plan, readings: Mapping[str, Any], summaries: Summaries) -> None:
        self.plan = plan
        self.verdicts: list[Verdict] = []
        self.failures: list[Failure] = []
        self._given = readings
        self._summaries = summaries
        self._readings: dict[str, Reading | str] = {}
        self._looked: dict[tuple[int, str], tuple[Look, Summary | str]] = {}
        self._answers: dict[str, list[Result | str | None]] = {}

    def ask(self, question: _Question) -> None:
        """Add the verdict, or why there is none."""
        rule = question.rule
        answers = self._answers.get(question.answers)
        if answers is None:
            answers = self._answers[question.answers] = [None] * len(self.plan.watches)
        for number in rule.leaves:
            answer = answers[number]
            if answer is None:
                answer = answers[number] = self._answer(number, question.suffixes)
            if type(answer) is str:
                self._fail(question, answer)
                return
        found: Any = answers
        try:
            result = _together(rule.tree, found)
        except Exception as error:  # a condition that cannot be put together decides nothing
            self._fail(question, why(error))
            return
        bound = rule.bound
        self.verdicts.append(
            Verdict(
                bound.task,
                bound.version,
                bound.binding_hash,
                question.key,
                bound.action,
                result.triggered,
                result.reason,
                tuple([found[number].measure for number in rule.leaves]),
                self._sentence(question, found) if result.triggered else "",
            )
        )

    def readings_said(self) -> dict[str, Any]:
        return {series: _reading_said(reading) for series, reading in self._readings.items()}

    def summaries_said(self) -> list[Any]:
        return [
            [series, look.name, look.params, {"error": found} if type(found) is str else found]
            for (_, series), (look, found) in self._looked.items()
        ]

    def _answer(self, number: int, suffixes: Suffixes) -> Result | str:
        watch = self.plan.watches[number]
        leaf = watch.leaf
        series = leaf.primitive + suffixes[leaf.scope]
        reading = self._reading(series, leaf.scope)
        if type(reading) is str:
            return reading
        summary = NO_SUMMARY if watch.look is None else self._look(watch.look, series)
        if type(summary) is str:
            return summary
        try:
            return watch.strategy.decide(reading, summary, leaf.params)
        except Exception as error:  # whatever a strategy cannot decide is an error of the rule
            return why(error)

    def _reading(self, series: str, scope: Scope) -> Reading | str:
        found = self._readings.get(series)
        if found is None:
            given = self._given.get(series, NULL if scope is not Scope.ALL else None)
            found = self._readings[series] = _cleaned(given, series)
        return found

    def _look(self, look: Look, series: str) -> Summary | str:
        found = self._looked.get((look.number, series))
        if found is None:
            try:
                taken: Summary | str = self._summaries.of(look, series)
            except Exception as error:  # a history that cannot be read is an error of the rule
                taken = why(error)
            found = self._looked[look.number, series] = look, taken
        return found[1]

    def _sentence(self, question: _Question, answers: list[Result]) -> str:
        bound = question.rule.bound
        leaves = [
            Found(leaf, series_parts(series)[2], self._readings[series], answers[number])
            for number in question.rule.leaves
            for leaf in [self.plan.leaf(number)]
            for series in [leaf.primitive + question.suffixes[leaf.scope]]
        ]
        return met(bound.action, bound.task, bound.version, because(bound.condition, leaves))

    def _fail(self, question: _Question, text: str) -> None:
        bound = question.rule.bound
        self.failures.append(
            Failure(bound.task, bound.version, bound.binding_hash, question.key, bound.action, text)
        )


class _Live:
    """Summaries as of a time, kept in the ruleset for as long as their window stays the same."""

    def __init__(self, rules: Ruleset, histories: Histories, at_us: int) -> None:
        self._memory = rules.remembered(histories)
        self._histories = histories
        self._at_us = at_us
        self._windows: dict[tuple[str, int], Sequence[Observation]] = {}

    def of(self, look: Look, series: str) -> Summary:
        window = self._window(series, look.reach_us)
        ends = (window[0], window[-1]) if window else None
        mark = (len(window), ends, None if look.steady else self._at_us)
        key = (look.key, series)
        kept = self._memory.get(key)
        if kept is not None and kept[0] == mark:
            return kept[1]
        found = summary_of(look.strategy, window, look.params, self._at_us)
        self._memory[key] = mark, found
        return found

    def _window(self, series: str, reach_us: int) -> Sequence[Observation]:
        key = (series, reach_us)
        found = self._windows.get(key)
        if found is None:
            found = self._histories.of(series, self._at_us - reach_us, self._at_us)
            self._windows[key] = found
        return found


def summary_of(
    strategy: Strategy, window: Sequence[Observation], params: Parameters, at_us: int
) -> Summary:
    """Return a strategy's summary as it is kept. Raises ValueError for one that JSON cannot hold."""
    found = dict(strategy.summary(window, params, at_us))
    for name, number in found.items():
        if not isfinite(number):
            raise ValueError(f"{name} of the history is beyond every number")
    return found


def why(error: Exception) -> str:
    """Return what a record keeps of an exception: its kind and what it says, cut."""
    if isinstance(error, CannotRead):
        return str(error)
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return text[:LONGEST].encode("utf-8", "backslashreplace").decode()


def _together(tree: Tree, answers: Sequence[Result]) -> Result:
    if type(tree) is int:
        return answers[tree]
    operator, operands = tree  # type: ignore[misc]
    return combine(operator, [_together(operand, answers) for operand in operands])


def _outcome(point: Point, verdicts: Sequence[Verdict], failures: Sequence[Failure]) -> str:
    asked_for = {str(verdict.action) for verdict in verdicts if verdict.triggered}
    if failures:
        asked_for.add(Action.ALERT if point is Point.TICK else Action.BLOCK)
    return max(asked_for, key=OUTCOMES.index, default=ALLOW)


# --- readings -------------------------------------------------------------------------------


def _cleaned(given: object, series: str) -> Reading | str:
    """Return what was read as a record can hold it, or why it cannot be decided with."""
    if given is None:
        return f"nothing was read of {series}"
    if isinstance(given, Exception):
        return why(given)
    if not isinstance(given, Reading):
        return f"what was read of {series} is a {type(given).__name__} and no reading"
    value = given.value
    if value is None:
        return given if given.reason is not None else NULL
    if isinstance(value, float) and not isfinite(value):
        return NULL
    return _holdable(given, value, series)


def _holdable(given: Reading, value: object, series: str) -> Reading | str:
    if isinstance(value, str):
        text = value.encode("utf-8", "backslashreplace").decode()
        return given if text == value else Reading(text, given.reason)
    if isinstance(value, int) and abs(value) > _LARGEST:
        return f"{series} is a number of more than 64 bits"
    if not isinstance(value, bool | int | float):
        return f"{series} was read as a {type(value).__name__}"
    return given


def _reading_said(reading: Reading | str) -> Any:
    if type(reading) is str:
        return {"error": reading}
    value, reason = reading
    return value if reason is None else [value, reason]
