"""The only place that says which saved reports there are, and what each of them asks."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from app.authority.auditing.reports import access, destructive, duties, event_rows, refused
from app.authority.auditing.reports.shape import Column, Row
from app.authority.keys.person import is_id
from app.authority.ledger.filters import Filter
from app.authority.ledger.stored import StoredEvent
from app.domain.refusals import InvalidRequest
from app.evidence.vocabulary import Kind

_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_KEY: Final = re.compile(r"(?:key:)?([0-9a-f]{8})", re.ASCII)
_ACTORS: Final = frozenset({"system", "anonymous"})

Names = Sequence[str]
Selecting = Callable[[str, Names], tuple[Filter, ...]]
"""Which events belong to a subject: those of the first filter and of each further one, which
exclude one another. The names are what the ledger says the subject is also known by."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a report is about, where it has to be told."""

    name: str
    """As the command line shows it."""
    parse: Callable[[str], str]
    """Return the subject as it is looked for, or raise InvalidRequest."""


@dataclass(frozen=True, slots=True)
class Definition:
    """One saved report. Its events are selected and shown as rows, or judged by its own module."""

    name: str
    title: str
    question: str
    columns: tuple[Column, ...]
    notes: tuple[str, ...] = ()
    subject: Subject | None = None
    select: Selecting | None = None
    """None: its rows are not events, but what all of them together say."""
    row: Callable[[StoredEvent], Row] = field(default=event_rows.event_row)

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "title": self.title,
            "question": self.question,
            "subject": None if self.subject is None else self.subject.name,
            "columns": [column.as_dict() for column in self.columns],
        }

    def subject_of(self, text: str | None) -> str:
        """Return the subject that is meant, or raise InvalidRequest."""
        if self.subject is None:
            if text is not None:
                raise InvalidRequest(f"The report {self.name} takes no subject.", param="subject")
            return ""
        if text is None or not text.strip():
            raise InvalidRequest(
                f"The report {self.name} needs a subject: {self.subject.name}.", param="subject"
            )
        return self.subject.parse(text)


def is_digest(text: str) -> bool:
    return _DIGEST.fullmatch(text) is not None


def definition(name: str) -> Definition:
    """Return a report's definition, or raise InvalidRequest that names those there are."""
    found = REPORTS.get(name)
    if found is None:
        raise InvalidRequest(
            f"There is no report {name[:60]!r}. There are: {', '.join(REPORTS)}.", param="name"
        )
    return found


def _whose(text: str) -> str:
    """A person's id as it is, a key's with `key:` before it."""
    if is_id(text) or text in _ACTORS:
        return text
    if match := _KEY.fullmatch(text):
        return f"key:{match.group(1)}"
    raise InvalidRequest(
        f"{text[:60]!r} is no person's or key's id. They read p-0123abcd and 0123abcd: "
        "`lmx people ls` and `lmx keys ls` list them.",
        param="subject",
    )


def _about_model(subject: str, names: Names) -> tuple[Filter, ...]:
    if is_digest(subject):
        return (Filter(digest=subject), *(Filter(model=name) for name in names))
    return (Filter(model=subject),)


def _done_by(subject: str, keys: Names) -> tuple[Filter, ...]:
    if is_id(subject):
        return (Filter(person=subject), *(Filter(actor=f"key:{key}") for key in keys))
    return (Filter(actor=subject),)


def _kinds(*kinds: Kind) -> Selecting:
    return lambda _subject, _names: tuple(Filter(kind=str(kind)) for kind in kinds)


REPORTS: Final[Mapping[str, Definition]] = {
    one.name: one
    for one in (
        Definition(
            "model",
            "Everything about one model",
            "What happened to this model, and who did it?",
            event_rows.COLUMNS,
            (
                (
                    "Asked by digest, it holds the events that name the digest, and all events of "
                    "every name that the digest was imported under."
                ),
            ),
            subject=Subject("a model's name or digest", str.strip),
            select=_about_model,
        ),
        Definition(
            "person",
            "Everything one person or key did",
            "What did this person, or whoever held this key, do?",
            event_rows.COLUMNS,
            (
                "Refused attempts and readings of the ledger are among the acts.",
                "An event names whose key acted. That its owner held it then is not on record.",
            ),
            subject=Subject("a person's id or a key's id", _whose),
            select=_done_by,
        ),
        Definition(
            "destructive",
            "All destructive acts",
            "What was destroyed or ended for good, by whom, and who approved it?",
            destructive.COLUMNS,
            destructive.NOTES,
            select=_kinds(*destructive.DESTRUCTIVE),
            row=destructive.destructive_row,
        ),
        Definition(
            "refusals",
            "All refusals",
            "What was refused, to whom, and why?",
            refused.COLUMNS,
            refused.NOTES,
            select=_kinds(Kind.REFUSAL),
            row=refused.refusal_row,
        ),
        Definition(
            "access",
            "Who may do what, and since when",
            "Which keys and persons may do what, since when, and who gave or ended it?",
            access.COLUMNS,
            access.NOTES,
        ),
        Definition(
            "duties",
            "Separation of duties",
            "Are duties separated between persons as they ought to be?",
            duties.COLUMNS,
            duties.NOTES,
        ),
    )
}
"""Every saved report, by the name it is asked for."""
