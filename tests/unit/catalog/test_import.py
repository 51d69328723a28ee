"""What an import takes, under which name and trust, and that it is whole or nothing."""

import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from app.authority.catalog import Catalog, ImportProgress, KnownModel, KnownModels
from app.authority.ledger import Kind, Ledger
from app.authority.permissions import Permission, grant
from app.domain.models import Manifest, Trust
from app.domain.refusals import IntakeRefused, LoadCancelled, ModelExists, ModelNotFound
from tests.model_files import good_model
from tests.unit.catalog.conftest import OPERATOR, Import, files_in


def test_a_model_is_pinned_named_after_its_directory_and_recorded(
    take: Import, catalog: Catalog, ledger: Ledger, tmp_path: Path
) -> None:
    model = take(good_model(tmp_path / "My model (4bit)"))
    assert (model.id, model.trust) == ("local/My-model-4bit-", Trust.PINNED)
    assert catalog.list() == [model]
    assert catalog.get(model.id) == model
    (event,) = ledger.events(kind=Kind.MODEL_IMPORTED)
    assert (event.subject, event.actor) == (model.id, OPERATOR.id)


def test_the_manifest_names_every_file_taken_and_no_other(
    take: Import, catalog: Catalog, tmp_path: Path
) -> None:
    model = take(good_model(tmp_path / "m"), "a/b")
    manifest = catalog.manifest("a/b")
    assert [a.path for a in manifest.artifacts] == [
        "config.json", "model.safetensors", "tokenizer.json",
    ]  # fmt: skip
    assert manifest.digest == model.digest
    assert catalog.shape("a/b").weights_bytes == 32


def test_the_store_holds_blobs_by_digest_and_a_read_only_view(
    take: Import, catalog: Catalog, store: Path, tmp_path: Path
) -> None:
    model = take(good_model(tmp_path / "m"), "a/b")
    view = catalog.verify("a/b")
    assert view == store / "models" / model.digest
    assert stat.S_IMODE(view.stat().st_mode) == 0o500
    for artifact in catalog.manifest("a/b").artifacts:
        blob = store / "blobs/sha256" / artifact.sha256[:2] / artifact.sha256
        assert blob.samefile(view / artifact.path)
        assert stat.S_IMODE(blob.stat().st_mode) == 0o400
    assert not any(store.joinpath("incoming").iterdir())


def test_the_same_bytes_again_are_the_same_model(take: Import, tmp_path: Path) -> None:
    first = take(good_model(tmp_path / "m"), "a/b")
    assert take(good_model(tmp_path / "copy"), "a/b") == first


def test_other_bytes_under_a_taken_name_are_refused(
    take: Import, store: Path, tmp_path: Path
) -> None:
    take(good_model(tmp_path / "m"), "a/b")
    before = files_in(store)
    with pytest.raises(ModelExists, match="--name"):
        take(good_model(tmp_path / "other", seed=1), "a/b")
    assert files_in(store) == before


def test_a_name_that_differs_in_capital_letters_only_is_refused(
    take: Import, catalog: Catalog, store: Path, tmp_path: Path
) -> None:
    take(good_model(tmp_path / "m"), "acme/one")
    before = files_in(store)
    for seed in (0, 1):
        with pytest.raises(ModelExists, match="capital letters"):
            take(good_model(tmp_path / f"other{seed}", seed=seed), "acme/ONE")
    assert files_in(store) == before
    assert catalog.ids() == {"acme/one"}


def test_two_models_share_the_blobs_that_are_equal(
    take: Import, catalog: Catalog, store: Path, tmp_path: Path
) -> None:
    take(good_model(tmp_path / "m"), "a/b")
    take(good_model(tmp_path / "n", seed=1), "a/c")
    take(good_model(tmp_path / "o"), "a/d")
    assert len([f for f in files_in(store) if f.startswith("blobs/")]) == 4
    assert all(catalog.verify(name) for name in ("a/b", "a/c", "a/d"))


@pytest.mark.parametrize(
    "name", ["", "noslash", "a/b/c", "../b", "a/..", "/b", "a/", "a b/c", "a/b\n", "ä/b", "x" * 300]
)
def test_a_name_that_is_not_publisher_and_name_is_refused(
    take: Import, store: Path, tmp_path: Path, name: str
) -> None:
    with pytest.raises(IntakeRefused, match="PUBLISHER/NAME"):
        take(good_model(tmp_path / "m"), name)
    assert files_in(store) == []


def test_progress_is_told_and_ends_at_the_whole_of_each_file(take: Import, tmp_path: Path) -> None:
    heard: list[ImportProgress] = []
    take(good_model(tmp_path / "m"), "a/b", heard.append)
    ends = {step.path: step for step in heard}
    assert set(ends) == {"config.json", "model.safetensors", "tokenizer.json"}
    assert all(step.done == step.total for step in ends.values())


def test_a_cancelled_import_leaves_nothing_behind(
    take: Import, catalog: Catalog, store: Path, tmp_path: Path
) -> None:
    with pytest.raises(LoadCancelled):
        take(good_model(tmp_path / "m"), "a/b", cancelled=lambda: True)
    assert files_in(store) == []
    with pytest.raises(ModelNotFound):
        catalog.get("a/b")


def test_only_a_grant_for_importing_imports(catalog: Catalog, tmp_path: Path) -> None:
    other = grant(OPERATOR, Permission.MODEL_LOAD)
    with pytest.raises(TypeError, match="import"):
        catalog.import_directory(
            other, good_model(tmp_path / "m"), "a/b", lambda _: None, lambda: False
        )


def test_what_is_not_part_of_a_model_is_left_out_and_named(
    take: Import, catalog: Catalog, ledger: Ledger, tmp_path: Path
) -> None:
    directory = good_model(tmp_path / "m")
    for extra in (".git/config", ".gitattributes", "LICENSE", "image.png", "onnx/config.json"):
        path = directory / extra
        path.parent.mkdir(exist_ok=True)
        path.write_text("{}")
    take(directory, "a/b")
    assert len(catalog.manifest("a/b").artifacts) == 3
    (event,) = ledger.events(kind=Kind.MODEL_IMPORTED)
    named = [".gitattributes", "LICENSE", "README.md", "image.png", "onnx/config.json"]
    assert event.data["left_out"] == named


# --- trust ----------------------------------------------------------------------------------


def known_from(catalog: Catalog, model_id: str, *, change: bool = False) -> KnownModels:
    artifacts = list(catalog.manifest(model_id).artifacts)
    if change:
        artifacts[0] = replace(artifacts[0], sha256="0" * 64)
    return KnownModels((KnownModel("lmx/known", "hub", "", Manifest(tuple(artifacts))),))


def test_bytes_known_beforehand_are_verified(
    take: Import, catalog: Catalog, tmp_path: Path
) -> None:
    take(good_model(tmp_path / "m"), "a/b")
    catalog.known = known_from(catalog, "a/b")
    model = take(good_model(tmp_path / "m"), "lmx/known")
    assert (model.trust, model.source) == (Trust.VERIFIED, "hub")


def test_other_bytes_under_a_known_name_are_refused_and_never_pinned(
    take: Import, catalog: Catalog, store: Path, tmp_path: Path
) -> None:
    take(good_model(tmp_path / "m"), "a/b")
    catalog.known = known_from(catalog, "a/b", change=True)
    before = files_in(store)
    with pytest.raises(IntakeRefused, match=r"config\.json"):
        take(good_model(tmp_path / "m"), "lmx/known")
    assert files_in(store) == before


# --- crashes --------------------------------------------------------------------------------


KILLED_BETWEEN_PLACING_AND_RECORDING = """
import os, sys
from pathlib import Path
from app.authority.catalog.blobs import BlobStore
from app.authority.catalog.intake import Watch, copy_all
from app.authority.catalog.tree import opened
from tests.fakes.clock import FixedClock

store = BlobStore(Path(sys.argv[1]))
with opened(Path(sys.argv[2])) as tree, store.incoming() as work:
    copied = copy_all(tree, tuple(tree.files()), work, Watch(print, lambda: False, FixedClock()))
    store.place(work, copied.manifest, copied.files)
    os._exit(9)
"""


def test_what_a_killed_import_had_placed_is_taken_back_at_the_next_start(
    take: Import, catalog: Catalog, store: Path, tmp_path: Path
) -> None:
    kept = take(good_model(tmp_path / "m"), "a/b")
    before = files_in(store)
    other = good_model(tmp_path / "other", seed=1)
    script = [sys.executable, "-c", KILLED_BETWEEN_PLACING_AND_RECORDING, str(store), str(other)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    killed = subprocess.run(script, env=environment, check=False, capture_output=True)
    assert killed.returncode == 9, killed.stderr
    assert len(files_in(store)) > len(before)
    catalog.sweep()
    assert files_in(store) == before
    assert catalog.get("a/b") == kept
    assert catalog.verify("a/b")


def test_a_sweep_never_touches_what_no_import_placed(
    take: Import, catalog: Catalog, store: Path, tmp_path: Path
) -> None:
    take(good_model(tmp_path / "m"), "a/b")
    stray = store / "blobs/sha256/00"
    stray.mkdir(exist_ok=True)
    (stray / ("0" * 64)).write_bytes(b"kept by a person")
    before = files_in(store)
    catalog.sweep()
    assert files_in(store) == before
