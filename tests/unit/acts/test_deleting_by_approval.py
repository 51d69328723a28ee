"""A deletion on its whole way: asked for, approved, done, and its bytes purged after the grace."""

from dataclasses import replace
from pathlib import Path

from app.authority.acts.model_delete import ModelDelete
from app.authority.approvals.asking import Asking
from app.authority.approvals.challenges import Challenges
from app.authority.approvals.deciding import Deciding
from app.authority.approvals.executing import Executing
from app.authority.catalog import Catalog, KnownModels
from app.authority.catalog.removal.bin import Bin
from app.authority.catalog.removal.trash import Trash
from app.authority.governance import Governance
from app.authority.ledger import Kind
from app.authority.lifecycle.equipment import Equipment
from app.authority.lifecycle.serving import Serving
from app.authority.permissions import Permission, grant
from app.authority.policy.routing import Routing
from tests.fakes.engine import FakeEngineHost
from tests.fakes.governed import governed
from tests.fakes.lifecycle import LIMITS
from tests.fakes.memory import GIB, FixedMemory
from tests.fakes.removal import GRACE_S
from tests.model_files import good_model


async def test_one_approval_deletes_and_after_the_grace_purges(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    with governed(home) as held:
        office = held.office
        ledger, clock, engine = office.ledger, office.clock, office.engine
        catalog = Catalog(
            ledger, engine, clock=clock, store_dir=home / "store", known=KnownModels(())
        )
        trash = Trash(
            Bin(
                catalog=catalog,
                ledger=ledger,
                engine=engine,
                clock=clock,
                store=home / "store",
                directory=home / "trash",
                grace_s=lambda: GRACE_S,
            )
        )
        memory = FixedMemory(clock, total_bytes=GIB, used_bytes=lambda: 0)
        serving = Serving(
            Equipment(catalog, ledger, FakeEngineHost(), memory, clock, lambda: LIMITS)
        )
        act = ModelDelete(catalog, trash, serving, Routing({}))
        parts = replace(office.parts, acts={act.kind: act})
        deciding = Deciding(parts, Challenges(clock))
        executing = Executing(parts, deciding)
        office.parts = parts
        office.governance = Governance(parts, Asking(parts), deciding, executing)
        model = catalog.import_directory(
            grant(office.owner, Permission.MODEL_IMPORT),
            good_model(tmp_path / "source"),
            "acme/tiny",
            lambda _: None,
            lambda: False,
        )

        executed = await held.done("model_delete", model="acme/tiny")
        assert executed.effect.outcome == "done"
        assert catalog.ids() == set()
        (entry,) = trash.entries()
        assert (entry.ask, entry.plan, entry.state) == (
            executed.ask.id,
            executed.ask.plan,
            "trashed",
        )
        assert trash.due() == []

        clock.advance(GRACE_S)
        (due,) = trash.due()
        effect = await executing.purging(due.ask)
        assert effect.outcome == "done"
        assert effect.freed_bytes >= model.size_bytes
        assert trash.due() == []
        phases = [event.data.get("phase") for event in ledger.events(kind=Kind.ACT_OUTCOME)]
        assert phases == ["act", "purge"]
        assert ledger.events(kind=Kind.ACT_OUTCOME)[1].data["freed_bytes"] == effect.freed_bytes
        await serving.close()
