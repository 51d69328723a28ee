"""A signature beside a model's files is checked when they are taken in, and can be demanded."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from app.authority.catalog import Catalog, KnownModels
from app.authority.catalog.adopting import Adopting
from app.authority.catalog.caches import Program
from app.authority.catalog.signatures import NAME, Signature, Signed, Signer, check, signer
from app.authority.ledger import Kind, Ledger
from app.authority.permissions import Permission, grant
from app.authority.policy.admitting import admit
from app.authority.policy.decisions import Question
from app.authority.policy.hard import ADOPT, IMPORT, HardPolicy
from app.domain.models import CatalogModel
from app.domain.refusals import IntakeRefused, PolicyDenied, SignatureInvalid
from tests.fakes.caches import studio_cache
from tests.fakes.clock import FixedClock
from tests.fakes.signed_models import Publisher
from tests.model_files import good_model
from tests.unit.catalog.conftest import OPERATOR, files_in

ACME = Publisher()
HERE = Path(__file__).parent / "signed"


def signed(directory: Path, publisher: Publisher = ACME) -> Path:
    good_model(directory)
    files = {p.name: p.read_bytes() for p in directory.iterdir()}
    (directory / NAME).write_bytes(publisher.signature(files))
    return directory


@pytest.fixture
def trusting(ledger: Ledger, engine: Engine, store: Path) -> Any:
    def made(*signers: Signer) -> Catalog:
        return Catalog(
            ledger,
            engine,
            clock=FixedClock(),
            store_dir=store,
            known=KnownModels(()),
            signers=lambda: signers,
        )

    return made


def take(catalog: Catalog, directory: Path, *, demanded: bool = False) -> CatalogModel:
    may = grant(OPERATOR, Permission.MODEL_IMPORT)
    policy = HardPolicy(require_signature=demanded)

    def asked(found: Signature) -> None:
        admit(policy, Question(IMPORT, OPERATOR, "a/b", {"signature": str(found.status)}))

    return catalog.import_directory(
        may, directory, "a/b", lambda _: None, lambda: False, admit=asked
    )


@pytest.mark.parametrize("demanded", [False, True])
def test_a_signature_that_holds_is_recorded_and_satisfies_whoever_demands_one(
    trusting: Any, ledger: Ledger, tmp_path: Path, demanded: bool
) -> None:
    catalog = trusting(ACME.signer)
    model = take(catalog, signed(tmp_path / "m"), demanded=demanded)
    origin = catalog.origin(model.id)
    assert (origin["signature"], origin["signer"]) == ("verified", "acme")
    event = ledger.events(kind=Kind.MODEL_IMPORTED)[-1]
    assert (event.data["signature"], event.data["signer"]) == ("verified", "acme")
    assert NAME not in event.data["left_out"]
    assert NAME not in {path.name for path in catalog.verify("a/b", full=True).iterdir()}


@pytest.mark.parametrize("demanded", [False, True])
@pytest.mark.parametrize("damage", ["a byte", "a file more", "not a signature"])
def test_a_signature_that_does_not_hold_refuses_the_model(
    trusting: Any, store: Path, tmp_path: Path, damage: str, demanded: bool
) -> None:
    catalog, directory = trusting(ACME.signer), signed(tmp_path / "m")
    if damage == "a byte":
        (directory / "tokenizer.json").write_text("{ }")
    elif damage == "a file more":
        (directory / "generation_config.json").write_text("{}")
    else:
        (directory / NAME).write_text("{}")
    with pytest.raises(SignatureInvalid):
        take(catalog, directory, demanded=demanded)
    assert catalog.list() == []
    assert files_in(store) == []


@pytest.mark.parametrize("how", ["nobody is trusted", "another key", "none"])
def test_what_nobody_vouches_for_is_taken_unless_a_signature_is_demanded(
    trusting: Any, store: Path, tmp_path: Path, how: str
) -> None:
    directory = good_model(tmp_path / "m") if how == "none" else signed(tmp_path / "m")
    signers: Sequence[Signer] = [Publisher("other").signer] if how == "another key" else []
    catalog = trusting(*signers)
    with pytest.raises(PolicyDenied, match="signature"):
        take(catalog, directory, demanded=True)
    assert files_in(store) == []
    take(catalog, directory)
    assert catalog.origin("a/b")["signature"] == ("absent" if how == "none" else "unknown_signer")
    assert catalog.origin("a/b")["signer"] is None


def test_without_a_signature_nothing_is_copied_before_policy_denies(
    trusting: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.authority.catalog.store.copy_all", None)
    with pytest.raises(PolicyDenied):
        take(trusting(ACME.signer), good_model(tmp_path / "m"), demanded=True)


@pytest.mark.parametrize("what", ["a link", "a folder"])
def test_a_signature_that_is_no_file_is_refused(trusting: Any, tmp_path: Path, what: str) -> None:
    directory = signed(tmp_path / "m")
    elsewhere = (directory / NAME).rename(tmp_path / "elsewhere")
    if what == "a link":
        (directory / NAME).symlink_to(elsewhere)
    else:
        (directory / NAME).mkdir()
    with pytest.raises(IntakeRefused):
        take(trusting(ACME.signer), directory)


def test_what_the_reference_signed_holds_with_the_key_that_it_was_signed_with(
    trusting: Any, tmp_path: Path
) -> None:
    """The reference's files are no model that loads: its manifest is what an import would make."""
    from tests.unit.catalog.test_signatures import CONTENT, MANIFEST

    trusted = signer("acme", (HERE / "signer.pub").read_bytes())
    assert check(CONTENT, MANIFEST, [trusted]).status is Signed.VERIFIED
    directory = signed(tmp_path / "m")
    (directory / NAME).write_bytes(CONTENT)
    with pytest.raises(SignatureInvalid, match="a/b"):
        take(trusting(trusted), directory)


@pytest.mark.parametrize("vouched", [True, False])
def test_an_adopted_model_needs_a_signature_too_where_one_is_demanded(
    trusting: Any, ledger: Ledger, tmp_path: Path, vouched: bool
) -> None:
    catalog = trusting(*([ACME.signer] if vouched else []))
    studio_cache(tmp_path / "studio", signed(tmp_path / "m"))
    adopting = Adopting(catalog, ledger, FixedClock(), {Program.LM_STUDIO: (tmp_path / "studio",)})
    policy = HardPolicy(require_signature=True)

    def asked(found: Signature) -> None:
        admit(policy, Question(ADOPT, OPERATOR, "a", {"signature": str(found.status)}))

    def adopt() -> CatalogModel:
        return adopting.adopt(
            grant(OPERATOR, Permission.MODEL_ADOPT),
            Program.LM_STUDIO,
            "lab/model",
            name=None,
            progress=lambda _: None,
            cancelled=lambda: False,
            admit=asked,
        )

    if not vouched:
        with pytest.raises(PolicyDenied):
            adopt()
        assert catalog.list() == []
        return
    assert catalog.origin(adopt().id)["signer"] == "acme"
