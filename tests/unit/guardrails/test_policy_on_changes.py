"""Whatever changes the guardrails is asked of them too; ending one is asked of people alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.authority.approvals.rendering import render
from app.domain.refusals import PolicyDenied
from tests.fakes.at_work import AtWork, at_work
from tests.fakes.guardrails import SHARE, edited

FOR_EVER = 'Block rebinding when the actor is not "nobody"'
SMALL = "Block loading a model whose size is above 20 GB"
LARGE = "Block loading a model whose size is above 900 GB"
ODD = 'Block loading a model whose publisher is "x\u202e\x1b[2J\nWHAT"'
SHARED = "Ask for approval before loading a model whose share of memory is unusually large"


@pytest.fixture
def frozen(tmp_path: Path) -> Iterator[AtWork]:
    """Nothing may be bound anew, ever."""
    with at_work(tmp_path / "w", {"frozen": FOR_EVER, "small": SMALL, "shared": SHARED}) as work:
        yield work


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[AtWork]:
    with at_work(tmp_path / "w", {"small": SMALL, "shared": SHARED}) as work:
        yield work


def points(work: AtWork) -> list[str]:
    return [row.point for row in work.rows]


def test_activating_and_binding_anew_are_asked_and_can_be_blocked(frozen: AtWork) -> None:
    version = frozen.house.load(edited({SHARE: 0.4})).row.version
    with pytest.raises(PolicyDenied, match="lmx guardrails explain"):
        frozen.house.ask("activate", version=version)
    row = frozen.rows[-1]
    assert (row.point, row.subject, row.outcome) == ("rebind", "2", "block")
    assert frozen.house.now.version == 1


def test_what_stands_in_place_of_another_is_a_binding_anew(frozen: AtWork) -> None:
    with pytest.raises(PolicyDenied, match="lmx guardrails explain"):
        frozen.house.ask("add", id="small", intent=LARGE)
    assert (frozen.rows[-1].point, frozen.rows[-1].subject) == ("rebind", "small")


async def test_a_guardrail_more_is_asked_of_people_alone(frozen: AtWork) -> None:
    await frozen.house.does("add", id="more", intent=LARGE)
    assert "more" in frozen.house.now.definitions
    assert frozen.rows == []


async def test_a_guardrail_that_blocks_every_change_can_be_retired(frozen: AtWork) -> None:
    version = frozen.house.load(edited({SHARE: 0.4})).row.version
    await frozen.house.does("retire", task="frozen")
    assert frozen.rows == []
    await frozen.house.does("activate", version=version)
    await frozen.house.does("rebind", version=version)
    await frozen.house.does("add", id="small", intent=LARGE)
    assert set(points(frozen)) == {"rebind"}
    assert frozen.house.now.compiled_under["shared"] == version


async def test_what_was_approved_is_asked_again_when_it_is_done(plain: AtWork) -> None:
    asked = plain.house.ask("add", id="small", intent=LARGE)
    plain.office.decide("owner", asked)
    assert points(plain) == ["rebind"] * 2
    await plain.office.execute(asked)
    assert points(plain) == ["rebind"] * 3
    assert plain.house.now.definitions["small"].version == 2


def test_whoever_approves_sees_what_is_replaced_before_the_new_words(plain: AtWork) -> None:
    asked = plain.house.ask("add", id="small", intent=LARGE)
    lines = render(plain.office.parts.asks.plan_of(asked).bytes)
    heads = [line for line in lines if not line.startswith(" ")]
    assert heads[:3] == ["WHAT", "WHAT IT MEANS", "IN PLACE OF"]
    page = " ".join(" ".join(lines).split())
    assert "above 900.0 GB" in page
    assert "above 20.0 GB" in page[page.index("IN PLACE OF") :]


@pytest.mark.parametrize("whole", [False, True])
def test_an_intent_cannot_write_on_the_page_it_is_shown_on(plain: AtWork, whole: bool) -> None:
    asked = plain.house.ask("add", id="odd", intent=ODD)
    lines = render(plain.office.parts.asks.plan_of(asked).bytes, whole=whole)
    assert not any("\x1b" in line or "\u202e" in line or "\n" in line for line in lines)
    assert [line for line in lines if line.startswith("WHAT")] == [
        "WHAT",
        "WHAT IT MEANS",
        "WHAT DEPENDS ON IT",
    ]


async def test_plans_of_every_change_are_shown_by_their_own_sections(plain: AtWork) -> None:
    """As they are drawn, and not only as a test makes them up."""
    version = plain.house.load(edited({SHARE: 0.4})).row.version
    activate = plain.house.ask("activate", version=version)
    pages = {"activate": activate, "retire": plain.house.ask("retire", task="small")}
    pages["add"] = plain.house.ask("add", id="new", intent=LARGE)
    await plain.house.done(activate)
    pages["rebind"] = plain.house.ask("rebind", version=version)
    first = {
        name: [
            line.partition(":")[0]
            for line in render(plain.office.parts.asks.plan_of(asked).bytes)
            if not line.startswith(" ")
        ][1]
        for name, asked in pages.items()
    }
    assert first == {
        "activate": "CHANGES",
        "rebind": "CHANGES",
        "add": "WHAT IT MEANS",
        "retire": "WHAT DECIDES NO LONGER",
    }
