"""What is said of a backup goes on record only as far as this ledger says the same."""

from typing import Any

import pytest

from app.authority.auditing.keeping_backups import KeepingBackups
from app.backups import Made
from app.domain.actors import Actor, Role
from app.domain.refusals import BackupRefused, Forbidden
from app.evidence.vocabulary import Kind
from tests.fakes.home import Home

OPERATOR = Actor("key:0badcafe", "operator", frozenset({Role.OPERATOR}))
AUDITOR = Actor("key:0badf00d", "auditor", frozenset({Role.AUDITOR}))


def said(made: Made) -> dict[str, Any]:
    found = made.manifest
    return {
        "name": found.name,
        "manifest": made.digest,
        "size": found.size,
        "root": found.root,
        "size_bytes": found.size_bytes,
    }


def keeping(home: Home) -> KeepingBackups:
    return KeepingBackups(home.kept)


async def test_a_backup_of_this_ledger_is_an_event(home: Home, made: Made) -> None:
    answer = await keeping(home).record(OPERATOR, **said(made))
    event = home.kept.event(answer["event"])
    assert (event.kind, event.subject) == (Kind.BACKUP_MADE, made.name)
    assert event.data["manifest"] == made.digest


@pytest.mark.parametrize(
    "other", [{"root": "00" * 32}, {"size": 999}, {"manifest": "no digest"}, {"size": 0}]
)
async def test_one_of_another_ledger_is_refused(
    home: Home, made: Made, other: dict[str, Any]
) -> None:
    before = home.size()
    with pytest.raises(BackupRefused):
        await keeping(home).record(OPERATOR, **(said(made) | other))
    assert home.size() == before


async def test_only_operators_put_one_on_record(home: Home, made: Made) -> None:
    with pytest.raises(Forbidden):
        await keeping(home).record(AUDITOR, **said(made))
