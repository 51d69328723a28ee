"""What every advisor of the registry keeps to, whatever snapshot it is given."""

import json
import re

import pytest
from hypothesis import HealthCheck, given, settings

from app._experimental import wording
from app._experimental.registry import ADVISORS
from app._experimental.residency.calendars import CALENDARS
from app.authority.advice.untrusted import models_of, read
from app.domain.advice.frames import Answer, Question
from app.domain.advice.proposals import PREDICTIONS, Kind, Proposal
from app.domain.advice.snapshot import Snapshot, as_plain, from_plain
from tests.fakes.advisors import advised, answer, said
from tests.fakes.snapshots import large, snapshot, snapshots

MOST = 10
NAMES = sorted(ADVISORS)


def answer_to(question: Question) -> Answer:
    """Everything that the schema allows about its first models."""
    item = question.schema["properties"]["proposals"]["items"]["properties"]
    kinds, models = item["kind"]["enum"], item["model"]["enum"]
    items = [
        said(kind, models[at % len(models)], confidence=100 - at)
        for at, kind in enumerate(kinds[:5])
    ]
    return Answer(answer(*items))


def proposals(name: str, facts: Snapshot) -> list[Proposal]:
    return advised(ADVISORS[name](), facts, answer_to)


def value_at(plain: object, path: tuple[str, ...]) -> object:
    for part in path:
        assert isinstance(plain, dict)
        plain = plain[part]
    return plain


def test_each_is_known_by_its_own_name_and_says_what_it_assumes_and_how_sure_it_is() -> None:
    assert set(NAMES) >= {"routing", "housekeeping", "context", "llm"}
    for name, one in ADVISORS.items():
        advisor = one()
        assert advisor.name == name
        assert re.fullmatch(r"[a-z]{2,20}", name)
        assert 20 < len(advisor.assumes) <= 500
        assert 20 < len(advisor.sure) <= 500


@pytest.mark.parametrize("name", NAMES)
@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=100)
@given(facts=snapshots())
def test_every_proposal_can_be_read_is_true_and_is_about_what_is_there(
    name: str, facts: Snapshot
) -> None:
    plain = as_plain(facts)
    made = proposals(name, facts)
    assert len(made) <= MOST
    for one in made:
        assert read(json.loads(json.dumps(one.as_plain()))) == one
        assert [(fact.field, value_at(plain, fact.field)) for fact in one.evidence] == [
            (fact.field, fact.value) for fact in one.evidence
        ]
        assert set(models_of(one)) <= set(facts.models)
        assert one.kind is not Kind.ROUTE or one.target in facts.aliases
        assert set(one.predicts) <= set(PREDICTIONS)
    about = [(one.kind, one.target, json.dumps(one.change, sort_keys=True)) for one in made]
    assert len(set(about)) == len(about), "it repeats itself"


@pytest.mark.parametrize("name", NAMES)
def test_the_same_snapshot_gives_the_same_advice(name: str) -> None:
    facts = large(models=24, days=14)
    again = from_plain(json.loads(json.dumps(as_plain(facts))))
    assert proposals(name, facts) == proposals(name, again)


@pytest.mark.parametrize("name", NAMES)
def test_of_an_empty_machine_nothing_is_said(name: str) -> None:
    assert proposals(name, snapshot()) == []


@pytest.mark.parametrize("name", NAMES)
def test_two_hundred_models_and_thirty_days_are_advised_on(name: str) -> None:
    """How long that may take is measured in `make bench`. All are used at all hours, more than fit
    together: residency has nothing to say of that."""
    found = proposals(name, large())
    assert (0 if name == "residency" else 1) <= len(found) <= MOST
    assert all(read(one.as_plain()) == one for one in found)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (86_400, "24 hours"),
        (3_600, "1 hour"),
        (5_400, "90 minutes"),
        (61, "61 seconds"),
        (0, "0 seconds"),
    ],
)
def test_times_are_in_the_largest_unit_that_they_are_whole_in(seconds: int, shown: str) -> None:
    assert wording.spell(seconds) == shown


def test_how_an_hour_was_foretold_reads_as_a_sentence() -> None:
    words = [calendar.words for calendar in CALENDARS]
    assert "the day before" in words
    assert "on two of the three days before" in words
    assert "on two of the three days before, 3 days apart" in words
    assert not [one for one in words if "1 days" in one]
    assert len(set(words)) == len(words)
