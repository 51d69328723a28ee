"""Every attempt leaves one run: what it holds, how it ends, and that nothing secret is in it."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from sqlalchemy import Engine

from app.authority.ledger import Ledger, LedgerEvent, RefusalRecorder
from app.authority.ledger.refusals import IN_FULL, WINDOW_S
from app.authority.ledger.tiles import StoredTiles
from app.authority.permissions import Permission, check
from app.domain.actors import ANONYMOUS, Actor, Role
from app.domain.refusal import attempting
from app.domain.refusals import (
    AskExpired,
    Forbidden,
    ModelNotFound,
    ModelTooLarge,
    PlanStale,
    PolicyDenied,
    RecordedRefusal,
    Refusal,
    TooManyAsks,
)
from app.evidence.plain import CUT, MAX_BYTES, plain
from tests.fakes.clock import FixedClock
from tests.fakes.events import load_intent, pull_intent, unload_intent
from tests.fakes.ledger import new_ledger
from tests.unit.runs.conftest import Runs

BOT = Actor(id="key:0badcafe", name="bot", roles=frozenset({Role.CLIENT}), person="p-1")
Begin = Callable[..., LedgerEvent]
KEY = "lmx_0123abcd_" + "s" * 43
REFUSED = [
    ModelNotFound("There is no model 'x'."),
    Forbidden("No.", details={"permission": "model.load"}),
    PolicyDenied("No.", details={"policy": {"outcome": "deny", "rules": []}}),
    TooManyAsks("Wait.", retry_after_s=60),
    AskExpired("Too late.", details={"ask": "k7m2p9qd"}),
    PlanStale("It is another plan now.", details={"plan": "a" * 64}),
]


@pytest.mark.parametrize("refusal", REFUSED, ids=lambda r: r.code)
def test_every_refused_attempt_leaves_its_run(
    refusal: Refusal, recorder: RefusalRecorder, runs: Runs, clock: FixedClock
) -> None:
    recorder.record(BOT, refusal, "lab/a", "req-1")
    (kept,) = runs()
    assert kept["outcome"] == "refused"
    assert kept["refusal"]["code"] == refusal.code
    assert kept["refusal"]["message"] == refusal.message
    assert kept["actor"] == {"id": "key:0badcafe", "person": "p-1", "roles": ["client"]}
    assert (kept["subject"], kept["request_id"], kept["count"]) == ("lab/a", "req-1", 1)
    assert kept["started_us"] == kept["ended_us"] == clock.utc_us()


def test_what_was_decided_and_computed_has_places_of_its_own(
    recorder: RefusalRecorder, ledger: Ledger, runs: Runs
) -> None:
    arithmetic = {"need": {"total_bytes": 9}, "budget": {"budget_bytes": 3}}
    with pytest.raises(ModelTooLarge) as refused, attempting("model.load", context=64, slots=None):
        raise ModelTooLarge("Does not fit.", details=arithmetic)
    recorder.record(BOT, refused.value, "lab/a")
    recorder.record(BOT, REFUSED[2], "lab/a")
    recorder.record(BOT, REFUSED[4], "lab/a")
    recorder.record(BOT, REFUSED[5], "lab/a")
    large, denied, expired, stale = runs()
    assert (large["act"], large["inputs"]) == ("model.load", {"context": 64, "slots": None})
    assert large["feasibility"] == arithmetic
    assert "details" not in large["refusal"]
    assert denied["policy"] == {"outcome": "deny", "rules": []}
    assert expired["ask"] == "k7m2p9qd"
    assert stale["plan"] == "a" * 64


def test_a_run_is_found_by_the_act_it_names(
    recorder: RefusalRecorder, ledger: Ledger, runs: Runs
) -> None:
    with pytest.raises(Forbidden) as refused, attempting("model.load"):
        check(BOT, Permission.MODEL_UNLOAD)
    recorder.record(BOT, refused.value, "lab/a")
    recorder.record(BOT, PlanStale("Stale.", details={"act": "model_delete"}), "lab/a")
    recorder.record(ANONYMOUS, ModelNotFound("None."), "lab/a")
    assert [kept["act"] for kept in runs()] == ["model.unload", "model_delete", "refuse"]
    ledger.settle()
    with ledger.readers.connect() as connection:
        rows = connection.exec_driver_sql("SELECT action FROM ledger_index ORDER BY seq").all()
    assert [action for (action,) in rows] == ["model.unload", "model_delete", "refuse"]


def test_the_innermost_attempt_names_the_act() -> None:
    with (
        pytest.raises(ModelNotFound) as refused,
        attempting("outer", a=1),
        attempting("inner", b=2),
    ):
        raise ModelNotFound("None.")
    assert (refused.value.act, refused.value.inputs) == ("inner", {"b": 2})


def test_an_attempt_that_its_act_recorded_makes_no_second_run(
    recorder: RefusalRecorder, ledger: Ledger, runs: Runs
) -> None:
    refusal = ModelNotFound("None.")
    refusal.run = "b" * 64
    receipt = recorder.record(BOT, refusal, "lab/a")
    assert receipt is not None
    assert ledger.event(receipt.seq).data["run"] == "b" * 64
    assert StoredTiles(ledger.readers).blobs() == []


def test_a_flood_shares_one_run_that_says_how_many(
    recorder: RefusalRecorder, runs: Runs, clock: FixedClock
) -> None:
    for _ in range(IN_FULL + 50):
        clock.advance(0.001)
        recorder.record(BOT, ModelNotFound("None."), "lab/a")
    clock.advance(WINDOW_S)
    recorder.flush_due()
    kept = runs()
    assert len(kept) == IN_FULL + 1
    assert [one["count"] for one in kept] == [1] * IN_FULL + [50]
    assert kept[-1]["started_us"] < kept[-1]["ended_us"]
    assert kept[-1]["act"] == "refuse"


def test_no_secret_gets_into_a_run(recorder: RefusalRecorder, ledger: Ledger, runs: Runs) -> None:
    with (
        pytest.raises(RecordedRefusal) as refused,
        attempting("model.load", name=KEY, n={"secret": "hush"}),
    ):
        raise ModelNotFound(f"No {KEY}.", details={"path": f"/m/{KEY}", "authorization": "hush"})
    recorder.record(BOT, refused.value, f"lab/{KEY}")
    for digest in StoredTiles(ledger.readers).blobs():
        content = StoredTiles(ledger.readers).blob(digest)
        assert content is not None
        assert KEY.encode() not in content
        assert b"hush" not in content
    assert len(runs()) == 1


def test_a_run_stays_small_whatever_a_refusal_brings(
    recorder: RefusalRecorder, ledger: Ledger, runs: Runs
) -> None:
    heap: Any = {"x" * 500: ["y" * 5_000] * 200, "n": 1.5, "big": 2**60, "o": object()}
    with pytest.raises(ModelNotFound) as refused, attempting("a", heap=heap):
        raise ModelNotFound("z" * 100_000, details={**heap, "policy": heap, "need": heap})
    recorder.record(BOT, refused.value, "lab/a")
    (digest,) = StoredTiles(ledger.readers).blobs()
    content = StoredTiles(ledger.readers).blob(digest)
    assert content is not None
    assert len(content) < 20 * 1024


def test_what_is_no_plain_json_is_made_so() -> None:
    assert plain({"a": 1.5, "b": 2**53, "c": (1, {2}), "\u00e9": None}) == {
        "a": "1.5",
        "b": str(2**53),
        "c": [1, [2]],
        "\\xe9": None,
    }
    nested: Any = "x"
    for _ in range(9):
        nested = [nested]
    assert CUT in str(plain(nested))
    assert len(orjson.dumps(plain([["\x01" * 400] * 999] * 9))) < MAX_BYTES + 1_000
    assert plain("half \ud800") == "half \\ud800"


@pytest.mark.parametrize(
    ("begun", "named"),
    [
        (load_intent, ("model.load", None)),
        (unload_intent, ("model.unload", None)),
        (pull_intent, ("model.pull", None)),
    ],
)
def test_an_attempt_that_a_restart_closed_has_its_run_too(
    begun: Begin, named: tuple[str, str | None], engine: Engine, ledger: Ledger, clock: FixedClock
) -> None:
    act, plan = named
    began_us = clock.utc_us()
    seq = ledger.append(begun("lab/a", actor=BOT)).seq
    ledger.close()
    clock.advance(5)
    again = new_ledger(engine, clock, "boot-2")
    (closed,) = again.reconcile()
    content = StoredTiles(again.readers).blob(str(again.event(closed.seq).data["run"]))
    kept = orjson.loads(content or b"")
    assert again.event(closed.seq).intent_seq == seq
    assert (kept["outcome"], kept["act"], kept["plan"]) == ("interrupted_by_restart", act, plan)
    assert kept["actor"]["id"] == "key:0badcafe"
    assert kept["effect"] == {"closed_by": "restart", "intent_boot_id": "boot-1"}
    assert (kept["started_us"], kept["boot_id"]) == (began_us, "boot-2")
    again.close()
