"""Everything that can be watched is read by a line of a table; what nobody knows is null."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.authority.guardrails.primitives import PRIMITIVES
from app.authority.guardrails.series import series_key
from app.authority.guardrails.strategies.base import Reading, Reason
from app.authority.guardrails.values import Point, Scope
from app.authority.guardrails.watching.readings import EVERY_SERIES, SYSTEM, at_point, on_tick
from app.authority.guardrails.watching.subjects import ABOUT
from app.authority.permissions import Permission, grant
from app.authority.policy.decisions import Question
from app.domain.terms import UsualTerms
from tests.fakes.at_work import AtWork, at_work
from tests.models import tiny_model

NULL = Reading(None, Reason.NULL_INPUT)


@pytest.fixture
def work(tmp_path: Path) -> Iterator[AtWork]:
    with at_work(tmp_path / "w") as work:
        yield work


def read(work: AtWork, question: Question, point: Point) -> dict[str, Any]:
    """Everything that can be read at a point, by name."""
    names = [name for name, primitive in PRIMITIVES.items() if point in primitive.points]
    wanted = [(name, Scope.ALL) for name in names]
    found = at_point(work.sources, question, point, wanted, work.office.clock.utc_us())
    assert found.keys() == set(names)
    return {
        name: value.value if isinstance(value, Reading) else value for name, value in found.items()
    }


def pull(work: AtWork, **about: Any) -> Question:
    facts = {"repo": "Acme/tiny", "revision": "c" * 40, "name": "me/tiny"}
    return Question("model_pull", work.office.owner, "me/tiny", facts, about)


def test_every_primitive_has_exactly_one_reader() -> None:
    about = {name for name, primitive in PRIMITIVES.items() if primitive.about_subject}
    assert ABOUT.keys() == about
    assert SYSTEM.keys() == PRIMITIVES.keys() - about


def test_a_load_is_read_from_the_catalogue_and_the_arithmetic(work: AtWork) -> None:
    found = read(work, work.load(), Point.LOAD)
    assert found["model_size"] == work.model.size_bytes
    assert found["model_format"] == "safetensors"
    assert found["model_publisher"] == "test"
    assert found["model_source"] == "imported"
    assert found["model_trust"] == "pinned"
    assert found["model_quantization"] == "none"
    assert found["on_demand"] is False
    assert found["actor"] == work.office.owner.id
    assert found["model_memory_share"] == found["model_memory"] / work.memory.total_bytes
    larger = read(work, work.load(slots=8), Point.LOAD)
    assert larger["model_memory"] > found["model_memory"]
    assert read(work, work.on_demand(), Point.LOAD)["on_demand"] is True


def test_a_load_that_says_nothing_is_read_with_the_terms_it_would_get(work: AtWork) -> None:
    asked = Question("model_load", work.office.owner, work.model.id)
    found = {}
    for slots in (1, 2):
        usual = UsualTerms(64, slots, 0)
        terms = replace(work.sources.models.terms, usual=lambda _, usual=usual: usual)
        work.sources = replace(work.sources, models=replace(work.sources.models, terms=terms))
        found[slots] = read(work, asked, Point.LOAD)["model_memory"]
    assert found[1] == read(work, work.load(context=64, slots=1), Point.LOAD)["model_memory"]
    assert found[1] < found[2]


def test_an_ask_for_a_load_is_read_with_the_terms_of_its_plan(work: AtWork) -> None:
    asked = Question(
        "model_load",
        work.office.owner,
        work.model.id,
        {"irreversible": False, "params": {"model": work.model.id}},
        {"context": 64, "slots": 1, "pinned": False},
    )
    assert (
        read(work, asked, Point.LOAD)["model_memory"]
        == read(work, work.load(), Point.LOAD)["model_memory"]
    )


def test_days_pass_since_the_files_were_hashed(work: AtWork) -> None:
    work.office.clock.advance(3)  # at rest for a while
    work.catalog.verify(work.model.id, full=True)
    work.office.clock.advance(2 * 86_400)
    found = read(work, work.load(), Point.LOAD)["days_since_verified"]
    assert found is None or found == pytest.approx(2)


def test_a_pull_is_read_from_the_files_that_it_would_fetch(work: AtWork) -> None:
    files = [{"path": "model.safetensors", "size": 70}, {"path": "config.json", "size": 7}]
    found = read(work, pull(work, repo="Acme/tiny", files=files), Point.PULL)
    assert (found["model_size"], found["model_format"]) == (77, "safetensors")
    assert found["model_publisher"] == "acme"
    assert (found["model_licence"], found["model_quantization"]) == (None, None)
    known = pull(work, repo="Acme/tiny", files=files, licence="mit", quantization="4bit")
    found = read(work, known, Point.PULL)
    assert (found["model_licence"], found["model_quantization"]) == ("mit", "4bit")


def test_before_a_hub_is_asked_only_names_are_known(work: AtWork) -> None:
    found = read(work, pull(work, repo="Acme/tiny"), Point.PULL)
    assert (found.pop("model_publisher"), found.pop("actor")) == ("acme", work.office.owner.id)
    about_subject = {name for name in found if PRIMITIVES[name].about_subject}
    assert about_subject == {*("model_size", "model_format", "model_licence", "model_quantization")}
    assert {found[name] for name in about_subject} == {None}


def test_the_licence_of_a_load_is_what_was_taken_in_with_the_model(
    work: AtWork, tmp_path: Path
) -> None:
    assert read(work, work.load(), Point.LOAD)["model_licence"] is None
    directory = tiny_model(tmp_path / "claims", seed=8)
    (directory / "README.md").write_text("---\nlicense: Apache-2.0\n---\n")
    may = grant(work.office.owner, Permission.MODEL_IMPORT)
    work.catalog.import_directory(may, directory, "a/claims", lambda _: None, lambda: False)
    asked = work.load(subject="a/claims")
    assert read(work, asked, Point.LOAD)["model_licence"] == "apache-2.0"


def test_a_repair_is_read_as_the_model_that_is_here_and_as_a_pull_of_its_publisher(
    work: AtWork,
) -> None:
    facts = {"repo": "Acme/tiny", "revision": "c" * 40, "name": work.model.id}
    asked = Question("model_repair", work.office.owner, work.model.id, facts, {"repo": "Acme/tiny"})
    found = read(work, asked, Point.PULL)
    assert (found["model_publisher"], found["model_format"]) == ("acme", "safetensors")
    assert (found["model_size"], found["model_quantization"]) == (work.model.size_bytes, "none")


@pytest.mark.parametrize(
    ("path", "format_"), [("a.gguf", "gguf"), ("A.GGUF", "gguf"), ("a.bin", "other")]
)
def test_the_format_of_a_pull_is_in_the_names_of_its_files(
    work: AtWork, path: str, format_: str
) -> None:
    question = pull(work, repo="a/b", files=[{"path": path, "size": 1}])
    assert read(work, question, Point.PULL)["model_format"] == format_


def test_a_name_chosen_here_does_not_hide_whose_files_are_pulled(work: AtWork) -> None:
    assert read(work, pull(work), Point.PULL)["model_publisher"] == "acme"
    for repo in ("acme/tiny", "ACME/Tiny"):
        assert read(work, pull(work, repo=repo), Point.PULL)["model_publisher"] == "acme"


def test_what_an_act_frees_and_whether_it_can_be_undone_is_in_its_plan(work: AtWork) -> None:
    question = Question(
        "model_delete", work.office.owner, work.model.id, {"irreversible": True}, {"bytes_freed": 5}
    )
    found = read(work, question, Point.DELETE)
    assert (found["bytes_freed"], found["irreversible"]) == (5, True)
    gone = Question("model_delete", work.office.owner, "gone/model", {"irreversible": True})
    assert read(work, gone, Point.DELETE)["model_size"] is None


def test_a_reader_that_fails_leaves_its_error_and_the_others_are_read(
    work: AtWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> None:
        raise OSError("no reading")

    monkeypatch.setattr(work.memory, "read", fails)
    found = read(work, work.load(), Point.LOAD)
    assert isinstance(found["model_memory_share"], OSError)
    assert found["model_size"] == work.model.size_bytes


def test_on_the_tick_every_series_is_read(work: AtWork) -> None:
    work.state |= {"waiting": 3, "pending": 2, "sink_lag": 9, "used": 16 << 30}
    now = work.office.clock.utc_us()
    found = on_tick(work.sources, EVERY_SERIES, now)
    assert found.keys() == SYSTEM.keys()
    assert found["queue_depth"] == Reading(3)
    assert found["approvals_pending"] == Reading(2)
    assert found["sink_lag"] == Reading(9)
    assert found["memory_pressure"] == Reading(0.25)
    assert found["memory_headroom"] == Reading((48 << 30) * 90 // 100)
    assert found["latency"] == found["error_rate"] == NULL  # nobody asked anything
    assert found["blocked_attempts"] == Reading(0)


def test_on_the_tick_a_scope_is_read_of_each_model_or_key(work: AtWork) -> None:
    work.used(1, actor="key:7")
    wanted = [("load_failures", Scope.MODEL), ("error_rate", Scope.ACTOR)]
    found = on_tick(work.sources, wanted, work.office.clock.utc_us())
    assert found == {
        series_key("load_failures", Scope.MODEL, work.model.id): Reading(0),
        series_key("error_rate", Scope.ACTOR, "key:7"): Reading(0.0),
    }


def test_at_an_act_a_scope_is_read_of_its_own_model_and_key(work: AtWork) -> None:
    work.used(1)
    wanted = [("blocked_attempts", Scope.ACTOR), ("latency", Scope.MODEL)]
    now = work.office.clock.utc_us()
    found = at_point(work.sources, work.load(), Point.LOAD, wanted, now)
    assert found == {
        f"blocked_attempts@actor:{work.office.owner.id}": Reading(0),
        "latency@model:test/tiny": Reading(1.0),
    }
