"""What was decided, read back: listed, explained, and decided again from its record."""

import re
from collections.abc import Iterator
from typing import Any, Final

from app.authority.guardrails.archive import Archive
from app.authority.guardrails.explaining import explain
from app.authority.guardrails.overview import page_number
from app.authority.guardrails.records import clean, from_bytes
from app.authority.guardrails.replaying import replay
from app.authority.guardrails.sealed import Seals
from app.authority.guardrails.values import Point
from app.authority.guardrails.verdicts import OUTCOMES
from app.authority.guardrails.watching.decision_store import DecisionStore, Kept
from app.authority.ledger.store import Ledger
from app.domain.refusals import GuardrailsNotFound, InvalidRequest

Json = dict[str, Any]

AT_MOST: Final = 500
CHUNK: Final = 500
NAMED: Final = 1000
"""How many decisions that come out otherwise are told one by one."""
_BEGINNING: Final = re.compile(r"[0-9a-f]{6,64}")
_COLUMNS: Final = ("at_us", "point", "subject", "actor", "outcome")
"""What a row says beside its record, which is what counts."""
_TASK, _HASH, _TRIGGERED = 0, 2, 5
"""Places in a record's row of a verdict."""


def page(
    decisions: DecisionStore,
    *,
    task: str | None,
    point: str | None,
    outcome: str | None,
    cursor: str | None,
    limit: int,
) -> Json:
    """Decisions, the newest first. Raises InvalidRequest."""
    _one_of("point", point, [str(each) for each in Point])
    _one_of("outcome", outcome, list(OUTCOMES))
    limit = max(1, min(limit, AT_MOST))
    found = decisions.page(
        task=task,
        point=point,
        outcome=outcome,
        before=None if cursor is None else page_number(cursor),
        limit=limit,
    )
    return {
        "decisions": [shown(kept) for kept in found],
        "next": str(found[-1].seq) if len(found) == limit else None,
    }


def one(decisions: DecisionStore, archive: Archive, beginning: str) -> Json:
    """A decision by its digest, with its record, and why. Raises GuardrailsNotFound."""
    if not _BEGINNING.fullmatch(beginning):
        raise InvalidRequest(
            "A decision is named by its id, or by six or more of its first digits. lmx guardrails "
            "decisions lists them.",
            param="id",
        )
    found = decisions.find(beginning)
    if not found:
        raise GuardrailsNotFound(
            f"There is no decision {beginning}. lmx guardrails decisions lists them.", param="id"
        )
    if len(found) > 1:
        raise InvalidRequest(
            f"Several decisions begin with {beginning}. Give more of its digits.", param="id"
        )
    kept = found[0]
    return shown(kept) | {"record": _record(kept), "sentences": _sentences(kept, archive)}


def shown(kept: Kept) -> Json:
    """A decision in a list: `fired` are the tasks whose condition was met."""
    return {
        "id": kept.digest,
        "seq": kept.seq,
        "at_us": kept.at_us,
        "point": kept.point,
        "subject": kept.subject,
        "actor": kept.actor,
        "outcome": kept.outcome,
        "fired": _fired(kept),
    }


def replayed(
    decisions: DecisionStore,
    archive: Archive,
    ledger: Ledger,
    *,
    since_us: int | None,
    until_us: int | None,
    limit: int | None,
) -> Json:
    """Decide again, from the records alone; `limit`: the newest so many.

    `missing`: binding hashes of which no definition is kept and, where all is decided again,
    decisions that are gone from their row of numbers or are not those that the ledger has: somebody
    took them away or changed them by other means.
    """
    checked = identical = 0
    different: list[Json] = []
    missing: set[str] = set()
    everything = (since_us, until_us, limit) == (None, None, None)
    seals = Seals(ledger, decisions) if everything else None
    last = 0
    for kept in _asked_for(decisions, since_us or 0, until_us, limit):
        if seals is not None:
            if kept.seq != last + 1:
                missing.add(f"decisions {last + 1} to {kept.seq - 1}")
            seals.see(kept)
        last = kept.seq
        checked += 1
        gone = _hashes(kept) - {each for each in _hashes(kept) if each in archive}
        missing |= gone
        if gone:
            continue
        again = replay(kept.record, archive, kept.digest)
        differences = [*_unlike(kept), *again.differences]
        identical += not differences
        if differences and len(different) < NAMED:
            different.append({"id": kept.digest, "differences": differences})
    if seals is not None:
        missing.update(seals.end())
    return {
        "checked": checked,
        "identical": identical,
        "different": different,
        "missing": sorted(missing),
    }


def _asked_for(
    decisions: DecisionStore, since_us: int, until_us: int | None, limit: int | None
) -> Iterator[Kept]:
    if limit is None:
        until = {} if until_us is None else {"until_us": until_us}
        yield from decisions.each(since_us=since_us, **until)
        return
    before, left = None, limit
    while left > 0:
        rows = decisions.page(before=before, limit=CHUNK)
        for kept in rows:
            if since_us <= kept.at_us and (until_us is None or kept.at_us < until_us) and left > 0:
                left -= 1
                yield kept
        if len(rows) < CHUNK:
            return
        before = rows[-1].seq


def _sentences(kept: Kept, archive: Archive) -> list[str]:
    altered = [] if kept.intact else ["The record is not the one that was kept: it was altered."]
    altered += _unlike(kept)
    try:
        return altered + explain(kept.record, archive)
    except ValueError as unreadable:
        return [*altered, str(unreadable)]


def _unlike(kept: Kept) -> list[str]:
    """In what a row and its record differ; of a record that cannot be read others tell."""
    try:
        body = kept.body
        says = {name: clean(f"{getattr(kept, name)}") for name in _COLUMNS}
        return [
            f"Its row was altered: {name} is {said}, and {body[name]} in its record."
            for name, said in says.items()
            if said != f"{body[name]}"
        ]
    except (ValueError, LookupError, TypeError):
        return []


def _record(kept: Kept) -> Any:
    try:
        return from_bytes(kept.record)
    except ValueError:
        return None


def _fired(kept: Kept) -> list[str]:
    try:
        met = [row[_TASK] for row in kept.body["verdicts"] if row[_TRIGGERED] is True]
    except (ValueError, LookupError, TypeError):
        return []
    return sorted(set(map(str, met)))


def _hashes(kept: Kept) -> set[str]:
    try:
        body = kept.body
        return {str(row[_HASH]) for row in (*body["verdicts"], *body["errors"])}
    except (ValueError, LookupError, TypeError):
        return set()


def _one_of(name: str, value: str | None, allowed: list[str]) -> None:
    if value is not None and value not in allowed:
        raise InvalidRequest(
            f"There is no such {name}. There are: {', '.join(allowed)}.", param=name
        )
