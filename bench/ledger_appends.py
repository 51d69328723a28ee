"""What an append costs until it is durable, signed and in the sink, beside the disk's limits."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from bench.child import Child, Json
from bench.rounds import interleaved, paired_ratio
from bench.statistics import median, percentile, spread
from bench.table import Row, above, at_least, below, orientation

MODULE: Final = "bench.ledger_writer"
P50_MS: Final = 2
P99_MS: Final = 25
OF_RAW: Final = 0.3
CALLERS: Final = 64
TOGETHER_A_SECOND: Final = 10_000
WARM_UPS: Final = 2

_RAW: Final = "raw"
_LEDGER: Final = "ledger"
_ONE_SYNC: Final = {
    "overwrite": "pwrite of 4 KiB and sync, p50 (as the signer's memory is written)",
    "append": "append of 600 bytes and sync, p50 (as the sink is written)",
}


def rows(scratch: Path, *, quick: bool) -> list[Row]:
    rounds, count = (4, 100) if quick else (14, 300)
    with ExitStack() as stack:
        children = {
            side: stack.enter_context(Child(MODULE, side, str(scratch / side)))
            for side in (_LEDGER, _RAW, *_ONE_SYNC)
        }
        sides = {side: _asker(child, count) for side, child in children.items()}
        found = interleaved(sides, prompts=range(rounds), warm_ups=WARM_UPS)
        together = _together(children[_LEDGER], rounds=3 if quick else 8, count=count * CALLERS)
        children[_LEDGER].ask(finish=True)  # fails unless all of that verifies
    return [*_alone(found), *_beside(found), together]


def _asker(child: Child, count: int) -> Callable[[int], Json]:
    return lambda _: child.ask(count=count)


def _alone(found: dict[str, list[Json]]) -> list[Row]:
    taken = _milliseconds(found[_LEDGER])
    what = "append, durable, signed and in the sink"
    note = f"{len(taken)} appends by one caller, one after another"
    raw = percentile(_milliseconds(found[_RAW]), 50)
    return [
        below(f"{what}, p50", percentile(taken, 50), "ms", limit=P50_MS, note=note),
        below(f"{what}, p99", percentile(taken, 99), "ms", limit=P99_MS, note=note),
        orientation("disk: one row committed by bare SQLite, p50", raw, None, "ms"),
        *(
            orientation(f"disk: {name}", percentile(_milliseconds(found[side]), 50), None, "ms")
            for side, name in _ONE_SYNC.items()
        ),
    ]


def _beside(found: dict[str, list[Json]]) -> list[Row]:
    ours, raw = ([_rate(answer) for answer in found[side]] for side in (_LEDGER, _RAW))
    three = [
        1000 / sum(median(found[side][place]["milliseconds"]) for side in (_RAW, *_ONE_SYNC))
        for place in range(len(raw))
    ]
    what = "appends by one caller, over bare SQLite's single-row commits"
    note = f"WAL, synchronous FULL, 600 bytes a row; ours {spread(ours)}"
    limit = "the same by the disk alone: a commit and two syncs, nothing else"
    return [
        at_least(
            what,
            median(ours),
            median(raw),
            "/s",
            ratio=OF_RAW,
            measured=paired_ratio(ours, raw),
            note=note,
        ),
        orientation(limit, median(three), median(raw), "/s"),
    ]


def _together(child: Child, *, rounds: int, count: int) -> Row:
    rates = [_rate(child.ask(count=count, callers=CALLERS)) for _ in range(rounds)][1:]
    what = f"appends by {CALLERS} callers at once"
    return above(what, median(rates), "/s", limit=TOGETHER_A_SECOND, note=spread(rates))


def _milliseconds(answers: list[Json]) -> list[float]:
    return [one for answer in answers for one in answer["milliseconds"]]


def _rate(answer: Json) -> float:
    return len(answer["milliseconds"]) / float(answer["seconds"])
