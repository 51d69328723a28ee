"""Reads `config.yaml` over the defaults; says all that is wrong at once, each with its line."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from app.configuration.problems import explained
from app.domain.refusals import StartRefused
from app.observability import printable, redact_text
from app.settings import Settings
from app.strict_yaml import (
    At,
    Document,
    Problem,
    UnreadableYaml,
    nearest_line,
    read_document,
)

NAME: Final = "config.yaml"
WHOLE_LIST: Final = "`lmx config schema` and docs/configuration.md say what may stand there."
_LEAK: Final = (
    "this looks like a secret, and none belongs in here: keep it in a file of its own that only "
    "this account can read, and name that file, as hub.token_file does"
)


class Unusable(ValueError):
    """A configuration that cannot be used, with everything that is wrong with it, in order."""

    def __init__(self, path: Path, problems: tuple[Problem, ...]) -> None:
        self.path = path
        self.problems = problems
        super().__init__(f"{path} cannot be used:" + "".join(f"\n  {found}" for found in problems))


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and where each came from: `lines` of the file, `given` on the command line."""

    settings: Settings
    path: Path
    lines: Mapping[At, int] = field(default_factory=dict)
    given: Mapping[str, Any] = field(default_factory=dict)


def load_settings(home: Path, *, port: int | None = None) -> Settings:
    """The settings to start with; raises StartRefused with everything that is wrong."""
    try:
        return loaded(home / NAME, {} if port is None else {"port": port}).settings
    except Unusable as error:
        raise StartRefused(f"{error}\n{WHOLE_LIST}") from None


def loaded(path: Path, given: Mapping[str, Any] | None = None) -> Loaded:
    """What the file at `path` says, under what was `given`; without a file, the defaults.

    Raises Unusable.
    """
    try:
        document = read_document(path) if path.exists() else Document()
    except UnreadableYaml as error:
        raise Unusable(path, _cannot(error.problems)) from None
    return checked(document, path, given or {})


def checked(document: Document, path: Path, given: Mapping[str, Any]) -> Loaded:
    problems = [*_cannot(document.problems), *_secrets(document)]
    seen = {problem.line for problem in problems}
    values = {**document.values, **given}
    settings = None
    try:
        # As JSON, so that a list is a list and a number a number: "4" is no 4, and yes is no 1.
        settings = Settings.model_validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        for at, said in explained(error):
            line = nearest_line(document.lines, at)
            if not line or line not in seen:
                problems.append(Problem(line, _safe(said)))
    if problems or settings is None:
        raise Unusable(path, tuple(sorted(set(problems))))
    return Loaded(settings, path, document.lines, dict(given))


def _cannot(problems: Any) -> tuple[Problem, ...]:
    return tuple(Problem(found.line, _safe(f"cannot be read: {found.said}")) for found in problems)


def _secrets(document: Document) -> list[Problem]:
    """Names and values that look like a secret. What they are is not said."""
    found = (
        nearest_line(document.lines, at) for at, said in _texts(document.values, ()) if _hides(said)
    )
    return [Problem(line, _LEAK) for line in found]


def _texts(value: Any, at: At) -> list[tuple[At, str]]:
    if isinstance(value, str):
        return [(at, value)]
    if isinstance(value, dict):
        names = [((*at, name), name) for name in value]
        return names + [t for name, item in value.items() for t in _texts(item, (*at, name))]
    if isinstance(value, list):
        return [t for place, item in enumerate(value) for t in _texts(item, (*at, place))]
    return []


def _hides(said: str) -> bool:
    return redact_text(said) != said


def _safe(said: str) -> str:
    return printable(redact_text(said))
