"""The documents and tasks that there are, as they stand now."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from app.authority.guardrails import showing
from app.authority.guardrails.adding import task_id
from app.authority.guardrails.changing import Changing
from app.authority.guardrails.standing import Now, definition_of
from app.authority.guardrails.store import BindingRow, DefinitionRow, VersionRow
from app.domain.refusals import GuardrailsNotFound, InvalidRequest

Json = dict[str, Any]

MOST_TASKS: Final = 500
"""How many tasks one answer lists."""
MOST_VERSIONS: Final = 500
NEWEST: Final = 2**53
"""No document has so high a number."""


def versions(changing: Changing, *, cursor: str | None, limit: int) -> Json:
    """``{versions, active, next}``: what was loaded, the newest first, `limit` of it before the
    number `cursor`; `next` goes on. `active`: the number of the active one. Raises
    InvalidRequest."""
    before = NEWEST if cursor is None else page_number(cursor)
    limit = max(1, min(limit, MOST_VERSIONS))
    rows = changing.standing.store.versions(before, limit + 1)
    page = rows[:limit]
    return {
        "versions": _versions(changing, page),
        "active": changing.standing.current().version,
        "next": str(page[-1].version) if len(rows) > limit else None,
    }


def page_number(cursor: str) -> int:
    """Raises InvalidRequest for what is no cursor of a list of numbers."""
    if not (cursor.isascii() and cursor.isdecimal()) or len(cursor) > 15:
        raise InvalidRequest(
            "The cursor is not one of this list's. Take what `next` of a page says, or leave it "
            "out to begin with the newest.",
            param="cursor",
        )
    return int(cursor)


def _versions(changing: Changing, rows: Sequence[VersionRow]) -> list[Json]:
    now = changing.standing.current()
    under = Counter(now.compiled_under.values())
    activated = {row.version: row.activated_us for row in changing.standing.store.activations()}
    return [
        showing.version(
            row,
            active=now.version,
            activated_us=activated.get(row.version),
            tasks=under[row.version],
        )
        for row in rows
    ]


def version(changing: Changing, number: int) -> Json:
    """One of them, with its text. Raises GuardrailsNotFound, AuditUnavailable."""
    row = changing.standing.documents.row(number)
    changing.standing.documents.get(number)  # as the ledger recorded it
    (found,) = _versions(changing, [row])
    return {**found, "document": row.document.decode()}


def diff(changing: Changing, before: int, after: int) -> Json:
    """What differs between two documents, and which bound tasks read any of it."""
    was = changing.standing.documents.get(before).document
    then = changing.standing.documents.get(after).document
    change = changing.change(before, after)
    return {
        "from": before,
        "to": after,
        "changes": showing.changes(change.keys, was, then),
        "affected": sorted(changing.standing.current().index.by(change)),
    }


def tasks(changing: Changing, *, retired: bool, cursor: str | None, limit: int) -> Json:
    """``{tasks, next}``: what decides, by task, `limit` of them past the id `cursor`; `next` goes
    on. `retired`: what once did as well. Raises InvalidRequest."""
    after = "" if cursor is None else task_id(cursor, "cursor")
    limit = max(1, min(limit, MOST_TASKS))
    now, store = changing.standing.current(), changing.standing.store
    affected = changing.affected(now, now.version)
    listed = [
        binding
        for binding in store.bindings()
        if binding.task > after and (retired or binding.task in now.definitions)
    ]
    page = listed[:limit]
    rows = {row.id: row for row in store.bound()} if page else {}
    return {
        "tasks": [
            _task(changing, now, binding, affected, rows.get(binding.task)) for binding in page
        ],
        "next": page[-1].task if len(listed) > limit else None,
    }


def task(changing: Changing, name: str) -> Json:
    """One task with why it is what it is, and every binding there was. GuardrailsNotFound."""
    now, store = changing.standing.current(), changing.standing.store
    bindings = store.history(name)
    if not bindings:
        raise GuardrailsNotFound(
            f"There is no task {name[:64]!r}. lmx guardrails tasks lists them.", param="id"
        )
    newest = bindings[-1]
    definition = changing.standing.known()[name, _last(changing, newest)]
    return (
        showing.whole(definition)
        | _task(changing, now, newest, changing.affected(now, now.version))
        | {"history": showing.history(bindings, store.definitions(name))}
    )


def _task(
    changing: Changing,
    now: Now,
    binding: BindingRow,
    affected: frozenset[str],
    row: DefinitionRow | None = None,
) -> Json:
    """`row`: the definition's, where it is known."""
    row = row or changing.standing.store.definition(binding.task, _last(changing, binding))
    if row is None:
        raise AssertionError(binding)  # a foreign key holds it
    definition = now.definitions.get(binding.task) or definition_of(row)
    return showing.task(row, definition, binding, affected=binding.task in affected)


def _last(changing: Changing, binding: BindingRow) -> int:
    """The version that a binding is about: the one that decided before it was retired."""
    if binding.definition is not None:
        return binding.definition
    versions = [row.definition for row in changing.standing.store.history(binding.task)]
    return [each for each in versions if each is not None][-1]
