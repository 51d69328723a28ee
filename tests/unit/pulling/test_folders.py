"""A file that a model keeps in a folder is pulled, checked and repaired like the others."""

from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.authority.catalog.kinds import POOLING
from app.authority.catalog.known import KnownModels
from app.authority.catalog.shipped import Shipped
from app.domain.models import Trust
from app.domain.refusals import DigestMismatch
from tests.fakes.hub import REPO
from tests.unit.pulling.conftest import OPERATOR, Station
from tests.unit.pulling.repairing import flip, made

CLS = b'{"pooling_mode_cls_token": true}'
FLAT = "pooling.json"


@pytest.fixture(autouse=True)
def pooled(station: Station) -> None:
    station.hub.files |= {
        POOLING: CLS,
        "modules.json": b"[]",
        "1_Pooling/other.json": b"{}",
        "onnx/config.json": b"{}",
    }


async def test_the_file_is_planned_pulled_and_loaded_by(station: Station) -> None:
    plan = await station.plan()
    taken = [file["path"] for file in plan["files"]]
    assert [path for path in taken if "/" in path] == [POOLING]
    assert {"1_Pooling/other.json", "onnx/config.json"} <= set(plan["left_out"])
    await station.pull(plan["plan"])
    view = station.catalog.verify(REPO, full=True)
    assert (view / FLAT).read_bytes() == CLS
    assert all(path.is_file() for path in view.iterdir())
    assert POOLING in {a.path for a in station.catalog.manifest(REPO).artifacts}
    assert station.quarantine() == []
    assert (await station.plan())["here_already"] is True


async def test_a_pull_and_an_import_of_the_same_files_have_one_digest(
    station: Station, tmp_path: Path
) -> None:
    from app.authority.permissions import Permission, grant

    await station.pull()
    (tmp_path / "copy" / "1_Pooling").mkdir(parents=True)
    for path in (a.path for a in station.catalog.manifest(REPO).artifacts):
        (tmp_path / "copy" / path).write_bytes(station.hub.files[path])
    may = grant(OPERATOR, Permission.MODEL_IMPORT)
    model = station.catalog.import_directory(
        may, tmp_path / "copy", "a/copy", lambda _: None, lambda: False
    )
    assert model.digest == station.catalog.get(REPO).digest


async def test_a_flat_one_in_the_repository_counts_instead(station: Station) -> None:
    station.hub.files[FLAT] = CLS
    plan = await station.plan()
    assert FLAT in [file["path"] for file in plan["files"]]
    assert POOLING in plan["left_out"]


async def test_other_bytes_stay_in_quarantine_and_are_fetched_anew(station: Station) -> None:
    station.hub.served[POOLING] = CLS.replace(b"true", b"null")
    with pytest.raises(DigestMismatch):
        await station.pull()
    assert f"{FLAT}.wrong" in station.quarantine()
    station.hub.served.clear()
    await station.pull()
    assert (station.catalog.verify(REPO) / FLAT).read_bytes() == CLS


@pytest.mark.parametrize("how", ["other bytes", "gone", "a folder"])
async def test_it_is_repaired(station: Station, engine: Engine, tmp_path: Path, how: str) -> None:
    await station.pull()
    bench = made(station, engine, Shipped(tmp_path, KnownModels(())))
    held = bench.view() / FLAT
    if how == "other bytes":
        flip(held)
    else:
        held.parent.chmod(0o700)
        held.unlink()
    if how == "a folder":
        held.mkdir()
    plan = await bench.repairs.plan(OPERATOR, REPO)
    assert plan["damaged"] == [POOLING]
    assert [f["path"] for f in plan["files"]] == ([POOLING] if how == "other bytes" else [])
    await bench.repair(plan=plan)
    assert bench.trust() is Trust.PINNED
    assert held.read_bytes() == CLS
    assert held.parent.stat().st_mode & 0o777 == 0o500
