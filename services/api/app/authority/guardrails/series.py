"""The names of what is read: one series for the whole system, one for each model or actor. Pure."""

from app.authority.guardrails.values import Scope


def series_key(primitive: str, scope: Scope = Scope.ALL, key: str = "") -> str:
    """Return the name of a series: ``latency``, ``latency@model:lmx/starter``."""
    return primitive if scope is Scope.ALL else f"{primitive}@{scope}:{key}"


def series_parts(series: str) -> tuple[str, Scope, str]:
    """Return the primitive, the scope and the key of a series' name."""
    primitive, scoped, rest = series.partition("@")
    if not scoped:
        return primitive, Scope.ALL, ""
    scope, _, key = rest.partition(":")
    return primitive, Scope(scope), key
