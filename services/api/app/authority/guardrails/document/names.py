"""Checks of a document: every name is known, and everything named goes together. Pure."""

from collections.abc import Iterable, Iterator
from itertools import chain

from app.authority.guardrails.document.context import DIRECTION, Context
from app.authority.guardrails.document.model import Mapped, PrimitiveGuide, Term
from app.authority.guardrails.document.problems import Fault, Path, instead, one_of
from app.authority.guardrails.primitives import WORDS, Primitive
from app.authority.guardrails.values import ValueType


def strategies(context: Context) -> Iterator[Fault]:
    for name, setting in context.document.strategies.items():
        path: Path = ("strategies", name)
        yield from context.unknown(path, name)
        signature = context.signature(name)
        if signature and not 1 <= setting.version <= signature.version:
            yield Fault(
                (*path, "version"),
                f"There is no version {setting.version} of {name}: the newest is "
                f"{signature.version}.",
            )


def compatibility(context: Context) -> Iterator[Fault]:
    kinds = {kind.value: kind for kind in ValueType}
    for name, allowed in context.document.type_compatibility.items():
        path: Path = ("type_compatibility", name)
        if name not in kinds:
            yield Fault(path, f"There is no type {name}: {instead(name, list(kinds))}")
        yield from repeated(path, allowed)
        for index, strategy in enumerate(allowed):
            yield from context.unknown((*path, index), strategy)
            signature = context.signature(strategy)
            if signature and name in kinds and kinds[name] not in signature.input_types:
                yield Fault(
                    (*path, index),
                    f"{strategy} does not take {name}: type_compatibility only narrows what "
                    "strategies take. Take it out.",
                )
    decisions = ValueType.DECISION.value
    for name in context.strategies:
        signature = context.strategies[name].signature
        if (
            signature.input_types == {ValueType.DECISION}
            and context.is_enabled(name)
            and name not in context.document.type_compatibility.get(decisions, ())
        ):
            yield Fault(
                ("type_compatibility", decisions),
                f"{name} is enabled and nothing may be given to it: say {decisions}: [{name}], or "
                "disable it under strategies.",
            )


def preferences(context: Context) -> Iterator[Fault]:
    document = context.document
    yield from _hints(
        context,
        ("preferences",),
        document.preferences.preferred,
        document.preferences.discouraged,
    )
    yield from _hints(context, ("application_context",), document.application_context.preferred, ())
    default, path = document.preferences.default, ("preferences", "default")
    yield from context.unusable(path, default)
    if default in document.constraints.disallowed_strategies:
        yield Fault(path, f"{default} is disallowed under constraints: name another one.")


def primitives(context: Context) -> Iterator[Fault]:
    for name, guide in context.document.primitives.items():
        path: Path = ("primitives", name)
        primitive = context.primitives.get(name)
        if primitive is None:
            known = instead(name, list(context.primitives))
            yield Fault(path, f"There is no primitive {name}: {known}")
            yield from _hints(context, path, guide.preferred, guide.discouraged)
        else:
            yield from _guide(context, path, primitive, guide)


def _guide(
    context: Context, path: Path, primitive: Primitive, guide: PrimitiveGuide
) -> Iterator[Fault]:
    usable = [
        name
        for name in context.strategies
        if context.takes(name, primitive.type) and context.is_enabled(name)
    ]
    if not usable:
        yield Fault(
            path,
            f"{primitive.name} is of type {primitive.type.value}, for which type_compatibility has "
            "no strategy that is enabled: add one there, or take the primitive out.",
        )
        return
    yield from _hints(context, path, guide.preferred, guide.discouraged)
    named = chain(
        (((*path, "preferred", at), name) for at, name in enumerate(guide.preferred)),
        (((*path, "discouraged", at), name) for at, name in enumerate(guide.discouraged)),
        (((*path, "bounds", name), name) for name in guide.bounds),
        (((*path, "priors", name), name) for name in guide.priors),
        (((*path, "windows", name), name) for name in guide.windows),
    )
    for place, strategy in named:
        if strategy in context.strategies:
            yield from context.unfit(place, strategy, primitive.type)
    for phrase, term in guide.terms.items():
        yield from _term(context, (*path, "terms", phrase), primitive, term)


def _term(context: Context, path: Path, primitive: Primitive, term: Term) -> Iterator[Fault]:
    names = [name for name in (term.one_of, term.none_of) if name is not None]
    if len(names) != 1:
        yield Fault(path, "Say one_of or none_of, and one of them only.")
    if primitive.type not in WORDS:
        yield Fault(
            path, f"{primitive.name} is {primitive.type.value}, which no set has: take it out."
        )
        return
    sets = context.document.domain.sets
    for name in names:
        place = (*path, "one_of" if name == term.one_of else "none_of")
        if name not in sets:
            yield Fault(place, f"There is no set {name} under domain: {instead(name, list(sets))}")
            continue
        strange = sorted(set(sets[name]) - set(primitive.labels)) if primitive.labels else []
        if strange:
            yield Fault(
                place,
                f"{name} has {one_of(strange, 'and')}, which {primitive.name} never is: it is "
                f"{one_of(list(primitive.labels))}.",
            )


def mappings(context: Context) -> Iterator[Fault]:
    for phrase, mapped in context.document.mappings.items():
        path: Path = ("mappings", phrase)
        yield from context.unusable((*path, "strategy"), mapped.strategy)
        yield from _meant(context, path, mapped)
        signature = context.signature(mapped.strategy)
        if signature is None or mapped.direction is None:
            continue
        direction = signature.parameters.get(DIRECTION)
        choices = list(direction.choices) if direction else []
        if mapped.direction not in choices:
            said = f"write {one_of(choices)}" if choices else "it has none; take it out"
            yield Fault(
                (*path, "direction"),
                f"{mapped.direction} is no direction of {mapped.strategy}: {said}.",
            )


def _meant(context: Context, path: Path, mapped: Mapped) -> Iterator[Fault]:
    """The primitive that a mapping is about can be watched, and judged like that."""
    if mapped.primitive is None:
        return
    place = (*path, "primitive")
    known = [name for name in context.primitives if name in context.document.primitives]
    if mapped.primitive not in known:
        yield Fault(
            place,
            f"There is no primitive {mapped.primitive} here: {instead(mapped.primitive, known)}",
        )
    elif mapped.strategy in context.strategies:
        kind = context.primitives[mapped.primitive].type
        yield from context.unfit(place, mapped.strategy, kind)


def constraints(context: Context) -> Iterator[Fault]:
    limits = context.document.constraints
    path: Path = ("constraints",)
    for at, name in enumerate(limits.disallowed_strategies):
        yield from context.unknown((*path, "disallowed_strategies", at), name)
    for at, name in enumerate(limits.disallowed_primitives):
        if name not in context.primitives:
            known = instead(name, list(context.primitives))
            yield Fault(
                (*path, "disallowed_primitives", at), f"There is no primitive {name}: {known}"
            )
    yield from repeated((*path, "disallowed_strategies"), limits.disallowed_strategies)
    yield from repeated((*path, "disallowed_primitives"), limits.disallowed_primitives)
    for name, version in limits.minimum_versions.items():
        place = (*path, "minimum_versions", name)
        yield from context.unknown(place, name)
        if version < 1:
            yield Fault(place, f"Versions of {name} begin with 1: write 1 or more.")
    if not 1 <= limits.max_conditions <= 100:
        yield Fault((*path, "max_conditions"), "max_conditions must be from 1 to 100.")


def _hints(
    context: Context, path: Path, preferred: tuple[str, ...], discouraged: tuple[str, ...]
) -> Iterator[Fault]:
    for at, name in enumerate(preferred):
        yield from context.unusable((*path, "preferred", at), name)
        if name in discouraged:
            yield Fault(
                (*path, "preferred", at), f"{name} is preferred and discouraged: choose one."
            )
    for at, name in enumerate(discouraged):
        yield from context.unknown((*path, "discouraged", at), name)
    yield from repeated((*path, "preferred"), preferred)
    yield from repeated((*path, "discouraged"), discouraged)


def repeated(path: Path, names: Iterable[str]) -> Iterator[Fault]:
    seen: set[str] = set()
    for at, name in enumerate(names):
        if name in seen:
            yield Fault((*path, at), f"{name} is in this list already: say it once.")
        seen.add(name)
