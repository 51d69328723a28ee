"""Every route that an application has, however its routers are nested."""

from typing import Any

from starlette.routing import BaseRoute


def path_of(route: BaseRoute) -> str:
    return getattr(route, "path", "")


def flat(routes: Any) -> list[BaseRoute]:
    found: list[BaseRoute] = []
    for route in routes:
        inner = getattr(route, "original_router", route)
        found += flat(inner.routes) if hasattr(inner, "routes") else [route]
    return found
