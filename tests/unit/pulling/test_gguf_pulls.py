"""Pulling GGUF: one of several models of a repository is chosen, and nothing else is fetched."""

from typing import Any

import pytest

from app.authority.pulling.approved import ApprovedPulls
from app.authority.pulling.planned import choice_of, name_of
from app.domain.refusals import HubRefused, IntakeRefused, InvalidRequest, ModelExists
from tests.fakes.hub import COMMIT, REPO
from tests.gguf_bytes import LLAMA, T, gguf
from tests.unit.pulling.conftest import OPERATOR, Station

SHARD = {"split.count": 2, "split.tensors.count": 2}
FILES = {
    "README.md": b"Several.",
    "config.json": b'{"auto_map": {"AutoModel": "evil.Model"}}',
    "mmproj-F16.gguf": gguf(),
    "tiny-Q4_K_M.gguf": gguf(),
    "tiny-Q8_0.gguf": gguf(tensors=(T("token_embd.weight", (64, 5)),)),
    "big-00001-of-00002.gguf": gguf({**LLAMA, "split.no": 0, **SHARD}),
    "big-00002-of-00002.gguf": gguf({"split.no": 1, **SHARD}, (T("t"),)),
    "sub/tiny-Q2_K.gguf": gguf(),
}


@pytest.fixture(autouse=True)
def several(station: Station) -> None:
    station.hub.files = dict(FILES)


def paths(plan: dict[str, Any]) -> list[str]:
    return [file["path"] for file in plan["files"]]


@pytest.mark.parametrize(
    ("choice", "name", "fetched"),
    [
        ("Q4_K_M", f"{REPO}-Q4_K_M", ["tiny-Q4_K_M.gguf"]),
        ("q8_0", f"{REPO}-q8_0", ["tiny-Q8_0.gguf"]),
        ("tiny-Q8_0.gguf", "acme/tiny-Q8_0", ["tiny-Q8_0.gguf"]),
        ("big", f"{REPO}-big", ["big-00001-of-00002.gguf", "big-00002-of-00002.gguf"]),
        (
            "big-00002-of-00002.gguf",
            "acme/big",
            ["big-00001-of-00002.gguf", "big-00002-of-00002.gguf"],
        ),
    ],
)
async def test_a_choice_is_a_file_or_what_its_name_ends_with(
    station: Station, choice: str, name: str, fetched: list[str]
) -> None:
    plan = await station.plan(f"{REPO}:{choice}")
    assert (plan["repo"], plan["choice"], plan["name"]) == (REPO, choice, name)
    assert paths(plan) == fetched
    assert set(plan["left_out"]) == FILES.keys() - set(fetched)


async def test_what_was_chosen_is_pulled_and_its_shape_known(station: Station) -> None:
    plan = await station.plan(f"{REPO}:Q8_0")
    model = (await station.pull(plan["plan"]))[-1]["done"]
    assert model["id"] == f"{REPO}-Q8_0"
    shape = station.catalog.shape(model["id"])
    assert (shape.format, shape.parameters) == ("gguf", 64 * 5)
    assert [a.path for a in station.catalog.manifest(model["id"]).artifacts] == ["tiny-Q8_0.gguf"]


async def test_two_of_a_repository_are_two_models(station: Station) -> None:
    await station.pull((await station.plan(f"{REPO}:Q8_0"))["plan"])
    await station.pull((await station.plan(f"{REPO}:Q4_K_M"))["plan"])
    assert len(station.catalog.list()) == 2
    assert (await station.plan(f"{REPO}:Q8_0"))["here_already"] is True


async def test_another_choice_under_the_same_name_is_refused(station: Station) -> None:
    await station.pull((await station.plan(f"{REPO}:Q8_0", name="a/b"))["plan"])
    with pytest.raises(ModelExists):
        await station.plan(f"{REPO}:Q4_K_M", name="a/b")


@pytest.mark.parametrize("choice", ["", ":Q5_K_M", ":iny-Q8_0", ":config.json", ":K_M"])
async def test_without_one_clear_choice_the_models_are_named(station: Station, choice: str) -> None:
    with pytest.raises(HubRefused, match="3 models in GGUF.*big, tiny-Q4_K_M, tiny-Q8_0.*--file"):
        await station.plan(REPO + choice)


async def test_the_only_gguf_needs_no_choice(station: Station) -> None:
    station.hub.files = {"m.gguf": gguf(), "config.json": b"{}"}
    plan = await station.plan()
    assert (plan["name"], paths(plan)) == (REPO, ["m.gguf"])
    assert "choice" not in plan


async def test_safetensors_are_meant_where_nothing_is_chosen(
    station: Station, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from tests.models import tiny_model

    made = tiny_model(tmp_path_factory.mktemp("m") / "m")
    station.hub.holds(made).files["tiny-Q8_0.gguf"] = FILES["tiny-Q8_0.gguf"]
    assert "tiny-Q8_0.gguf" not in paths(await station.plan())
    assert paths(await station.plan(f"{REPO}:Q8_0")) == ["tiny-Q8_0.gguf"]


async def test_a_hostile_header_is_refused_before_anything_is_fetched(station: Station) -> None:
    station.hub.files = {"m.gguf": gguf(tensor_count=2**63)}
    with pytest.raises(IntakeRefused, match="tensors"):
        await station.plan()


async def test_an_approved_pull_fetches_the_same_choice(station: Station) -> None:
    pulls = ApprovedPulls(station.pulling)
    document = pulls.document(OPERATOR, f"{REPO}:Q8_0", COMMIT, "a/b")
    assert (document["choice"], paths(dict(document))) == ("Q8_0", ["tiny-Q8_0.gguf"])


@pytest.mark.parametrize("repo", ["a/b:", "a/b:../x", "a/b:x/y", "a/b:a:b", "a/b:.x", "a/b:x y"])
def test_what_cannot_be_a_file_is_no_choice(repo: str) -> None:
    with pytest.raises(InvalidRequest):
        choice_of(repo)


def test_a_name_that_was_given_is_taken() -> None:
    assert name_of("c/d", "a/b", "Q8_0") == "c/d"
