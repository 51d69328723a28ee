"""The only place that says which acts are allowed, which need an approval and which never happen.

A table of rules in code, asked all together: deny stands over require_approval, which stands over
allow, and where nothing is said the answer is deny. A rule that fails denies, whatever the others
say. Configuration adds rules that tighten and can take none away. Pure.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import orjson

from app.authority.policy.decisions import Decision, Fired, Outcome, Question
from app.domain.actors import ANONYMOUS, Role

ENGINE: Final = "hard/1"
"""How the rules are put together. Another way is another version, and so another policy hash."""

DEFAULT_DENY: Final = Fired(
    "default-deny", Outcome.DENY, "No rule allows it: what is not allowed is denied."
)

LOAD: Final = "model_load"
LOAD_JIT: Final = "model_load_jit"
PULL: Final = "model_pull"
PUBLISH: Final = "model_publish"
IMPORT: Final = "model_import"
ADOPT: Final = "model_adopt"
UNLOAD: Final = "model_unload"
VERIFY: Final = "model_verify"
REPAIR: Final = "model_repair"
DECIDE: Final = "decide"
"""Saying yes or no to what somebody asked for."""

RUNS: Final = frozenset(
    {
        LOAD,
        LOAD_JIT,
        PULL,
        PUBLISH,
        IMPORT,
        UNLOAD,
        VERIFY,
        ADOPT,
        REPAIR,
        "model_change",
        "store_restore",
    }
)
"""Acts that permission, feasibility and policy decide at once. `model_publish` is the moment when
what was pulled leaves quarantine: before that nobody can know whether a signature holds."""

DESTROYS: Final = frozenset({"model_delete", "cache_purge", "trash_purge", "state_removal"})
KEYS: Final = frozenset({"key_create", "key_revoke"})
CONTROLS: Final = frozenset(
    {
        "profile_loosen",
        "rule_override",
        "guardrails_activate",
        "guardrails_add",
        "guardrails_rebind",
        "guardrails_retire",
    }
)
RECORD: Final = frozenset({"ledger_prune", "recovery_epoch"})
GOVERNED: Final = DESTROYS | KEYS | CONTROLS | RECORD
"""Acts that a person approves, whatever is configured."""

MAY_BE_ASKED: Final = frozenset({LOAD, PULL})
"""Runs of which configuration can make asks."""

_ASKED_AS: Final[Mapping[str, str]] = {LOAD_JIT: LOAD}
_ACT: Final = frozenset({Role.OPERATOR, Role.APPROVER})
_STRICTEST_FIRST: Final = (Outcome.DENY, Outcome.REQUIRE_APPROVAL, Outcome.ALLOW)

T = TypeVar("T")


class BadFact(Exception):
    """A rule needs a fact that the question lacks, or has with another type."""


@dataclass(frozen=True, slots=True)
class HardRule:
    """`applies` looks at the question and nothing else; whatever it raises is a denial."""

    id: str
    outcome: Outcome
    sentence: str
    applies: Callable[[Question], bool]


def fact(question: Question, name: str, kind: type[T]) -> T:
    """The fact called `name`; raises BadFact unless it is there and exactly of this type."""
    if name not in question.facts:
        raise BadFact(f"the fact '{name}' is missing")
    value = question.facts[name]
    if type(value) is not kind:
        raise BadFact(f"the fact '{name}' is no {kind.__name__}")
    return value


def on_demand(question: Question) -> bool:
    """Whether it is a load on demand, or the ask that one became."""
    if question.act != LOAD or "params" not in question.facts:
        return question.act == LOAD_JIT
    return fact(question, "params", dict).get("on_demand", False) is True


def asked_as(act: str) -> str:
    """The kind of ask that a run becomes: a load on demand is asked for as a load."""
    return _ASKED_AS.get(act, act)


def decided(rules: Iterable[HardRule], question: Question, *, policy_hash: str) -> Decision:
    """What follows from `rules` together, in whichever order they stand. Raises nothing."""
    fired: list[Fired] = []
    errors: list[str] = []
    for rule in rules:
        try:
            if _applies(rule, question):
                fired.append(Fired(rule.id, rule.outcome, rule.sentence))
        except Exception as error:  # noqa: BLE001 - whatever goes wrong in a rule is a denial
            errors.append(f"{rule.id}: {_named(error)}")
    fired.sort(key=lambda f: (_STRICTEST_FIRST.index(f.outcome), f.rule))
    errors.sort()
    if errors:
        return Decision(Outcome.DENY, tuple(fired), policy_hash, tuple(errors))
    if not fired:
        return Decision(Outcome.DENY, (DEFAULT_DENY,), policy_hash)
    return Decision(fired[0].outcome, tuple(fired), policy_hash)


class HardPolicy:
    """A `PolicyDecisionPoint` over the table below. The same question gets the same answer.

    `asks_for`: runs that become asks (of `MAY_BE_ASKED`). `kinds`: further kinds that are
    registered: each needs an approval. `require_signature`: what enters the store must carry a
    signature that holds.
    """

    def __init__(
        self,
        *,
        asks_for: Collection[str] = (),
        kinds: Collection[str] = (),
        require_signature: bool = False,
    ) -> None:
        unknown = set(asks_for) - MAY_BE_ASKED
        if unknown:
            raise ValueError(f"{', '.join(sorted(unknown))} cannot be made an ask")
        approved = GOVERNED | (frozenset(kinds) - RUNS - {DECIDE})
        self._configuration = _Configuration(frozenset(asks_for), approved, require_signature)
        self._rules = rules(self._configuration)
        self._hash = _hash(self._rules, self._configuration)

    @property
    def policy_hash(self) -> str:
        return self._hash

    @property
    def rules(self) -> tuple[HardRule, ...]:
        return self._rules

    def decide(self, question: Question) -> Decision:
        return decided(self._rules, question, policy_hash=self._hash)

    def look(self, question: Question) -> Decision:
        return self.decide(question)

    def outset(self, question: Question) -> Decision:
        return self.decide(question)


@dataclass(frozen=True, slots=True)
class _Configuration:
    asks_for: frozenset[str] = frozenset()
    approved: frozenset[str] = field(default=GOVERNED)
    require_signature: bool = False

    def as_dict(self) -> dict[str, Any]:
        return {
            "asks_for": sorted(self.asks_for),
            "approved": sorted(self.approved),
            "require_signature": self.require_signature,
        }


def rules(configured: _Configuration) -> tuple[HardRule, ...]:
    """The table, with what configuration adds to it."""
    deny, approval, allow = Outcome.DENY, Outcome.REQUIRE_APPROVAL, Outcome.ALLOW
    known = RUNS | configured.approved | {DECIDE}
    table = [
        HardRule(
            "advisors-never-act",
            deny,
            "An advisor's key proposes; it never acts and never asks.",
            lambda q: Role.ADVISOR in q.actor.roles,
        ),
        HardRule(
            "only-operators-and-approvers-act",
            deny,
            "Without an operator's or an approver's key nothing is done but a load on demand.",
            lambda q: not on_demand(q) and not _ACT & q.actor.roles,
        ),
        HardRule(
            "the-anonymous-never-act",
            deny,
            "Whoever shows no key does nothing but cause a load on demand.",
            lambda q: not on_demand(q) and q.actor.id == ANONYMOUS.id,
        ),
        HardRule(
            "unknown-act",
            deny,
            "An act that nobody wrote a rule for is denied.",
            lambda q: q.act not in known,
        ),
        HardRule(
            "a-person-approves",
            approval,
            "What destroys, makes or takes keys, sets a rule aside, changes the guardrails or how "
            "approvals are given needs the approval of a person.",
            lambda q: q.act in configured.approved,
        ),
        HardRule(
            "operators-run-the-server",
            allow,
            "An operator loads, unloads, imports, pulls, verifies and restores models.",
            lambda q: q.act in RUNS - {LOAD_JIT} and Role.OPERATOR in q.actor.roles,
        ),
        HardRule(
            "anybody-loads-on-demand",
            allow,
            "Whoever may ask a model may cause its load on the default terms.",
            lambda q: on_demand(q) and bool({Role.CLIENT, Role.OPERATOR} & q.actor.roles),
        ),
        HardRule(
            "persons-decide",
            allow,
            "A person with an approver's key decides on what is asked.",
            lambda q: (
                q.act == DECIDE and Role.APPROVER in q.actor.roles and q.actor.person is not None
            ),
        ),
    ]
    if configured.asks_for:
        table.append(
            HardRule(
                "configured-asks",
                approval,
                "The settings make an ask of it.",
                lambda q: asked_as(q.act) in configured.asks_for,
            )
        )
    if configured.require_signature:
        table.append(
            HardRule(
                "signed-models-only",
                deny,
                "The settings demand a model's signature, and that it holds.",
                lambda q: (
                    q.act in (IMPORT, ADOPT, PUBLISH) and fact(q, "signature", str) != "verified"
                ),
            )
        )
    return tuple(table)


def _applies(rule: HardRule, question: Question) -> bool:
    answer = rule.applies(question)
    if answer is not True and answer is not False:
        raise TypeError("the rule said neither yes nor no")
    return answer


def _named(error: Exception) -> str:
    """An error as it is recorded: a rule's own words, else its type. Bounded."""
    return str(error)[:200] if isinstance(error, BadFact | TypeError) else type(error).__name__


def _hash(table: Sequence[HardRule], configured: _Configuration) -> str:
    """SHA-256 over what the rules say, the configuration and how they are put together."""
    said = sorted([rule.id, str(rule.outcome), rule.sentence] for rule in table)
    document = {"engine": ENGINE, "rules": said, "configuration": configured.as_dict()}
    return hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).hexdigest()
