"""A model that another program keeps leaves the catalog; that program's files stay as they are."""

import errno
import os
from pathlib import Path

import pytest

from app.authority.acts.model_delete import _bytes, _file
from app.authority.catalog.adopting import Adopting
from app.authority.catalog.caches import Program
from app.authority.permissions import Permission
from tests.fakes.caches import state_of, studio_cache
from tests.fakes.removal import Attic
from tests.model_files import good_model


@pytest.fixture(params=["hard links", "symbolic links"])
def cache(attic: Attic, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The folder of the other program, whose model is adopted as `lab/model`."""
    root = tmp_path / "studio"
    studio_cache(root, good_model(tmp_path / "source", seed=7))
    real = os.link

    def link(*arguments: object, **named: object) -> None:
        if request.param != "hard links":
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        real(*arguments, **named)  # type: ignore[arg-type]

    adopting = Adopting(attic.catalog, attic.ledger, attic.clock, {Program.LM_STUDIO: (root,)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "link", link)
        adopting.adopt(
            attic.may(Permission.MODEL_ADOPT),
            Program.LM_STUDIO,
            "lab/model",
            name=None,
            progress=lambda _: None,
            cancelled=lambda: False,
        )
    return root


def test_deleting_and_purging_an_adopted_model_frees_nothing_and_leaves_its_files(
    attic: Attic, cache: Path
) -> None:
    before = state_of(cache)
    uses = attic.trash.bin.uses("lab/model")
    assert {_file(row, uses)["fate"] for row in uses.rows["artifact"]} == {"keep"}
    assert _bytes(uses)[0] == 0
    trash_id = attic.delete("lab/model")
    assert attic.catalog.ids() == set()
    removed = attic.trash.purge(attic.purge_warrant(trash_id), trash_id)
    assert (removed.freed_bytes, removed.failed) == (0, [])
    assert list((attic.home / "trash").iterdir()) == []
    assert state_of(cache) == before


def test_an_adopted_model_is_restored(attic: Attic, cache: Path) -> None:
    before = state_of(cache)
    attic.restore(attic.delete("lab/model"))
    attic.catalog.verify("lab/model", full=True)
    assert state_of(cache) == before


def test_a_blob_of_the_same_bytes_goes_although_another_program_has_them(
    attic: Attic, cache: Path
) -> None:
    model = attic.take("a/b", seed=7, more_json=b"{}")
    before = state_of(cache)
    blob = attic.blob(model, "model.safetensors")
    trash_id = attic.delete("a/b")
    assert not blob.exists()
    removed = attic.trash.purge(attic.purge_warrant(trash_id), trash_id)
    assert removed.freed_bytes > 0
    attic.catalog.verify("lab/model", full=True)
    assert state_of(cache) == before
