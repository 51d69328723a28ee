"""Before which acts, or on the tick, a rule is asked. Pure."""

from app.authority.guardrails.compiler.findings import Findings, unclear
from app.authority.guardrails.primitives import PRIMITIVES
from app.authority.guardrails.strategies.wording import spoken
from app.authority.guardrails.values import Action, Intent, Point


def points_of(intent: Intent, watched: frozenset[str], findings: Findings) -> tuple[Point, ...]:
    """The points of the intent, or those that follow from what is watched where it names none."""
    if intent.points or not watched:
        return _allowed(intent, watched, findings)
    return _implied(intent.action, watched, findings)


def _allowed(intent: Intent, watched: frozenset[str], findings: Findings) -> tuple[Point, ...]:
    if Point.TICK in intent.points and intent.action is not Action.ALERT:
        findings.violated(
            "point.tick",
            f"on the tick there is no act to hold up, so that {intent.action.value} means nothing: "
            "alert, or name the acts",
            "points",
        )
    for name in sorted(watched):
        readable = PRIMITIVES[name].points
        for point in intent.points:
            if point not in readable:
                findings.violated(
                    "point.unreadable",
                    f"{spoken(name)} cannot be read at {point.value}: it can at "
                    f"{', '.join(each.value for each in readable)}",
                    "points",
                )
    return tuple(point for point in Point if point in intent.points)


def _implied(action: Action, watched: frozenset[str], findings: Findings) -> tuple[Point, ...]:
    """An alert comes on the tick where that is possible; whatever stops an act, before every act
    that it is about. A rule about the whole system does not say which acts it stops."""
    common = [point for point in Point if all(point in PRIMITIVES[name].points for name in watched)]
    if not common:
        findings.violated(
            "point.unreadable",
            f"there is no act at which all of {_listed(watched)} can be read",
            "points",
        )
    if Point.TICK not in common:
        return tuple(common)
    if action is Action.ALERT:
        return (Point.TICK,)
    acts = [point.value for point in common if point is not Point.TICK]
    findings.asks(
        unclear(
            f"Before which acts is this to {spoken(action.value)}? "
            f"{_listed(watched)} is about no act in particular.",
            where="points",
            choices=acts,
        )
    )
    return ()


def _listed(names: frozenset[str]) -> str:
    return ", ".join(spoken(name) for name in sorted(names))
