"""What a model's author says of its licence: read strictly, kept with the model, never guessed."""

import errno
from pathlib import Path

import gguf
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from app.authority.catalog import Catalog, KnownModels, card
from app.authority.catalog.caches import Program
from app.authority.catalog.inspection import inspect
from app.authority.catalog.tree import opened
from app.authority.ledger import Ledger
from app.authority.reading import described
from app.domain.licences import MAX, claimed
from app.domain.refusals import IntakeRefused
from tests.fakes.caches import studio_cache
from tests.fakes.clock import FixedClock
from tests.gguf_models import tiny_gguf
from tests.model_files import good_model
from tests.models import tiny_model
from tests.unit.catalog.conftest import Adopt, Import


@pytest.mark.parametrize(
    ("said", "licence"),
    [
        ("mit", "mit"),
        ("  Apache-2.0 ", "apache-2.0"),
        ("Apache-2.0 OR  MIT", "apache-2.0 or mit"),
        (["mit", "Apache-2.0", "MIT"], "apache-2.0, mit"),
        (["mit"], "mit"),
        ([], ""),
        ("", ""),
        (None, ""),
        (7, ""),
        ({"name": "mit"}, ""),
        (["mit", 7], ""),
        ("mit\x1b[2J", ""),
        ("\u212aelvin", ""),
        ("<b>mit</b>", ""),
        ("x" * MAX, "x" * MAX),
        ("x" * (MAX + 1), ""),
        (["x" * 60, "y" * 60], ""),
    ],
)
def test_a_claim_is_a_short_name_in_lower_case_or_unknown(said: object, licence: str) -> None:
    assert claimed(said) == licence


@given(st.one_of(st.text(), st.lists(st.text()), st.none(), st.integers()))
def test_whatever_is_claimed_is_bounded_plain_and_says_the_same_again(said: object) -> None:
    found = claimed(said)
    assert len(found) <= MAX
    assert found.isascii()
    assert found == "" or found.isprintable()
    assert found == found.lower()
    assert claimed(found) == found


CARDS = {
    "license: mit": "mit",
    "license: 'Apache-2.0'": "apache-2.0",
    'license: "apache-2.0"  # as of 2024': "apache-2.0",
    "language: en\nlicense: llama3.1\ntags:\n- a": "llama3.1",
    "license: [mit, 'isc']": "isc, mit",
    "license:\n- mit\n- isc\ntags: []": "isc, mit",
    "license:\n  - mit": "mit",
    "license:": "",
    "license: null": "",
    "license: ~": "",
    "license:mit": "",
    "license: mit\nlicense: isc": "",
    "license: mit\n  or whatever": "",
    "license: |\n  mit": "",
    "license: >-\n  mit": "",
    "license:\n  name: mit": "",
    "license:\n- mit\n- {a: b}": "",
    "license: &a mit": "",
    "license: !!python/object/apply:os.system [id]": "",
    "license: {a: mit}": "",
    "model:\n  license: mit": "",
    "license_name: mit": "",
    "language: en": "",
}


@pytest.mark.parametrize("front", CARDS)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_front_matter_of_a_card_is_read_strictly(front: str, end: str) -> None:
    text = f"---\n{front}\n---\n\n# license: gpl-3.0\n".replace("\n", end)
    assert card.licence_of(text.encode()) == CARDS[front]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"license: mit\n",
        b"# A model\n---\nlicense: mit\n---\n",
        b"---\nlicense: mit\n",
        b"---\n" + b"x: y\n" * 20_000 + b"license: mit\n---\n",
        b"\xff\xfe\x00---",
    ],
)
def test_a_card_without_front_matter_says_nothing(text: bytes) -> None:
    assert card.licence_of(text) == ""


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_no_card_breaks_the_reader(front: bytes, rest: bytes) -> None:
    found = card.licence_of(b"---\n" + front + b"\nlicense: mit\n---\n" + rest)
    assert claimed(found) == found


def licence(directory: Path) -> str:
    with opened(directory) as tree:
        return inspect(tree).licence


def test_an_imported_directory_claims_what_its_card_says(tmp_path: Path) -> None:
    directory = tiny_model(tmp_path / "m")
    assert licence(directory) == ""
    (directory / "README.md").write_text("---\nlicense: MIT\n---\n")
    assert licence(directory) == "mit"
    (directory / "README.md").rename(directory / "OTHER.md")
    assert licence(directory) == ""


@pytest.mark.parametrize("error", [IntakeRefused("it was taken away"), OSError(errno.EIO, "disk")])
def test_a_card_that_cannot_be_read_is_no_reason_to_refuse_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    directory = tiny_model(tmp_path / "m")
    (directory / "README.md").write_text("---\nlicense: mit\n---\n")

    def read(_: bytes) -> str:
        raise error

    monkeypatch.setattr(card, "licence_of", read)
    assert licence(directory) == ""


def test_a_model_keeps_what_its_author_said_when_it_was_taken_in(
    take: Import, ledger: Ledger, engine: Engine, tmp_path: Path
) -> None:
    directory = good_model(tmp_path / "m")
    (directory / "README.md").write_text("---\nlicense: MIT\n---\n")
    assert take(directory, "a/b").licence == "mit"
    store = tmp_path / "store"
    again = Catalog(ledger, engine, clock=FixedClock(), store_dir=store, known=KnownModels(()))
    assert described(again.get("a/b"))["licence"] == "mit"


def test_a_model_whose_author_says_nothing_has_no_licence(take: Import, tmp_path: Path) -> None:
    model = take(good_model(tmp_path / "m"), "a/b")
    assert (model.licence, described(model)["licence"]) == ("", None)


def test_an_adopted_model_has_what_its_card_says(adopt: Adopt, tmp_path: Path) -> None:
    folder = studio_cache(tmp_path / "studio", good_model(tmp_path / "made"))
    (folder / "README.md").write_text("---\nlicense: gemma\n---\n")
    assert adopt(Program.LM_STUDIO, "lab/model").licence == "gemma"


def test_a_gguf_says_its_licence_in_its_own_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_architecture = gguf.GGUFWriter.add_architecture

    def with_licence(writer: gguf.GGUFWriter) -> None:
        add_architecture(writer)
        writer.add_license("Apache-2.0")

    monkeypatch.setattr(gguf.GGUFWriter, "add_architecture", with_licence)
    directory = tiny_gguf(tmp_path / "m")
    assert licence(directory) == "apache-2.0"
    (directory / "README.md").write_text("---\nlicense: mit\n---\n")
    assert licence(directory) == "apache-2.0", "the card lies beside the file, the header in it"


def test_a_gguf_that_says_nothing_has_what_its_card_says(tmp_path: Path) -> None:
    directory = tiny_gguf(tmp_path / "m")
    assert licence(directory) == ""
    (directory / "README.md").write_text("---\nlicense: mit\n---\n")
    assert licence(directory) == "mit"
