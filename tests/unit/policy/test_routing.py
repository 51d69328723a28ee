"""A name leads to exactly the model it stands for, or to a refusal."""

from pathlib import Path

import pytest

from app.authority.policy.routing import Route, Routing, load_routing
from app.domain.refusals import ModelNotFound, StartRefused
from app.settings import TEMPLATES

IDS = {"lmx/starter", "qwen/big", "qwen/small"}
ROUTING = Routing({"default": ("qwen/big", "qwen/small"), "gone": ("no/where",)})


def test_an_exact_id_leads_to_itself_without_fallback() -> None:
    assert ROUTING.resolve("qwen/small", IDS) == Route("qwen/small")


def test_an_alias_leads_to_its_first_model_and_falls_back_in_order() -> None:
    assert ROUTING.resolve("default", IDS) == Route("qwen/big", ("qwen/small",))


def test_an_alias_skips_models_that_were_never_imported() -> None:
    assert ROUTING.resolve("default", {"qwen/small"}) == Route("qwen/small")


@pytest.mark.parametrize("name", ["", "QWEN/BIG", "qwen", "qwen/big ", "gpt-4o", "x" * 5000])
def test_any_other_name_is_not_found_even_when_models_are_there(name: str) -> None:
    with pytest.raises(ModelNotFound) as refused:
        ROUTING.resolve(name, IDS)
    assert refused.value.param == "model"
    assert len(refused.value.message) < 400


def test_the_refusal_names_what_comes_closest() -> None:
    with pytest.raises(ModelNotFound, match="Closest: lmx/starter"):
        ROUTING.resolve("lmx/startr", IDS)


def test_an_alias_that_leads_nowhere_says_so() -> None:
    with pytest.raises(ModelNotFound, match="no/where, which was never imported"):
        ROUTING.resolve("gone", IDS)


def test_only_aliases_that_lead_somewhere_are_listed() -> None:
    assert ROUTING.routes(IDS) == [("default", "qwen/big")]
    assert ROUTING.routes({"qwen/small"}) == [("default", "qwen/small")]


def test_a_model_knows_its_aliases() -> None:
    assert ROUTING.aliases_of("qwen/small") == ["default"]


def test_the_shipped_file_leads_default_to_the_starter_model() -> None:
    routing = load_routing(TEMPLATES / "routing.yaml")
    assert routing.resolve("default", IDS) == Route("lmx/starter")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("version: 1\naliases: {a: [default]}", "aliases.a"),
        ("version: 1\naliases: {a/b: [c/d]}", "aliases.a/b"),
        ("version: 1\naliases: {a: []}", "aliases.a"),
        ("version: 1\naliases: {a: [c/d, c/d]}", "twice"),
        ("version: 1\naliases: {a: [c/d]}\naliases: {}", "line 3"),
        ("version: 1\nalias: {}", "alias"),
        ("version: 2", "version"),
        ("aliases: {}", "version"),
        ("[1, 2]", "mapping"),
        ("version: 1\naliases: [", "cannot be read"),
    ],
)
def test_a_bad_file_stops_the_start_and_says_where(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "routing.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(StartRefused, match=says):
        load_routing(path)


def test_a_missing_file_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(StartRefused, match="cannot be read"):
        load_routing(tmp_path / "routing.yaml")
