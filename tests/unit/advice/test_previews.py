"""A preview says what accepting would come to, changes nothing, and is right about it."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.authority.advice.kept import Kept
from app.domain.actors import Actor, Role
from app.domain.advice.proposals import Kind
from app.domain.refusals import Forbidden, Refusal
from tests.fakes.advised import SETTINGS, Advised, open_advised

Setting = Callable[[Advised], Coroutine[Any, Any, None]]


async def as_it_is(_: Advised) -> None:
    """Three models that nobody uses; the alias `mine` leads to the first."""


async def loaded(advised: Advised) -> None:
    await advised.load("lab/one")


async def pinned(advised: Advised) -> None:
    await advised.cases.housekeeping.pin(advised.person, "lab/one", pinned=True)


async def small(advised: Advised) -> None:
    """A machine on which no model of any kind fits."""
    advised.memory.total_bytes = 1 << 20


async def room_for_one(advised: Advised) -> None:
    """A machine on which one model fits, and that is another."""
    await advised.load("lab/two")
    need = await advised.previews.memory.need_bytes("lab/one", 256, 2)
    advised.memory.total_bytes = (need + need // 2) * 100 // 90
    advised.memory._used_bytes = lambda: sum(
        engine.resident_bytes() for engine in advised.host.started if not engine.exited.done()
    )


async def room_is_taken(advised: Advised) -> None:
    """As that, and the other is pinned."""
    await room_for_one(advised)
    await advised.cases.housekeeping.pin(advised.person, "lab/two", pinned=True)


async def leftovers(advised: Advised) -> None:
    """An orphan that a purge would take away."""
    path = advised.home / "store" / "blobs" / "sha256" / "ab" / ("ab" + "0" * 62)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * 5_000)


async def aliased(advised: Advised) -> None:
    await advised.cases.housekeeping.put_alias(advised.person, "lab/one", "mine")


async def busy_asks(advised: Advised) -> None:
    """The list of asks is full."""
    for _ in range(SETTINGS.approvals.asks_per_minute):
        await advised.governed.governance.ask(advised.person, "cache_purge", {"what": "orphans"})


async def orphans_asked(advised: Advised) -> None:
    await leftovers(advised)
    await busy_asks(advised)


@dataclass(frozen=True)
class Case:
    """`what`, `code`: what accepting is to come to."""

    kind: str
    target: str
    what: str
    code: str | None = None
    change: Any = None
    when: Setting = as_it_is

    def __str__(self) -> str:
        said = ",".join(f"{k}={v}"[:24] for k, v in (self.change or {}).items())
        return f"{self.kind} {self.target} {said} {self.when.__name__}: {self.code or self.what}"


ALERT = "Alert when latency is above 3 s"
CASES = (
    Case("load", "lab/one", "done"),
    Case("load", "lab/one", "done", change={"context": 128, "slots": 1}),
    Case("load", "lab/one", "done", when=loaded),
    Case("load", "lab/one", "done", when=room_for_one),
    Case("load", "lab/one", "refused", "model_busy", {"context": 128}, loaded),
    Case("load", "lab/one", "refused", "invalid_request", {"context": 100_000}),
    Case("load", "lab/one", "refused", "does_not_fit", None, small),
    Case("load", "lab/one", "refused", "does_not_fit", when=room_is_taken),
    Case("unload", "lab/one", "done", when=loaded),
    Case("unload", "lab/one", "refused", "model_not_loaded"),
    Case("pin", "lab/one", "done"),
    Case("pin", "lab/one", "done", when=pinned),
    Case("unpin", "lab/one", "done", when=pinned),
    Case("unpin", "lab/one", "done"),
    Case("route", "mine", "done", change={"models": ["lab/two", "lab/one"]}, when=aliased),
    Case("route", "mine", "done", change={"models": ["lab/one"]}, when=aliased),
    Case("route", "MINE", "refused", "invalid_request", {"models": ["lab/one"]}, aliased),
    Case("route", "default", "refused", "invalid_request", {"models": ["lab/one"]}),
    Case("terms", "lab/one", "done", change={"context": 128, "slots": 1, "idle_s": 0}),
    Case("terms", "lab/one", "refused", "invalid_request", {"context": 100_000}),
    Case("delete", "lab/one", "asked"),
    Case("delete", "lab/one", "asked", when=loaded),
    Case("delete", "lab/one", "refused", "revision_required", when=pinned),
    Case("purge", "orphans", "asked", when=leftovers),
    Case("purge", "orphans", "refused", "revision_required"),
    Case("purge", "trash", "refused", "revision_required"),
    Case("purge", "orphans", "refused", "too_many_asks", when=orphans_asked),
    Case("guardrail", "slow-answers", "asked", change={"intent": ALERT}),
    Case("guardrail", "slow-answers", "refused", "intent_unclear", {"intent": "Be nice"}),
    Case("pull", "lab/one", "refused", "model_exists"),
    Case("pull", "lab/new", "refused", "invalid_request", {"revision": "a..b"}),
    Case("pull", "lab/new", "refused", "policy_denied"),
)


async def came(advised: Advised, kept: Kept, by: Actor | None = None) -> tuple[str, str | None]:
    try:
        ended = await advised.accept(kept, by)
    except Refusal as refusal:
        return "refused", refusal.code
    return str(ended.outcome), None


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_what_a_preview_says_is_what_accepting_comes_to(advised: Advised, case: Case) -> None:
    await case.when(advised)
    kept = await advised.kept(case.kind, case.target, **(case.change or {}))
    before = advised.state()

    would = await advised.previews.would(advised.person, kept)
    preview = await advised.previews.preview(advised.person, kept)

    assert advised.state() == before, "a preview left something"
    assert (would["what"], would["code"]) == (case.what, case.code), would
    assert would["message"] in preview["lines"][0]
    assert await came(advised, kept) == (case.what, case.code)


def test_every_kind_is_previewed_both_ways() -> None:
    assert {Kind(case.kind) for case in CASES if case.what != "refused"} | {Kind.PULL} == set(Kind)
    assert {Kind(case.kind) for case in CASES if case.what == "refused"} >= set(Kind) - {
        Kind.PIN,
        Kind.UNPIN,
    }


async def test_a_load_that_fits_shows_the_whole_arithmetic(advised: Advised) -> None:
    kept = await advised.kept("load", "lab/one")
    lines = (await advised.previews.preview(advised.person, kept))["lines"]
    assert lines[0].startswith("Fits: weights ")
    assert any(line.startswith("needed in all: ") for line in lines)
    assert any(line.startswith("budget now: ") and "64.00 GiB" in line for line in lines)


async def test_a_load_that_makes_room_names_what_goes(advised: Advised) -> None:
    await room_for_one(advised)
    kept = await advised.kept("load", "lab/one")
    would = await advised.previews.would(advised.person, kept)
    assert would["message"] == "It fits once lab/two has made room."
    await advised.accept(kept)
    assert str(advised.serving.residency.state("lab/two")) == "absent"


async def test_the_plan_of_a_deletion_is_shown_and_kept_nowhere(advised: Advised) -> None:
    kept = await advised.kept("delete", "lab/one")
    lines = (await advised.previews.preview(advised.person, kept))["lines"]
    assert "WHAT" in lines
    assert any("model.safetensors" in line for line in lines)
    assert not any(line.startswith(("DEADLINES", "TO APPROVE")) for line in lines)
    assert advised.governed.parts.asks.page(limit=10) == []


async def test_a_load_that_policy_makes_an_ask_of_says_so(tmp_path: Path) -> None:
    asking = SETTINGS.model_copy(
        update={"approvals": SETTINGS.approvals.model_copy(update={"asks_for": ("model_load",)})}
    )
    advised = open_advised(tmp_path / "home", settings=asking)
    first = await advised.kept("load", "lab/one")
    assert (await advised.previews.would(advised.person, first))["what"] == "asked"
    ended = await advised.accept(first)
    assert (ended.outcome, ended.ask is not None) == ("asked", True)

    advised.clock.advance(3 * 86_400)  # the same may be proposed again, and that ask is over
    again = await advised.kept("load", "lab/one")
    assert (await advised.previews.would(advised.person, again))["what"] == "asked"
    await advised.close()


async def test_a_pull_is_previewed_without_a_connection(
    advised: Advised, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connected(*_: object, **__: object) -> None:
        raise AssertionError("a preview asked the hub")

    monkeypatch.setattr(type(advised.governed.pulling), "look", connected)
    kept = await advised.kept("pull", "mlx-community/new")
    before = advised.state()
    look = await advised.previews.preview(advised.person, kept)
    assert (await advised.previews.would(advised.person, kept))["what"] == "asked"
    assert "Nothing was connected to" in " ".join(look["lines"])
    assert advised.state() == before


async def test_what_is_over_cannot_be_accepted_and_is_shown_so(advised: Advised) -> None:
    kept = await advised.kept("pin", "lab/one", expires_in_s=3_600)
    advised.clock.advance(3_600)
    would = await advised.previews.would(advised.person, kept)
    assert (would["what"], would["code"]) == ("refused", "proposal_ended")
    assert await came(advised, kept) == ("refused", "proposal_ended")


async def test_who_cannot_decide_is_told_that_and_nothing_else(advised: Advised) -> None:
    kept = await advised.kept("load", "lab/one")
    auditor = Actor("key:x", "x", frozenset({Role.AUDITOR}), "p-00000009")
    nobodys = Actor("key:y", "y", frozenset({Role.OPERATOR}))
    for actor in (auditor, nobodys):
        would = await advised.previews.would(actor, kept)
        assert (would["what"], would["code"]) == ("refused", Forbidden.code)
        assert await came(advised, kept, actor) == ("refused", Forbidden.code)
    assert advised.proposals.get(kept.id).state == "open"
