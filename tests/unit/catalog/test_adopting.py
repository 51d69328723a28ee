"""Models of other programs are used where they lie: never copied, never written."""

import errno
import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import Engine, text

from app.authority.catalog import Catalog, ImportProgress
from app.authority.catalog.adopting import Adopting
from app.authority.catalog.caches import Program
from app.authority.catalog.removal import rows
from app.authority.catalog.survey import survey, walk
from app.authority.ledger import Kind, Ledger
from app.domain.models import Trust
from app.domain.refusals import DigestMismatch, LoadCancelled
from tests.fakes.caches import COMMIT, hub_cache, state_of, studio_cache
from tests.model_files import good_model
from tests.unit.catalog.conftest import Adopt, Import, files_in

HF, STUDIO = Program.HUGGING_FACE, Program.LM_STUDIO


# --- what works -----------------------------------------------------------------------------


def test_a_model_of_the_hub_is_adopted_by_name_without_a_copy_or_a_change(
    adopt: Adopt, catalog: Catalog, hub: Path, store: Path, ledger: Ledger
) -> None:
    before = state_of(hub)
    model = adopt(HF, "org/model")
    assert (model.id, model.trust) == ("org/model", Trust.PINNED)
    view = catalog.verify("org/model")
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        assert (view / name).samefile(hub / "snapshots" / COMMIT / name)
    assert [f for f in files_in(store) if f.startswith("blobs/")] == []
    assert state_of(hub) == before
    (event,) = ledger.events(kind=Kind.MODEL_IMPORTED)
    assert event.data["adopted"] == "hard links; 3 of 3 files as the cache names them"


def test_where_each_file_lies_and_how_its_bytes_are_known_is_recorded(
    adopt: Adopt, engine: Engine, hub: Path
) -> None:
    adopt(HF, "org/model")
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT path, adopted_path, known_by FROM artifact"))
        found = {row.path: (Path(row.adopted_path), row.known_by) for row in rows}
    assert found["model.safetensors"][1] == "sha256"
    assert found["config.json"][1] == "git"
    for place, _ in found.values():
        assert place.parent == hub / "blobs"
        assert place.is_file()


@pytest.mark.parametrize("inside", ["", f"snapshots/{COMMIT}"])
def test_a_model_of_the_hub_is_adopted_by_path(adopt: Adopt, hub: Path, inside: str) -> None:
    assert adopt(HF, hub / inside, "my/name").id == "my/name"


def test_a_cache_that_lies_behind_a_link_is_found_where_it_is(
    adopt: Adopt, hub: Path, tmp_path: Path, engine: Engine
) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "hub")
    adopt(HF, tmp_path / "link" / hub.name)
    with engine.connect() as connection:
        places = connection.execute(text("SELECT adopted_path FROM artifact")).scalars().all()
    assert all(place.startswith(str(hub / "blobs")) for place in places)


@pytest.mark.parametrize("root", ["studio", "old-studio"])
def test_a_model_of_lm_studio_is_adopted(
    adopt: Adopt, catalog: Catalog, engine: Engine, tmp_path: Path, root: str
) -> None:
    folder = studio_cache(tmp_path / root, good_model(tmp_path / "made"))
    before = state_of(folder)
    assert adopt(STUDIO, "lab/model").trust is Trust.PINNED
    assert (catalog.verify("lab/model") / "config.json").samefile(folder / "config.json")
    assert state_of(folder) == before
    with engine.connect() as connection:
        known = connection.execute(text("SELECT DISTINCT known_by FROM artifact")).scalars().all()
    assert known == ["first_use"]


def test_bytes_of_another_program_are_told_apart_in_the_store(
    adopt: Adopt, catalog: Catalog, hub: Path, store: Path
) -> None:
    adopt(HF, "org/model")
    use = survey(walk(store), catalog.owners()).models["org/model"]
    assert use.own.files == use.elsewhere.files == 3


def test_the_other_program_may_delete_its_names_and_the_model_stays(
    adopt: Adopt, catalog: Catalog, hub: Path
) -> None:
    adopt(HF, "org/model")
    shutil.rmtree(hub)
    assert catalog.verify("org/model", full=True)


def test_progress_is_told_and_a_cancelled_adoption_leaves_nothing(
    adopt: Adopt, catalog: Catalog, hub: Path, store: Path
) -> None:
    with pytest.raises(LoadCancelled):
        adopt(HF, "org/model", cancelled=lambda: True)
    assert files_in(store) == []
    assert catalog.ids() == set()
    heard: list[ImportProgress] = []
    adopt(HF, "org/model", progress=heard.append)
    ends = {step.path for step in heard if step.done == step.total}
    assert ends == {"config.json", "model.safetensors", "tokenizer.json"}


def test_what_could_be_adopted_is_listed_with_why_not(
    adopting: Adopting, adopt: Adopt, hub: Path, tmp_path: Path
) -> None:
    bad = good_model(tmp_path / "bad", seed=1)
    (bad / "model.bin").write_bytes(b"x")
    hub_cache(tmp_path / "hub", bad, repo="org/pickled")
    good = good_model(tmp_path / "g", seed=2)
    (good / "weights.gguf").write_bytes(b"GGUF")
    studio_cache(tmp_path / "studio", good, name="lab/gguf")
    adopt(HF, "org/model")
    found = {c["name"]: c for c in adopting.candidates()}
    assert set(found) == {"org/model", "org/pickled", "lab/gguf"}
    assert (found["org/model"]["why_not"], found["org/model"]["adopted_as"]) == (None, "org/model")
    assert found["org/model"]["commit"] == COMMIT
    assert "pickle" in found["org/pickled"]["why_not"]
    assert "GGUF" in found["lab/gguf"]["why_not"]


def test_without_caches_there_are_no_candidates(adopting: Adopting) -> None:
    assert adopting.candidates() == []


@pytest.mark.usefixtures("hub")
def test_files_that_an_adopted_model_has_keep_no_blob_of_ours(
    adopt: Adopt, take: Import, catalog: Catalog, engine: Engine, tmp_path: Path
) -> None:
    adopt(HF, "org/model")
    take(good_model(tmp_path / "other", seed=1), "a/b")
    alike = {a.sha256 for a in catalog.manifest("org/model").artifacts} & {
        a.sha256 for a in catalog.manifest("a/b").artifacts
    }
    with engine.connect() as connection:
        assert alike
        assert rows.shared(connection, "a/b") == frozenset()
        assert rows.used(connection) == {a.sha256 for a in catalog.manifest("a/b").artifacts}
    assert survey(walk(tmp_path / "store"), catalog.owners()).shared.files == 0


# --- across volumes -------------------------------------------------------------------------


@pytest.fixture
def no_hard_links(monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object, **__: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr("app.authority.catalog.adopting.os.link", link)


def test_on_another_volume_the_view_holds_links_that_are_verified_where_they_lead(
    adopt: Adopt, catalog: Catalog, hub: Path, no_hard_links: None
) -> None:
    adopt(HF, "org/model")
    view = catalog.verify("org/model")
    assert (view / "config.json").is_symlink()
    assert catalog.verify("org/model", full=True) == view
    assert (view / "config.json").read_text()


def test_a_link_of_ours_that_was_moved_or_a_file_that_was_changed_is_not_loaded(
    adopt: Adopt, catalog: Catalog, hub: Path, no_hard_links: None
) -> None:
    adopt(HF, "org/model")
    view = catalog.verify("org/model")
    blob = (view / "config.json").readlink()
    content = blob.read_bytes()
    view.chmod(0o700)
    (view / "config.json").unlink()
    (view / "config.json").symlink_to("/etc/passwd")
    with pytest.raises(DigestMismatch):
        catalog.verify("org/model")
    (view / "config.json").unlink()
    (view / "config.json").symlink_to(blob)
    assert catalog.verify("org/model", full=True)
    blob.write_bytes(content + b" ")
    with pytest.raises(DigestMismatch):
        catalog.verify("org/model")


def test_a_file_that_its_program_replaced_by_a_link_is_not_followed(
    adopt: Adopt, catalog: Catalog, hub: Path, tmp_path: Path, no_hard_links: None
) -> None:
    adopt(HF, "org/model")
    blob = (catalog.verify("org/model") / "config.json").readlink()
    blob.rename(tmp_path / "same-bytes")
    blob.symlink_to(tmp_path / "same-bytes")
    with pytest.raises(DigestMismatch):
        catalog.verify("org/model")


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="no second volume here")
def test_a_cache_on_a_real_other_volume_is_adopted_by_links(
    adopt: Adopt, catalog: Catalog, tmp_path: Path
) -> None:
    with TemporaryDirectory(dir="/dev/shm") as other:
        hub = hub_cache(Path(other), good_model(tmp_path / "m"))
        if hub.stat().st_dev == tmp_path.stat().st_dev:
            pytest.skip("no second volume here")
        before = state_of(hub)
        adopt(HF, hub)
        assert (catalog.verify("org/model") / "config.json").is_symlink()
        assert state_of(hub) == before
    with pytest.raises(DigestMismatch):
        catalog.verify("org/model")
