"""One evaluation: everything is read, looked up and decided at most once. Pure."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, Final

from app.authority.guardrails.plans import Look, Numbered, Plan, Rule, Summaries, Tree
from app.authority.guardrails.readings import NULL, kept, usable
from app.authority.guardrails.sentences import Found, because, met, not_met
from app.authority.guardrails.series import series_parts
from app.authority.guardrails.strategies.base import NO_SUMMARY, Reading, Result, Summary
from app.authority.guardrails.strategies.composite import combine
from app.authority.guardrails.strategies.numbers import NO_MATCH
from app.authority.guardrails.values import Point, Scope
from app.authority.guardrails.verdicts import ROW, Asked, Failure, Verdict, why

Answer = Result | str
"""What a condition came to, or why it could not be asked."""

_EVERY: Final = ""
_new: Final = tuple.__new__


class Case:
    """`verdicts` and `failures` are in the order of the rules, then of the keys.

    `met` are the triggered ones, `rows` all of them as a record keeps them.

    `unasked` are rules over models or actors of which, on a tick, nothing was read.

    `all_said`: what was not met has a sentence too, for whoever asks why.
    """

    def __init__(
        self,
        plan: Plan,
        readings: Mapping[str, Any],
        summaries: Summaries,
        *,
        all_said: bool = False,
    ) -> None:
        self._plan = plan
        self._given = readings
        self._summaries = summaries
        self._all_said = all_said
        self._read: dict[str, Reading | str] = {}
        self._looked: dict[tuple[int, str], tuple[Look, Summary | str]] = {}
        self.verdicts: list[Verdict] = []
        self.met: list[Verdict] = []
        self.rows: list[Any] = []
        self.failures: list[Failure] = []
        self.unasked: list[tuple[str, int, str]] = []

    def ask(self, asked: Asked) -> None:
        """Ask every rule that the point has.

        The tick's record keeps all that was sampled: it is history for whatever is bound later.
        """
        if asked.point is Point.TICK:
            for series in sorted(self._given):
                self._reading(series, series_parts(series)[1])
            self._ask_of_each()
        else:
            self._ask_once(asked)

    def readings(self) -> dict[str, Any]:
        """Everything that was read, asked for or not: it is the history of what is asked next."""
        for series, given in self._given.items():
            if series not in self._read:
                self._read[series] = usable(given, series)
        return {series: kept(reading) for series, reading in self._read.items()}

    def summaries(self) -> list[Any]:
        """What was looked up, for the record."""
        return [
            [series, look.name, look.params, {"error": found} if type(found) is str else found]
            for (_, series), (look, found) in self._looked.items()
        ]

    def _ask_once(self, asked: Asked) -> None:
        """At an act point: of who asks, and of what the act is about."""
        keys = {Scope.MODEL: f"model:{asked.subject}", Scope.ACTOR: f"actor:{asked.actor}"}
        suffixes = {Scope.ALL: _EVERY, **{scope: f"@{key}" for scope, key in keys.items()}}
        answers: list[Any] = [None] * len(self._plan.watches)
        for primitive, scope, watches in self._plan.groups:
            self._answer(watches, primitive + suffixes[scope], scope, answers)
        quick = not self._all_said
        for rule in self._plan.rules:
            answer = answers[rule.leaves[0]]
            if quick and answer is NO_MATCH and rule.unmet is not None:
                verdict, row = rule.unmet  # by far the most of them
                self.verdicts.append(verdict)
                self.rows.append(row)
                continue
            key = " ".join([keys[scope] for scope in rule.scopes]) if rule.scopes else _EVERY
            if quick and rule.single and type(answer) is Result and not answer.triggered:
                self._say(_verdict(rule, key, answer, (answer.measure,), ""))
            else:
                self._decide(rule, key, suffixes, answers)

    def _ask_of_each(self) -> None:
        """On the tick: of whatever was read; a rule over models and actors at once of each pair."""
        read = [series_parts(series) for series in sorted(self._given)]
        for rule in self._plan.rules:
            each = [*product(*[self._keys(rule, scope, read) for scope in rule.scopes])]
            if not each:
                self.unasked.append(rule.named)
            for keys in each:
                found = dict(zip(rule.scopes, keys, strict=True))
                suffixes = {Scope.ALL: _EVERY, **{s: f"@{key}" for s, key in found.items()}}
                answers: dict[int, Answer] = {}
                for number in rule.leaves:
                    watch = self._plan.watches[number]
                    series = watch.primitive + suffixes[watch.scope]
                    self._answer(((number, watch),), series, watch.scope, answers)
                self._decide(rule, " ".join(keys), suffixes, answers)

    def _keys(self, rule: Rule, scope: Scope, read: Sequence[tuple[str, Scope, str]]) -> list[str]:
        watched = {
            watch.primitive
            for watch in (self._plan.watches[number] for number in rule.leaves)
            if watch.scope is scope
        }
        found = {key for primitive, of, key in read if of is scope and primitive in watched}
        return sorted(f"{scope}:{key}" for key in found)

    def _answer(self, watches: Sequence[Numbered], series: str, scope: Scope, answers: Any) -> None:
        """Put into `answers` what watches of one series come to."""
        reading = self._reading(series, scope)
        for number, watch in watches:
            look = watch.look
            summary = NO_SUMMARY if look is None else self._look(look, series)
            if type(reading) is str or type(summary) is str:
                answers[number] = reading if type(reading) is str else summary
                continue
            try:
                answers[number] = watch.decide(reading, summary, watch.params)
            except Exception as error:  # noqa: BLE001 - an error of every rule that has it
                answers[number] = why(error)

    def _reading(self, series: str, scope: Scope) -> Any:
        found = self._read.get(series)
        if found is None:
            missing = None if scope is Scope.ALL else NULL
            found = self._read[series] = usable(self._given.get(series, missing), series)
        return found

    def _look(self, look: Look, series: str) -> Any:
        found = self._looked.get((look.number, series))
        if found is None:
            try:
                taken: Summary | str = self._summaries.of(look, series)
            except Exception as error:  # noqa: BLE001 - so is a history that cannot be read
                taken = why(error)
            found = self._looked[look.number, series] = look, taken
        return found[1]

    def _decide(
        self,
        rule: Rule,
        key: str,
        suffixes: Mapping[Scope, str],
        answers: Any,
    ) -> None:
        found = [answers[number] for number in rule.leaves]
        for answer in found:
            if type(answer) is str:
                self._fail(rule, key, answer)
                return
        try:
            result = _together(rule.tree, answers)
        except Exception as error:  # noqa: BLE001 - and what cannot be put together
            self._fail(rule, key, why(error))
            return
        aloud = result.triggered or self._all_said
        said = self._sentence(rule, suffixes, found, result) if aloud else ""
        measures = tuple([each.measure for each in found])
        self._say(_verdict(rule, key, result, measures, said))

    def _say(self, verdict: Verdict) -> None:
        self.verdicts.append(verdict)
        self.rows.append(verdict[:ROW])
        if verdict.triggered:
            self.met.append(verdict)

    def _sentence(
        self, rule: Rule, suffixes: Mapping[Scope, str], found: Sequence[Result], result: Result
    ) -> str:
        leaves = []
        for number, answer in zip(rule.leaves, found, strict=True):
            watch = self._plan.watches[number]
            series = watch.primitive + suffixes[watch.scope]
            reading: Any = self._read[series]
            leaves.append(Found(watch.leaf, series_parts(series)[2], reading, answer))
        task, version, _ = rule.named
        why_so = because(rule.bound.condition, leaves)
        if result.triggered:
            return met(rule.action, task, version, why_so)
        return not_met(task, version, why_so)

    def _fail(self, rule: Rule, key: str, text: str) -> None:
        self.failures.append(Failure(*rule.named, key, rule.action, text))


def _verdict(
    rule: Rule, key: str, result: Result, measures: tuple[float | None, ...], said: str
) -> Verdict:
    triggered, reason, _ = result
    task, version, binding_hash = rule.named
    return _new(
        Verdict,
        (task, version, binding_hash, key, rule.action, triggered, reason, measures, said),
    )


def _together(tree: Tree, answers: Any) -> Result:
    if isinstance(tree, int):
        found: Result = answers[tree]
        return found
    operator, operands = tree
    return combine(operator, [_together(operand, answers) for operand in operands])
