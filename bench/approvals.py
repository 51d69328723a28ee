"""What approvals cost: an ask's whole way, the plan of a deletion, and how often two execute one.

The ledger, its signer, its sink and the database are the server's own, on the disk, synced. The act
takes nothing away, so that what is measured is the workflow and not the files.
"""

import asyncio
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import text

from app.authority.acts.model_delete import ModelDelete
from app.authority.approvals.executing import Executing
from app.authority.approvals.parts import Limits
from app.authority.approvals.plans import Asked, plan
from app.authority.catalog.removal.bin import Bin
from app.authority.catalog.removal.trash import Trash
from app.authority.ledger.writing import writing
from app.authority.policy.routing import Routing
from app.domain.actors import Actor
from app.domain.refusals import AskNotOpen
from bench.statistics import median, percentile
from bench.table import Row, below, orientation
from tests.fakes.asks import Office, open_office
from tests.fakes.lifecycle import OPERATOR, House, build_house

WAY_MS: Final = 30
PLAN_MS: Final = 50
RACERS: Final = 32
MODELS: Final = 100
FILES_EACH: Final = 100
SHARED_EACH: Final = 50
"""So many files of each model are another model's too."""
WARM_UPS: Final = 5

_LIKE: Final = "trust, size_bytes, architecture, max_context, created, source, shape_json"
_MODEL: Final = text(
    f"INSERT INTO model (id, digest, {_LIKE}) SELECT :id, :digest, {_LIKE} FROM model LIMIT 1"
)


def run(quick: bool) -> list[Row]:
    ways, rounds, plans = (40, 200, 1) if quick else (400, 10_000, 5)
    with tempfile.TemporaryDirectory(prefix="lmx-bench-") as scratch:
        with office(Path(scratch) / "way") as opened:
            found = way_rows(opened, ways)
        with office(Path(scratch) / "race") as opened:
            found.append(race_row(opened, rounds))
        found += asyncio.run(plan_rows(Path(scratch), plans))
    return found


@contextmanager
def office(home: Path) -> Iterator[Office]:
    opened = open_office(home)
    opened.limits = Limits(a_minute=10**6)
    try:
        yield opened
    finally:
        opened.close()


# --- ask, approve, claim, done -------------------------------------------------------------------


def way_rows(office: Office, count: int) -> list[Row]:
    steps = asyncio.run(_ways(office, count + WARM_UPS))[WARM_UPS:]
    whole = [1000 * sum(one) for one in steps]
    note = f"{count} asks one after another; p50 {median(whole):.1f} ms"
    parts = ("ask", "approve", "claim to done")
    return [
        below("ask, approve, claim, done, p95", percentile(whole, 95), "ms", limit=WAY_MS,
              note=note),
        *(
            orientation(f"of it: {name}, p50", 1000 * median([one[n] for one in steps]), None, "ms")
            for n, name in enumerate(parts)
        ),
    ]  # fmt: skip


async def _ways(office: Office, count: int) -> list[tuple[float, float, float]]:
    found = []
    for _ in range(count):
        office.toy.state.update(a=1, b=2)
        began = time.perf_counter()
        ask = await asyncio.to_thread(office.ask)
        asked = time.perf_counter()
        word = await asyncio.to_thread(office.word, "owner", ask)  # the person's side of it
        sent = time.perf_counter()
        decide = office.governance.deciding.decide
        await asyncio.to_thread(decide, office.owner, ask.id, word)
        decided = time.perf_counter()
        executed = await office.execute(ask)
        ended = time.perf_counter()
        if executed.ask.state != "done":
            raise AssertionError(f"an ask ended as {executed.ask.state}")
        found.append((asked - began, decided - sent, ended - decided))
    return found


# --- double executions ---------------------------------------------------------------------------


def race_row(office: Office, rounds: int) -> Row:
    began = time.perf_counter()
    doubles = asyncio.run(_races(office, rounds))
    each = 1000 * (time.perf_counter() - began) / rounds
    note = f"{RACERS} executors on threads in each round; {each:.0f} ms a round"
    return below(f"double executions in {rounds:,} racing rounds", doubles, "", limit=1, note=note)


async def _races(office: Office, rounds: int) -> int:
    """How many executions there were beyond one in each round. Every loser must have been told."""
    pool = ThreadPoolExecutor(RACERS)
    asyncio.get_running_loop().set_default_executor(pool)
    # Each with a queue of its own, as if every one were another server.
    racers = [Executing(office.parts, office.governance.deciding) for _ in range(RACERS)]
    owner, doubles = office.owner, 0
    for _ in range(rounds):
        office.toy.state.update(a=1, b=2)
        office.toy.performed.clear()
        ask = await asyncio.to_thread(office.approved)
        told = await asyncio.gather(
            *(racer.execute(owner, ask.id) for racer in racers), return_exceptions=True
        )
        lost = sum(isinstance(one, AskNotOpen) for one in told)
        defects = [one for one in told if isinstance(one, BaseException)]
        if len(defects) > lost or not office.toy.performed:
            raise AssertionError(f"a race ended without a winner: {defects[:1]}")
        doubles += max(RACERS - lost, len(office.toy.performed)) - 1
    return doubles


# --- the plan of a deletion ----------------------------------------------------------------------


async def plan_rows(scratch: Path, times: int) -> list[Row]:
    (scratch / "trash").mkdir()
    house = build_house(scratch)
    filled(house)
    engine = house.catalog._engine
    trash = Trash(
        Bin(
            catalog=house.catalog,
            ledger=house.ledger,
            engine=engine,
            clock=house.clock,
            store=scratch / "store",
            directory=scratch / "trash",
            grace_s=lambda: 24 * 3600,
        )
    )
    act = ModelDelete(house.catalog, trash, house.serving, Routing({}))
    took = [
        _plan_s(act, f"bench/model-{number}", OPERATOR)
        for _ in range(times)
        for number in range(MODELS)
    ]
    await house.serving.close()
    house.ledger.close()
    engine.dispose()
    note = f"{len(took)} plans of {FILES_EACH} files, half of them shared; no disk is walked"
    files = MODELS * FILES_EACH
    what = f"plan for a delete, store of {files:,} files and {MODELS} models, p95"
    return [below(what, percentile(took, 95) * 1000, "ms", limit=PLAN_MS, note=note)]


def _plan_s(act: ModelDelete, model_id: str, actor: Actor) -> float:
    began = time.perf_counter()
    drawn = act.draw({"model": model_id}, actor)
    asked = Asked(
        act=act.kind,
        actor=actor,
        reason="",
        policy_hash="0" * 64,
        nonce="0" * 32,
        created_us=0,
        approve_by_us=1,
        execute_by_us=2,
    )
    made = plan(asked, drawn).hash
    took = time.perf_counter() - began
    if len(made) != 64 or len(drawn.files) != FILES_EACH:
        raise AssertionError("the plan does not hold the model's files")
    return took


def filled(house: House) -> None:
    """Rows of a hundred models more; each has half its files from its neighbour."""
    with writing(house.catalog._engine) as connection:
        for number in range(MODELS):
            model_id = f"bench/model-{number}"
            connection.execute(_MODEL, {"id": model_id, "digest": f"{number:064x}"})
            connection.exec_driver_sql(
                "INSERT INTO artifact (model_id, path, size, sha256) VALUES (?, ?, ?, ?)",
                [
                    (model_id, f"file-{n:03}", 1000 + n, f"{_file(number, n):064x}")
                    for n in range(FILES_EACH)
                ],
            )


def _file(model: int, number: int) -> int:
    """Files of a model are numbered from where its neighbour's second half begins."""
    return 10**6 + model * (FILES_EACH - SHARED_EACH) + number
