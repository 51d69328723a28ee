"""Whoever keeps the store: what it is told, what becomes an ask, who may."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import Engine

from app.authority.catalog import Catalog
from app.authority.catalog.adopting import Adopting
from app.authority.catalog.annotations import Annotations
from app.authority.housekeeping import Housekeeping
from app.authority.ledger import Kind, Ledger
from app.authority.lifecycle.serving import Serving
from app.authority.permissions import Grant, Permission
from app.authority.policy.hard import HardPolicy
from app.domain.actors import Actor, Role
from app.domain.models import CatalogModel
from app.domain.refusals import Forbidden, InvalidRequest, ModelNotFound, TrashNotFound
from app.domain.terms import OwnTerms, UsualTerms
from tests.fakes.clock import FixedClock
from tests.model_files import good_model
from tests.unit.catalog.conftest import OPERATOR, Import

ADVISOR = Actor("key:advisor", "advisor", frozenset({Role.ADVISOR}))
CLIENT = Actor("key:client", "client", frozenset({Role.CLIENT}))
AUDITOR = Actor("key:auditor", "auditor", frozenset({Role.AUDITOR}))
APPROVER = Actor("key:approver", "approver", frozenset({Role.APPROVER}))


@dataclass(frozen=True)
class Entry:
    id: str
    model_id: str
    state: str = "trashed"
    digest: str = "d" * 64
    size_bytes: int = 7
    freed_bytes: int | None = None
    trashed_us: int = 1
    purge_after_us: int = 2
    ask: str = "abcdefgh"


@dataclass
class Bin:
    model: CatalogModel | None = None
    held: list[Entry] = field(default_factory=list)
    restored: list[str] = field(default_factory=list)

    def entries(self) -> list[Entry]:
        return self.held

    def restore(self, grant: Grant, trash_id: str) -> CatalogModel:
        assert grant.permission is Permission.STORE_RESTORE
        self.restored.append(trash_id)
        assert self.model is not None
        return self.model


@dataclass
class Desk:
    """Where asks are made."""

    made: list[tuple[str, Mapping[str, Any], str]] = field(default_factory=list)

    async def ask(
        self,
        actor: Actor,
        act: str,
        params: Mapping[str, Any],
        reason: str = "",
        request_id: str | None = None,
    ) -> dict[str, Any]:
        self.made.append((act, params, reason))
        return {"id": "abcdefgh"}


@dataclass
class Residents:
    kept: list[tuple[str, bool]] = field(default_factory=list)

    annotations: Annotations | None = None

    def keep(self, grant: Grant, model_id: str, *, pinned: bool) -> None:
        self.kept.append((model_id, pinned))

    def own_terms(self, model_id: str) -> OwnTerms:
        assert self.annotations is not None
        return self.annotations.own_terms(model_id)

    def usual_terms(self, model: CatalogModel) -> UsualTerms:
        settings = UsualTerms(4096, 4, 3600)
        return settings.for_model(self.own_terms(model.id), max_context=model.max_context)


@dataclass
class Keeper:
    housekeeping: Housekeeping
    trash: Bin
    desk: Desk
    residents: Residents


@pytest.fixture
def keeper(
    catalog: Catalog, ledger: Ledger, engine: Engine, take: Import, tmp_path: Path
) -> Keeper:
    model = take(good_model(tmp_path / "m"), "a/b")
    said = Annotations(catalog, engine)
    trash, desk, residents = Bin(model), Desk(), Residents(annotations=said)
    made = Housekeeping(
        catalog=catalog,
        annotations=said,
        entries=trash.entries,
        put_back=trash.restore,
        asks=desk,
        serving=cast(Serving, residents),
        policy=HardPolicy(),
        adopting=Adopting(catalog, ledger, FixedClock(), {}),
        home=tmp_path,
    )
    return Keeper(made, trash, desk, residents)


def test_the_store_is_told_with_its_trash_and_its_volume(keeper: Keeper, tmp_path: Path) -> None:
    keeper.trash.held = [Entry("t1", "a/c"), Entry("t2", "a/d", state="purged")]
    held = tmp_path / "trash" / "t1" / "view"
    held.mkdir(parents=True)
    (held / "file").write_bytes(b"x" * 5000)
    (tmp_path / "store" / "stray").write_bytes(b"y")
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "prompts").write_bytes(b"z" * 300)
    told = asyncio.run(keeper.housekeeping.store(OPERATOR))
    assert [(e["id"], e["apparent_bytes"]) for e in told["trash"]] == [("t1", 5000)]
    assert told["uses"]["trash"]["apparent_bytes"] == 5000
    assert told["uses"]["caches"]["apparent_bytes"] == 300
    assert (told["orphans"], told["orphans_count"]) == (["stray"], 1)
    assert [m["id"] for m in told["models"]] == ["a/b"]
    assert 0 < told["volume"]["free_bytes"] <= told["volume"]["total_bytes"]
    assert told["total"]["bytes"] == sum(use["bytes"] for use in told["uses"].values())


@pytest.mark.parametrize(
    ("what", "act", "params"),
    [
        ("downloads", "cache_purge", {"what": "downloads"}),
        ("caches", "cache_purge", {"what": "caches"}),
        ("orphans", "cache_purge", {"what": "orphans"}),
        ("trash", "trash_purge", {"trash": "all"}),
        ("trash/0badcafe", "trash_purge", {"trash": "0badcafe"}),
    ],
)
def test_a_purge_is_asked_for_and_nothing_is_done(
    keeper: Keeper, what: str, act: str, params: dict[str, Any]
) -> None:
    purge = keeper.housekeeping.purge(OPERATOR, what, reason="full", request_id=None)
    assert asyncio.run(purge) == {"id": "abcdefgh"}
    assert keeper.desk.made == [(act, params, "full")]


@pytest.mark.parametrize("what", ["", "models", "orphans/x", "../trash", "downloads/x", "TRASH"])
def test_what_cannot_be_purged_is_refused(keeper: Keeper, what: str) -> None:
    with pytest.raises(InvalidRequest):
        asyncio.run(keeper.housekeeping.purge(OPERATOR, what, reason="", request_id=None))
    assert keeper.desk.made == []


def test_a_deletion_is_asked_for(keeper: Keeper) -> None:
    for drain in (False, True):
        asked = keeper.housekeeping.delete(
            OPERATOR, "a/b", drain=drain, reason="old", request_id=None
        )
        asyncio.run(asked)
    assert keeper.desk.made == [
        ("model_delete", {"model": "a/b"}, "old"),
        ("model_delete", {"model": "a/b", "drain": True}, "old"),
    ]


def test_a_restore_names_an_entry_or_the_newest_of_a_model(keeper: Keeper) -> None:
    keeper.trash.held = [
        Entry("t1", "a/c"),
        Entry("t2", "a/c"),
        Entry("t3", "a/c", state="purged"),
    ]
    for which, entry in (("t1", "t1"), ("a/c", "t2")):
        assert asyncio.run(keeper.housekeeping.restore(OPERATOR, which))["id"] == "a/b"
        assert keeper.trash.restored[-1] == entry
    with pytest.raises(TrashNotFound):
        asyncio.run(keeper.housekeeping.restore(OPERATOR, "a/none"))


def test_a_pin_reaches_the_model_in_memory(keeper: Keeper, ledger: Ledger) -> None:
    said = asyncio.run(keeper.housekeeping.pin(OPERATOR, "a/b", pinned=True))
    assert said["pinned"] is True
    assert keeper.residents.kept == [("a/b", True)]
    assert len(ledger.events(kind=Kind.MODEL_CHANGED)) == 1


def test_aliases_and_notes_come_back_with_the_model(keeper: Keeper) -> None:
    keeping = keeper.housekeeping
    assert asyncio.run(keeping.put_alias(OPERATOR, "a/b", "tiny"))["aliases"] == ["tiny"]
    assert asyncio.run(keeping.note(OPERATOR, "a/b", "x"))["note"] == "x"
    assert asyncio.run(keeping.remove_alias(OPERATOR, "a/b", "tiny"))["aliases"] == []
    with pytest.raises(ModelNotFound):
        asyncio.run(keeping.note(OPERATOR, "no/model", "x"))


def test_terms_come_back_with_what_a_load_gets(keeper: Keeper) -> None:
    keeping = keeper.housekeeping
    told = asyncio.run(keeping.set_terms(OPERATOR, "a/b", context=64, idle_s=0))
    assert told["terms"] == {"context": 64, "slots": None, "idle_s": 0}
    assert told["usual"] == {"context": 64, "slots": 4, "idle_s": 0}
    told = asyncio.run(keeping.set_terms(OPERATOR, "a/b", idle_s=None, slots=2))
    assert told["terms"] == {"context": 64, "slots": 2, "idle_s": None}
    with pytest.raises(InvalidRequest, match="Say which term"):
        asyncio.run(keeping.set_terms(OPERATOR, "a/b"))


def test_a_chain_comes_back_with_the_model(keeper: Keeper, take: Import, tmp_path: Path) -> None:
    take(good_model(tmp_path / "n", seed=1), "a/c")
    told = asyncio.run(keeper.housekeeping.put_alias(OPERATOR, "a/b", "tiny", ["a/c"]))
    assert (told["aliases"], told["chains"]) == (["tiny"], {"tiny": ["a/b", "a/c"]})


@pytest.mark.parametrize("actor", [ADVISOR, CLIENT, AUDITOR, APPROVER], ids=lambda a: a.name)
def test_only_an_operator_asks_restores_and_says(
    keeper: Keeper, ledger: Ledger, actor: Actor
) -> None:
    keeping, size = keeper.housekeeping, ledger.size()
    for attempt in (
        keeping.delete(actor, "a/b", drain=False, reason="", request_id=None),
        keeping.purge(actor, "trash", reason="", request_id=None),
        keeping.restore(actor, "t1"),
        keeping.put_alias(actor, "a/b", "tiny"),
        keeping.remove_alias(actor, "a/b", "tiny"),
        keeping.pin(actor, "a/b", pinned=True),
        keeping.note(actor, "a/b", "x"),
        keeping.set_terms(actor, "a/b", slots=2),
    ):
        with pytest.raises(Forbidden):
            asyncio.run(attempt)
    assert (keeper.desk.made, keeper.trash.restored, ledger.size()) == ([], [], size)


def test_who_may_look_at_the_store(keeper: Keeper) -> None:
    for actor in (OPERATOR, AUDITOR, APPROVER):
        asyncio.run(keeper.housekeeping.store(actor))
        asyncio.run(keeper.housekeeping.trashed(actor))
    for actor in (ADVISOR, CLIENT):
        with pytest.raises(Forbidden):
            asyncio.run(keeper.housekeeping.store(actor))
