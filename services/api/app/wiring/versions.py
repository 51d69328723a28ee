"""The only place that says what took part in everything this server did, for its runs."""

import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from typing import Final

from app.authority.rules import rules_digest
from app.domain.revisions import REVISIONS

_LIBRARIES: Final = ("mlx", "mlx-lm", "transformers")


def versions_of(version: str) -> dict[str, str]:
    """By name: the release, the rules and the schema it ran with, and what computes for it."""
    return {
        "lmx": version,
        "rules": rules_digest(),
        "schema": REVISIONS[-1],
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        **{name: _installed(name) for name in _LIBRARIES},
    }


def _installed(name: str) -> str:
    try:
        return installed_version(name)
    except PackageNotFoundError:
        return "absent"
