"""What runs of models that come in or are changed are filed under, and what they say."""

from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Engine

from app.authority.catalog import Catalog
from app.authority.catalog.adopting import Adopting
from app.authority.catalog.annotations import Annotations
from app.authority.catalog.caches import Program
from app.authority.ledger import Ledger
from app.authority.permissions import Permission, grant
from app.evidence.indexing import index_row
from app.evidence.vocabulary import ACTION, Kind
from tests.model_files import good_model
from tests.unit.catalog.conftest import OPERATOR, Adopt, Import

DECISION = {"outcome": "allow", "rules": [], "policy_hash": "0" * 64, "errors": []}


def last(ledger: Ledger, kind: Kind) -> tuple[str, dict[str, Any]]:
    """What the newest event of that kind is filed under, and the run it names."""
    event = ledger.events(kind=str(kind), limit=100)[-1]
    with ledger.readers.connect() as connection:
        body = connection.exec_driver_sql(
            "SELECT bytes FROM ledger_blob WHERE digest = ?", (event.data["run"],)
        ).scalar_one()
    run: dict[str, Any] = orjson.loads(body)
    return index_row(event.fields).action, run


def test_an_adoption_is_filed_as_one(adopt: Adopt, hub: Path, ledger: Ledger) -> None:
    adopt(Program.HUGGING_FACE, "org/model")
    action, run = last(ledger, Kind.MODEL_IMPORTED)
    assert action == run["act"] == "model.adopt"


def test_the_run_of_an_adoption_says_what_policy_said(
    adopting: Adopting, hub: Path, ledger: Ledger
) -> None:
    adopting.adopt(
        grant(OPERATOR, Permission.MODEL_ADOPT),
        Program.HUGGING_FACE,
        "org/model",
        name=None,
        progress=lambda _: None,
        cancelled=lambda: False,
        admit=lambda _: DECISION,
    )
    assert last(ledger, Kind.MODEL_IMPORTED)[1]["policy"] == DECISION


def test_the_run_of_an_import_says_what_policy_said(
    catalog: Catalog, may: Any, ledger: Ledger, tmp_path: Path
) -> None:
    directory = good_model(tmp_path / "m")
    catalog.import_directory(
        may, directory, "lab/m", lambda _: None, lambda: False, admit=lambda _: DECISION
    )
    action, run = last(ledger, Kind.MODEL_IMPORTED)
    assert action == run["act"] == "model.import"
    assert run["policy"] == DECISION


def test_a_change_leaves_a_run_that_says_what_was_wanted(
    catalog: Catalog, engine: Engine, take: Import, ledger: Ledger, tmp_path: Path
) -> None:
    take(good_model(tmp_path / "m"), "lab/m")
    may = grant(OPERATOR, Permission.MODEL_CHANGE)
    Annotations(catalog, engine).put_alias(may, "lab/m", "tiny")
    action, run = last(ledger, Kind.MODEL_CHANGED)
    assert action == run["act"] == "model.change"
    assert run["inputs"] == {"change": "alias", "name": "tiny", "after": "lab/m"}
    assert run["effect"]["before"] == ""


def test_a_restore_is_filed_as_what_it_needed() -> None:
    assert ACTION[Kind.MODEL_RESTORED] == Permission.STORE_RESTORE
