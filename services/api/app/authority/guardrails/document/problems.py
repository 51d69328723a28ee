"""What is wrong with a document, and where. Pure."""

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from app.domain.refusals import GuardrailsInvalid

Step = str | int
Path = tuple[Step, ...]
"""From the document's top: keys of mappings and indexes of lists."""

SHOWN = 200
"""More errors than these help nobody."""

LONGEST_STEP = 80
LONGEST_MESSAGE = 400
"""A document may have names as long as itself, and errors about them."""

MOST_NAMED = 15
"""Of more names than these an error counts the rest; primitives are all in docs/primitives.md."""


@dataclass(frozen=True, slots=True)
class Spot:
    """Both count from 1, as editors do."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong at a path, before its line is looked up."""

    path: Path
    message: str


@dataclass(frozen=True, slots=True)
class Problem:
    """One sentence that says what to do, and where."""

    spot: Spot
    path: Path
    message: str

    def as_json(self) -> dict[str, Any]:
        return {
            "line": self.spot.line,
            "column": self.spot.column,
            "path": "/".join(_short(str(step), LONGEST_STEP) for step in self.path),
            "message": _short(self.message, LONGEST_MESSAGE),
        }


def invalid(problems: list[Problem], what: str = "guardrails document") -> GuardrailsInvalid:
    """All problems as one refusal, in the order of the text."""
    ordered = sorted(
        {(each.spot.line, each.spot.column, each.message): each for each in problems}.items()
    )
    shown = [each.as_json() for _, each in ordered[:SHOWN]]
    count, first = len(ordered), ordered[0][1]
    many = "one error" if count == 1 else f"{count} errors"
    left = f" Only the first {SHOWN} are listed." if count > SHOWN else ""
    return GuardrailsInvalid(
        f"The {what} cannot be used: it has {many}. Line {first.spot.line}, column "
        f"{first.spot.column}: {_short(first.message, LONGEST_MESSAGE)}{left}",
        details={"errors": shown},
    )


def _short(text: str, most: int) -> str:
    """The text, without its middle where it is longer than `most`."""
    if len(text) <= most:
        return text
    half = (most - 5) // 2
    return f"{text[:half]} ... {text[-half:]}"


def one_of(names: list[str], word: str = "or") -> str:
    """``a, b or c``."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {word} {names[-1]}"


def instead(name: str, known: list[str]) -> str:
    """What to write where `name` is not known: the nearest name, or all that there are."""
    near = get_close_matches(name, known, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]}?"
    if not known:
        return "there are none to choose from; take it out."
    names = sorted(known)
    left = len(names) - MOST_NAMED
    if left > 1:
        names = [*names[:MOST_NAMED], f"{left} more"]
    return f"there is {one_of(names, 'and')}."


def is_at(path: Path, place: Path) -> bool:
    """Whether a path is at a place, in which ``*`` is any one step."""
    return len(path) == len(place) and all(
        step in {"*", found} for found, step in zip(path, place, strict=True)
    )
