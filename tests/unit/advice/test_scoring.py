"""What a prediction is worth is said from what was measured, whether it was followed or not."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.authority.advice.kept import Kept, State
from app.authority.advice.measuring import HOUR_US, Measuring
from app.authority.advice.scorecard import Scoring
from app.authority.advice.scoring import Requests, Seen, Taken, Verdict, score
from app.authority.approvals.store import Asks
from app.authority.ledger.events import LedgerEvent
from app.authority.ledger.writing import writing
from app.domain.advice.proposals import PREDICTIONS, Kind, Proposal
from app.domain.feasibility import GIB
from app.evidence.vocabulary import Kind as Event
from tests.fakes.advice import OTHER_BOT, PERSON, Desk, came, open_desk
from tests.fakes.advised import Advised

YES, NO, WAITS = Taken.YES, Taken.NO, Taken.WAITS
TRUE, FALSE = Verdict.CAME_TRUE, Verdict.DID_NOT
EARLY, UNKNOWN = Verdict.TOO_EARLY, Verdict.UNKNOWN


def proposal(kind: Kind = Kind.LOAD, **predicts: int) -> Proposal:
    return Proposal(
        kind=kind, target="lab/one", reason="r", assumes="a", confidence=50, predicts=predicts
    )


def seen(taken: Taken = YES, *, over: bool = True, cold: Any = (0, 0), **more: Any) -> Seen:
    """`cold`: cold starts before and after; each side was asked a hundred times unless said."""
    asked = more.pop("asked", 100)
    return Seen(
        taken=taken,
        over=over,
        before=Requests(100, cold[0]),
        after=Requests(asked, cold[1], more.pop("p95", None)),
        **more,
    )


UNLOAD, DELETE, TERMS, ROUTE, PURGE = Kind.UNLOAD, Kind.DELETE, Kind.TERMS, Kind.ROUTE, Kind.PURGE


@pytest.mark.parametrize(
    ("advice", "saw", "verdict", "measured"),
    [
        (proposal(cold_starts_avoided=10), seen(cold=(12, 7)), TRUE, {"cold_starts_avoided": 5}),
        (proposal(cold_starts_avoided=10), seen(cold=(12, 8)), FALSE, {"cold_starts_avoided": 4}),
        (proposal(cold_starts_avoided=10), seen(cold=(12, 20)), FALSE, {"cold_starts_avoided": 0}),
        (
            proposal(cold_starts_avoided=10),
            seen(cold=(12, 0), asked=0),  # nobody asked: nobody was spared a wait
            FALSE,
            {"cold_starts_avoided": 0},
        ),
        (proposal(cold_starts_avoided=10), seen(NO, cold=(9, 5)), TRUE, {"cold_starts": 5}),
        (proposal(cold_starts_avoided=10), seen(NO, cold=(9, 4)), FALSE, {"cold_starts": 4}),
        (proposal(cold_starts_avoided=10), seen(over=False, cold=(12, 0)), EARLY, {}),
        (
            proposal(UNLOAD, cold_starts_caused=4),
            seen(cold=(0, 6)),
            TRUE,
            {"cold_starts_caused": 6},
        ),
        (
            proposal(UNLOAD, cold_starts_caused=4),
            seen(cold=(0, 7)),
            FALSE,
            {"cold_starts_caused": 7},
        ),
        (
            proposal(UNLOAD, cold_starts_caused=0),
            seen(cold=(0, 1)),
            TRUE,
            {"cold_starts_caused": 1},
        ),
        (proposal(UNLOAD, cold_starts_caused=0), seen(NO, asked=2), FALSE, {"requests": 2}),
        (proposal(UNLOAD, cold_starts_caused=0), seen(NO, asked=0), TRUE, {"requests": 0}),
        (
            proposal(UNLOAD, memory_freed_bytes=100),
            seen(over=False, memory_freed_bytes=80),  # measured at once
            TRUE,
            {"memory_freed_bytes": 80},
        ),
        (
            proposal(UNLOAD, memory_freed_bytes=100),
            seen(over=False, memory_freed_bytes=79),
            FALSE,
            {"memory_freed_bytes": 79},
        ),
        (proposal(UNLOAD, memory_freed_bytes=100), seen(NO, asked=0), TRUE, {"requests": 0}),
        (proposal(UNLOAD, memory_freed_bytes=100), seen(NO, asked=3), FALSE, {"requests": 3}),
        (proposal(TERMS, memory_freed_bytes=100), seen(over=False), EARLY, {}),
        (proposal(TERMS, memory_freed_bytes=100), seen(), UNKNOWN, {}),
        (
            proposal(TERMS, memory_freed_bytes=100),
            seen(memory_freed_bytes=200, too_long=2),
            FALSE,
            {"memory_freed_bytes": 200, "requests_too_long": 2},
        ),
        (
            proposal(DELETE, disk_freed_bytes=100),
            seen(disk_freed_bytes=100),
            TRUE,
            {"disk_freed_bytes": 100},
        ),
        (proposal(DELETE, disk_freed_bytes=100), seen(WAITS), EARLY, {}),
        (proposal(DELETE, disk_freed_bytes=100), seen(NO, over=False), EARLY, {}),
        (proposal(PURGE, disk_freed_bytes=100), seen(NO), UNKNOWN, {}),
        (proposal(ROUTE, ttft_p95_ms=400), seen(p95=500), TRUE, {"ttft_p95_ms": 500}),
        (proposal(ROUTE, ttft_p95_ms=400), seen(p95=501), FALSE, {"ttft_p95_ms": 501}),
        (proposal(ROUTE, ttft_p95_ms=400), seen(p95=None), UNKNOWN, {}),
        (proposal(ROUTE, ttft_p95_ms=400), seen(NO, p95=9_000), UNKNOWN, {}),
        (proposal(cold_starts_avoided=1), seen(Taken.UNKNOWN), UNKNOWN, {}),
        (proposal(), seen(), UNKNOWN, {}),
    ],
)
def test_a_prediction_is_held_against_what_was_measured(
    advice: Proposal, saw: Seen, verdict: Verdict, measured: dict[str, int]
) -> None:
    found = score(advice, saw)
    assert (found.verdict, found.measured) == (verdict, measured)
    assert found.predicted == advice.predicts


def test_all_that_was_predicted_has_to_come_true() -> None:
    both = proposal(UNLOAD, memory_freed_bytes=100, cold_starts_caused=0)
    bad = seen(cold=(0, 9), memory_freed_bytes=100)
    assert score(both, bad).verdict is FALSE
    early = seen(over=False, memory_freed_bytes=100)
    assert score(both, early).verdict is EARLY
    assert score(both, seen(memory_freed_bytes=100)).verdict is TRUE


def test_everything_that_can_be_predicted_is_measured() -> None:
    for name in PREDICTIONS:
        advice = proposal(UNLOAD if "freed" in name else Kind.ROUTE, **{name: 1})
        saw = seen(p95=1, memory_freed_bytes=1, disk_freed_bytes=1)
        assert score(advice, saw).verdict is not UNKNOWN, name


# --- from the tables and the ledger ---------------------------------------------------------------


@pytest.fixture
def board(tmp_path: Path) -> Iterator["Board"]:
    made = Board(open_desk(tmp_path / "home"))
    yield made
    made.desk.close()


class Board:
    """A desk, what was used, and the score of it."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        asks = Asks(desk.ledger, desk.engine)
        self.scoring = Scoring(desk.proposals, Measuring(desk.ledger, asks, desk.clock))

    def used(
        self, hours: int, model: str = "lab/one", name: str | None = None, **sums: int
    ) -> None:
        """Requests in the hour that is so many from now (before now: negative)."""
        hour = self.desk.clock.utc_us() // HOUR_US + hours
        row = {"requests": 10, "cold": 0, **sums}
        bucket = json.dumps({"30": row["requests"]})
        with writing(self.desk.engine) as connection:
            columns = "hour, model_id, name, requests, refused, cold, prompt_tokens,"
            columns += " completion_tokens, longest_tokens, last_used_us, ttft, duration, waited"
            connection.exec_driver_sql(
                f"INSERT INTO hour_use ({columns}) VALUES (?,?,?,?,0,?,0,0,0,0,?,'{{}}','{{}}')",
                (hour, model, name or model, row["requests"], row["cold"], bucket),
            )

    def done(self, kept: Kept, **more: Any) -> Kept:
        accepted = self.desk.decide(kept, State.ACCEPTED)
        return self.desk.proposals.ended(
            accepted, outcome="done", event=came(kept, "done", **more), **more
        )

    async def verdict(self, kept: Kept) -> tuple[str, dict[str, int]]:
        told = await self.scoring.measured(self.desk.proposals.get(kept.id))
        assert told is not None
        return told["verdict"], told["measured"]


async def test_cold_starts_are_counted_in_the_days_on_both_sides(board: Board) -> None:
    kept = board.done(await board.desk.kept(kind="load", predicts={"cold_starts_avoided": 6}))
    board.used(-1, cold=5)
    board.used(-168, cold=4)
    board.used(-169, cold=99)  # too long ago
    board.used(0, cold=99)  # the hour in which it was decided counts on neither side
    board.used(1, cold=1)
    board.used(168, cold=2)
    board.used(169, cold=99)  # too late
    assert await board.verdict(kept) == ("too_early", {})
    board.desk.clock.advance(169 * 3_600)
    assert await board.verdict(kept) == ("came_true", {"cold_starts_avoided": 6})


async def test_what_was_dismissed_is_scored_too(board: Board) -> None:
    kept = await board.desk.kept(kind="unload", predicts={"memory_freed_bytes": 5})
    assert await board.scoring.measured(kept) is None
    board.desk.decide(kept)
    board.desk.clock.advance(169 * 3_600)
    assert await board.verdict(kept) == ("came_true", {"requests": 0})
    board.used(-100)
    assert await board.verdict(kept) == ("did_not", {"requests": 10})


async def test_an_alias_is_measured_by_the_requests_that_named_it(board: Board) -> None:
    kept = board.done(
        await board.desk.kept(
            kind="route",
            target="default",
            change={"models": ["lab/two"]},
            predicts={"ttft_p95_ms": 500},
        )
    )
    board.used(2, "lab/two", "default")
    board.used(3, "lab/two", "other")
    board.desk.clock.advance(169 * 3_600)
    verdict, measured = await board.verdict(kept)
    assert (verdict, list(measured)) == ("came_true", ["ttft_p95_ms"])


async def test_smaller_terms_are_measured_by_the_loads_before_and_after(board: Board) -> None:
    def loaded(total: int) -> None:
        board.desk.ledger.append(
            LedgerEvent(
                Event.LOAD_INTENT,
                PERSON,
                subject="lab/one",
                data={
                    "digest": "ab" * 32,
                    "context": 1,
                    "slots": 1,
                    "pinned": False,
                    "permission": "model.load",
                    "feasibility": {"need": {"total_bytes": total}},
                },
            )
        )

    loaded(9 * GIB)
    loaded(5 * GIB)
    board.desk.clock.advance(60)
    kept = board.done(
        await board.desk.kept(
            kind="terms", change={"context": 128}, predicts={"memory_freed_bytes": 2 * GIB}
        )
    )
    assert await board.verdict(kept) == ("too_early", {})
    board.desk.clock.advance(60)
    loaded(3 * GIB)
    assert await board.verdict(kept) == ("came_true", {"memory_freed_bytes": 2 * GIB})
    with writing(board.desk.engine) as connection:
        connection.exec_driver_sql(
            "INSERT INTO usage (request_id, actor, model_id, digest, prompt_tokens,"
            " completion_tokens, started_us, duration_ms, outcome)"
            " VALUES ('r', 'a', 'lab/one', 'd', 0, 0, ?, 0, 'context_length_exceeded')",
            (board.desk.clock.utc_us(),),
        )
    assert (await board.verdict(kept))[0] == "did_not"


async def test_the_scorecard_counts_each_author(board: Board) -> None:
    desk = board.desk
    board.done(await desk.kept(kind="pin"))
    desk.clock.advance(1)
    desk.decide(await desk.kept(kind="unload", predicts={"memory_freed_bytes": 5}))
    desk.clock.advance(1)
    await desk.kept(kind="load")
    desk.clock.advance(1)
    short = await desk.kept(OTHER_BOT, kind="unpin", expires_in_s=3_600)
    desk.clock.advance(3_601)
    desk.proposals.expire_due(desk.clock.utc_us())
    card = await board.scoring.scorecard()
    names = ("proposed", "open", "accepted", "dismissed", "expired", "too_early", "unknown")
    assert [tuple(one[name] for name in ("author", *names)) for one in card["advisors"]] == [
        ("key:00000001", 3, 1, 1, 1, 0, 1, 1),
        ("key:00000002", 1, 0, 0, 0, 1, 0, 1),
    ]
    assert [one["state"] for one in card["proposals"]] == ["expired", "dismissed", "accepted"]
    assert card["proposals"][0]["id"] == short.id


# --- of acts that were really done ----------------------------------------------------------------


def scoring_of(advised: Advised) -> Scoring:
    asks = advised.governed.parts.asks
    return Scoring(advised.proposals, Measuring(advised.authority.ledger, asks, advised.clock))


async def test_what_an_unload_freed_is_taken_from_its_run(advised: Advised) -> None:
    await advised.load("lab/one")
    kept = await advised.kept("unload", "lab/one", predicts={"memory_freed_bytes": 1 << 20})
    ended = await advised.accept(kept)
    told = await scoring_of(advised).measured(ended)
    freed = advised.run_of(str(ended.run))["effect"]["freed_bytes"]
    assert freed > 1 << 20
    assert told == {
        "predicted": {"memory_freed_bytes": 1 << 20},
        "measured": {"memory_freed_bytes": freed},
        "verdict": "came_true",
    }


async def test_what_a_deletion_freed_is_known_once_its_bytes_are_gone(advised: Advised) -> None:
    kept = await advised.kept("delete", "lab/one", predicts={"disk_freed_bytes": 1_000})
    ended = await advised.accept(kept)
    score_now = scoring_of(advised).measured

    async def verdict() -> str:
        told = await score_now(ended)
        assert told is not None
        return str(told["verdict"])

    assert await verdict() == "too_early"  # nobody approved it
    await advised.approve_and_execute(str(ended.ask))
    assert await verdict() == "too_early"  # it can be restored
    advised.clock.advance(25 * 3_600)
    effect = await advised.governed.executing.purging(str(ended.ask))
    told = await score_now(ended)
    assert told is not None
    assert told["measured"] == {"disk_freed_bytes": effect.freed_bytes}
    assert told["verdict"] == "came_true"
