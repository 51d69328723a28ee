"""Caches that lie, lead elsewhere or change: refused, and left as they are."""

import errno
import os
from pathlib import Path

import pytest

from app.authority.catalog import Catalog
from app.authority.catalog.adopting import Adopting
from app.authority.catalog.caches import Program
from app.authority.permissions import Permission, grant
from app.domain.refusals import IntakeRefused, ModelExists
from tests.fakes.caches import COMMIT, hub_cache, state_of, studio_cache
from tests.model_files import good_model
from tests.unit.catalog.conftest import OPERATOR, Adopt, Import, files_in

HF, STUDIO = Program.HUGGING_FACE, Program.LM_STUDIO


def refused(adopt: Adopt, what: str | Path, match: str, program: Program = HF) -> None:
    with pytest.raises(IntakeRefused, match=match):
        adopt(program, what)


@pytest.mark.parametrize(
    "target",
    [
        "/etc/passwd",
        "../../../outside",
        "../../blobs/../../outside",
        "../../blobs/" + "g" * 40,
        "../../blobs/" + "a" * 41,
        "../blobs/" + "a" * 40,
        "config.json",
        "../../blobs/" + "a" * 40 + "/x",
    ],
)
def test_a_link_that_leads_out_of_the_blobs_is_refused(
    adopt: Adopt, catalog: Catalog, hub: Path, store: Path, target: str
) -> None:
    (hub.parent / "outside").write_text("{}")
    link = hub / "snapshots" / COMMIT / "tokenizer.json"
    link.unlink()
    link.symlink_to(target)
    refused(adopt, "org/model", "does not lead to a blob")
    assert (catalog.ids(), files_in(store)) == (set(), [])


def _blob_of(hub: Path, name: str) -> Path:
    return (hub / "snapshots" / COMMIT / name).resolve()


def test_a_blob_that_is_a_pipe_a_link_a_folder_or_missing_is_refused(
    adopt: Adopt, hub: Path, tmp_path: Path
) -> None:
    blob = _blob_of(hub, "tokenizer.json")
    content = blob.read_bytes()
    blob.unlink()
    refused(adopt, "org/model", "never downloaded")
    os.mkfifo(blob)
    refused(adopt, "org/model", "pipe")
    blob.unlink()
    (tmp_path / "elsewhere").write_bytes(content)
    blob.symlink_to(tmp_path / "elsewhere")
    refused(adopt, "org/model", "is a link")
    blob.unlink()
    blob.mkdir()
    refused(adopt, "org/model", "tokenizer")


def test_a_pipe_in_a_snapshot_or_in_lm_studio_is_refused_at_once(
    adopt: Adopt, hub: Path, tmp_path: Path
) -> None:
    os.mkfifo(hub / "snapshots" / COMMIT / "vocab.json")
    refused(adopt, "org/model", "pipe")
    folder = studio_cache(tmp_path / "studio", good_model(tmp_path / "m"))
    os.mkfifo(folder / "vocab.json")
    refused(adopt, "lab/model", "pipe", STUDIO)


def test_a_file_that_is_not_what_the_cache_calls_it_is_refused(adopt: Adopt, hub: Path) -> None:
    for name in ("tokenizer.json", "model.safetensors"):
        blob = _blob_of(hub, name)
        content = blob.read_bytes()
        blob.write_bytes(content[:-1] + bytes([content[-1] ^ 1]) if name[0] == "m" else b"[]")
        refused(adopt, "org/model", "is damaged")
        blob.write_bytes(content)
    assert adopt(HF, "org/model")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_cannot_be_read_is_refused_and_listed(
    adopt: Adopt, adopting: Adopting, hub: Path
) -> None:
    _blob_of(hub, "tokenizer.json").chmod(0)
    refused(adopt, "org/model", "cannot be opened")
    assert "cannot be opened" in adopting.candidates()[0]["why_not"]


def test_a_file_that_the_system_does_not_hand_out_is_refused_and_listed(
    adopt: Adopt, adopting: Adopting, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unreadable, really_open = _blob_of(hub, "tokenizer.json").name, os.open

    def denied(path: object, *arguments: int, **more: int) -> int:
        if path == unreadable:
            raise PermissionError(errno.EACCES, "Permission denied")
        return really_open(path, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr("app.authority.catalog.tree.os.open", denied)
    refused(adopt, "org/model", "cannot be opened")
    assert "cannot be opened" in adopting.candidates()[0]["why_not"]


@pytest.mark.parametrize(
    "pair", [("Tokenizer.json", "tokenizer.json"), ("t\u00e9.json", "te\u0301.json")]
)
def test_names_that_some_file_system_takes_for_one_are_refused(
    adopt: Adopt, hub: Path, pair: tuple[str, str]
) -> None:
    snapshot = hub / "snapshots" / COMMIT
    target = (snapshot / "tokenizer.json").readlink()
    for name in pair:
        if not (snapshot / name).is_symlink():
            (snapshot / name).symlink_to(target)
    refused(adopt, "org/model", "same name")


@pytest.mark.parametrize(
    "what",
    [
        "..",
        "../model",
        "org/..",
        "",
        "org/model/x",
        "ORG/MODEL",
        "/",
        "/..",
        "/nowhere/at/all",
        "/tmp/\0",
        "\0",
    ],
)
def test_what_is_no_model_of_the_cache_is_refused(adopt: Adopt, hub: Path, what: str) -> None:
    with pytest.raises(IntakeRefused):
        adopt(HF, what)


def test_a_path_with_dots_or_that_ends_in_a_link_is_refused(
    adopt: Adopt, hub: Path, tmp_path: Path
) -> None:
    refused(adopt, f"{hub}/../{hub.name}", "is not the path")
    (tmp_path / "models--org--link").symlink_to(hub)
    with pytest.raises(IntakeRefused):
        adopt(HF, tmp_path / "models--org--link")


def test_folders_of_the_cache_that_are_links_are_refused(
    adopt: Adopt, hub: Path, tmp_path: Path
) -> None:
    (hub / "blobs").rename(tmp_path / "blobs")
    (hub / "blobs").symlink_to(tmp_path / "blobs")
    refused(adopt, "org/model", "cannot be opened as a directory")


@pytest.mark.parametrize("name", ["noslash", "../b", "a/..", "a/b/c", "\u00e4/b", "a/b\n"])
def test_a_name_that_cannot_be_a_models_is_refused(adopt: Adopt, hub: Path, name: str) -> None:
    with pytest.raises(IntakeRefused, match="PUBLISHER/NAME"):
        adopt(HF, "org/model", name)


def test_code_and_pickles_are_refused_as_in_an_import(adopt: Adopt, tmp_path: Path) -> None:
    for extra in ("modeling.py", "model.bin", "weights.pt"):
        made = good_model(tmp_path / extra)
        (made / extra).write_bytes(b"x")
        hub_cache(tmp_path / "hub", made, repo=f"org/{extra}")
        with pytest.raises(IntakeRefused):
            adopt(HF, f"org/{extra}")


def test_a_taken_name_and_files_that_the_store_has_are_refused(
    adopt: Adopt, take: Import, hub: Path, tmp_path: Path
) -> None:
    take(good_model(tmp_path / "other", seed=1), "org/model")
    with pytest.raises(ModelExists, match="--name"):
        adopt(HF, "org/model")
    adopt(HF, "org/model", "org/second")
    with pytest.raises(ModelExists, match="lmx models alias org/second"):
        adopt(HF, "org/model", "org/third")


def test_a_file_that_is_replaced_between_hashing_and_linking_is_refused(
    adopt: Adopt, catalog: Catalog, hub: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really_link = os.link

    def swapped(source: Path, target: Path, **how: bool) -> None:
        content = Path(source).read_bytes()
        Path(source).unlink()
        Path(source).write_bytes(content)
        really_link(source, target, **how)

    monkeypatch.setattr("app.authority.catalog.adopting.os.link", swapped)
    refused(adopt, "org/model", "was replaced")
    assert (catalog.ids(), files_in(store)) == (set(), [])


def test_an_import_of_the_same_bytes_later_leaves_both_verified(
    adopt: Adopt, take: Import, catalog: Catalog, hub: Path, tmp_path: Path
) -> None:
    before = state_of(hub)
    adopt(HF, "org/model")
    take(good_model(tmp_path / "again"), "mine/model")
    assert catalog.verify("org/model", full=True) == catalog.verify("mine/model", full=True)
    assert state_of(hub) == before


def test_only_a_grant_for_adopting_adopts(adopting: Adopting, hub: Path) -> None:
    with pytest.raises(TypeError):
        adopting.adopt(
            grant(OPERATOR, Permission.MODEL_IMPORT),
            HF,
            "org/model",
            name=None,
            progress=lambda _: None,
            cancelled=lambda: False,
        )


def test_what_a_killed_adoption_had_placed_is_taken_back_and_the_cache_is_left_alone(
    adopt: Adopt,
    catalog: Catalog,
    hub: Path,
    store: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = state_of(hub)

    class Killed(BaseException):
        pass

    def killed(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("app.authority.catalog.blobs.BlobStore._take_back", killed)
        patch.setattr("app.authority.catalog.adopting.records.insert_model", killed)
        with pytest.raises(Killed):
            adopt(HF, "org/model")
    assert any(store.joinpath("models").iterdir())
    catalog.sweep()
    assert files_in(store) == []
    assert state_of(hub) == before
