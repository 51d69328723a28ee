"""Which strategy a clause gets: six sources in strict order, and why the others did not win. Pure.

The first source with a strategy that may be used wins, and no later one is asked: what is not asked
is not read, so that a change there does not concern the clause.
"""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from app.authority.guardrails.compiler.findings import Findings, unclear
from app.authority.guardrails.compiler.lookup import Lookup
from app.authority.guardrails.primitives import Primitive
from app.authority.guardrails.strategies.base import Strategy
from app.authority.guardrails.strategies.registry import COMPATIBLE, STRATEGIES, VERSIONS
from app.authority.guardrails.values import SOURCES, Candidate, Clause, Source, ValueType

EQUALS: Final = "equals"


class Rejection(NamedTuple):
    rule: str
    message: str


class Choice(NamedTuple):
    """`strategy` None: none may be used, and the findings say why."""

    strategy: Strategy | None
    candidates: tuple[Candidate, ...]


def rejections(name: str, given: ValueType, subject: str, lookup: Lookup) -> Iterator[Rejection]:
    """Everything that forbids strategy `name` over a value of type `given`."""
    if name not in STRATEGIES:
        known = ", ".join(sorted(STRATEGIES))
        yield Rejection("strategy.unknown", f"there is no strategy {name}: there are {known}")
        return
    enabled = lookup.at("strategies", name, "enabled")
    version = lookup.at("strategies", name, "version")
    if not enabled:
        yield Rejection("strategy.disabled", f"strategy {name} is not enabled (strategies/{name})")
    elif (name, version) not in VERSIONS:
        yield Rejection(
            "strategy.version", f"strategy {name} has no version {version} in this installation"
        )
    if name in (lookup.at("constraints", "disallowed_strategies") or ()):
        yield Rejection(
            "strategy.disallowed",
            f"strategy {name} is not allowed (constraints/disallowed_strategies)",
        )
    least = lookup.at("constraints", "minimum_versions", name)
    if least is not None and version is not None and version < least:
        yield Rejection(
            "strategy.version",
            f"strategy {name} is at version {version}, and {least} is the least allowed "
            f"(constraints/minimum_versions/{name})",
        )
    allowed = lookup.at("type_compatibility", given.value) or ()
    if name not in COMPATIBLE[given]:
        yield Rejection(
            "strategy.type", f"strategy {name} does not take {subject}, which is {given.value}"
        )
    elif name not in allowed:
        yield Rejection(
            "strategy.type",
            f"strategy {name} is not allowed for {subject}, which is {given.value} "
            f"(type_compatibility/{given.value})",
        )


def usable(name: str, lookup: Lookup) -> Strategy:
    """The version of a strategy that the document compiles to; it was not rejected."""
    return VERSIONS[name, lookup.at("strategies", name, "version")]


def choose(
    clause: Clause, primitive: Primitive, lookup: Lookup, findings: Findings, where: str
) -> Choice:
    """Ask the sources in their order.

    What the user named, and the strategy of a phrase of membership, are taken or refused: there is
    no falling through to another.
    """
    candidates: list[Candidate] = []
    refused: list[Rejection] = []
    for place, source in enumerate(SOURCES):
        for name, why in _named_by(source, clause, lookup):
            rejected = list(rejections(name, primitive.type, primitive.name, lookup))
            if not rejected:
                candidates.append(Candidate(source, name, won=True, why=why))
                candidates += _not_asked(SOURCES[place + 1 :], source)
                return Choice(usable(name, lookup), tuple(candidates))
            said = "; ".join(each.message for each in rejected)
            candidates.append(Candidate(source, name, won=False, why=f"{why}, but {said}"))
            refused += rejected
            if _must(source, clause):
                return _refuse(rejected, candidates, findings, where)
        if not candidates or candidates[-1].source is not source:
            candidates.append(Candidate(source, None, won=False, why=_SILENT[source]))
    if refused:
        return _refuse(refused, candidates, findings, where)
    findings.asks(
        unclear(
            f"How is {primitive.name} to be judged? No source names a strategy.",
            where=where,
            choices=sorted(COMPATIBLE[primitive.type]),
        )
    )
    return Choice(None, tuple(candidates))


def _refuse(
    rejected: list[Rejection], candidates: list[Candidate], findings: Findings, where: str
) -> Choice:
    for each in rejected:
        findings.violated(each.rule, each.message, where)
    return Choice(None, tuple(candidates))


def _must(source: Source, clause: Clause) -> bool:
    return source is Source.USER_EXPLICIT or (
        source is Source.PRIMITIVE_HINT and clause.term is not None
    )


def _not_asked(sources: tuple[Source, ...], winner: Source) -> Iterator[Candidate]:
    for source in sources:
        yield Candidate(source, None, won=False, why=f"not asked: {winner.value} stands over it")


# --- what each source names, in its order, and why -------------------------------------------

Named = Iterator[tuple[str, str]]


def _by_user(clause: Clause, _: Lookup) -> Named:
    if clause.strategy is not None:
        yield clause.strategy, "the intent says so"


def _by_primitive(clause: Clause, lookup: Lookup) -> Named:
    if clause.term is not None:
        yield EQUALS, f'"{clause.term}" is a phrase for membership'
        return
    key = ("primitives", clause.primitive, "preferred")
    for name in lookup.at(*key) or ():
        yield name, "/".join(key)


def _by_mapping(clause: Clause, lookup: Lookup) -> Named:
    if clause.mapping is not None:
        strategy = lookup.at("mappings", clause.mapping, "strategy")
        if strategy is not None:
            yield strategy, f"mappings/{clause.mapping}"


def _by_context(clause: Clause, lookup: Lookup) -> Named:
    yield from _liked(clause, lookup, ("application_context", "preferred"))


def _by_preference(clause: Clause, lookup: Lookup) -> Named:
    yield from _liked(clause, lookup, ("preferences", "preferred"))


def _by_default(clause: Clause, lookup: Lookup) -> Named:
    default = lookup.at("preferences", "default")
    if default is not None and default not in _discouraged(clause, lookup):
        yield default, "preferences/default"


def _liked(clause: Clause, lookup: Lookup, key: tuple[str, ...]) -> Named:
    liked = lookup.at(*key) or ()
    if liked:
        avoided = _discouraged(clause, lookup)
        for name in liked:
            if name not in avoided:
                yield name, "/".join(key)


def _discouraged(clause: Clause, lookup: Lookup) -> frozenset[str]:
    own = lookup.at("primitives", clause.primitive, "discouraged") or ()
    return frozenset((*own, *(lookup.at("preferences", "discouraged") or ())))


_ASKED: Final[dict[Source, Callable[[Clause, Lookup], Named]]] = {
    Source.USER_EXPLICIT: _by_user,
    Source.PRIMITIVE_HINT: _by_primitive,
    Source.MAPPING_RULE: _by_mapping,
    Source.APPLICATION_CONTEXT: _by_context,
    Source.GLOBAL_PREFERRED: _by_preference,
    Source.GLOBAL_DEFAULT: _by_default,
}
_SILENT: Final = {
    Source.USER_EXPLICIT: "the intent names no strategy and no number",
    Source.PRIMITIVE_HINT: "the primitive prefers none",
    Source.MAPPING_RULE: "no phrase of the intent is mapped to one",
    Source.APPLICATION_CONTEXT: "the application context prefers none that is not discouraged",
    Source.GLOBAL_PREFERRED: "the preferences name none that is not discouraged",
    Source.GLOBAL_DEFAULT: "there is no default that is not discouraged",
}


def _named_by(source: Source, clause: Clause, lookup: Lookup) -> Named:
    return _ASKED[source](clause, lookup)
