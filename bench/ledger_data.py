"""A made-up past for ledgers that are measured: real events of a realistic mix, 450 to 900 bytes.

A third are loads and their outcomes, a quarter refusals, the rest reads, verifications and hourly
sums; some kinds, persons and models are rare. Equal seeds give equal events. Every chunk of
`CHUNK` events stands for itself, so that several processes can make them at once.
"""

import random
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from app.authority.ledger.events import LedgerEvent, Stamp, canonical_body, new_event_id
from app.domain.actors import SYSTEM, Actor, Role
from app.evidence.vocabulary import Kind

CHUNK: Final = 5_000
"""Also the events of one run of the server."""
EVERY_US: Final = 45_000_000
"""Between two events on average: a million of them are 17 months."""

RARE_ACTOR: Final = "key:0badcafe"
RARE_MODEL: Final = "publisher-3/model-rare-8bit"
COMMON_MODEL: Final = "publisher-1/model-001-instruct-4bit"
COMMON_PERSON: Final = "person-03"
COMMON_ACTOR: Final = "key:00000003"
RARE_WORD: Final = "works council"
COMMON_WORD: Final = "does not fit"

_MODELS: Final = tuple(f"publisher-{i % 7}/model-{i:03d}-instruct-4bit" for i in range(40))
_PEOPLE: Final = tuple(f"person-{i:02d}" for i in range(12))
_GIB: Final = 2**30

Body = tuple[str, bytes]
"""An event's id and its canonical bytes."""


@dataclass(slots=True)
class _Run:
    """One run of the server while it is made up."""

    chance: random.Random
    boot: str
    seq: int
    now_us: int
    open: list[tuple[str, int]] = field(default_factory=list)
    """Loads without an outcome: model, number of the intent."""
    named: bool = False
    """Whether what ends an attempt names its run, and little else is made up."""

    def actor(self) -> Actor:
        number = self.chance.randrange(20)
        if number == 19 and not self.chance.randrange(500):
            return Actor(RARE_ACTOR, "name", frozenset({Role.AUDITOR}), None)
        return _ACTORS[number]

    def model(self) -> str:
        if not self.chance.randrange(5_000):
            return RARE_MODEL
        return self.chance.choice(_MODELS)

    def hex(self, count: int) -> str:
        return self.chance.randbytes(count).hex()

    def request(self) -> str:
        return str(uuid.UUID(int=self.chance.getrandbits(128)))


def _actor(number: int) -> Actor:
    person = _PEOPLE[number] if number < len(_PEOPLE) else None
    roles = frozenset({Role.CLIENT} if number % 3 else {Role.OPERATOR, Role.AUDITOR})
    return Actor(f"key:{number:08x}", "name", roles, person)


_ACTORS: Final = tuple(map(_actor, range(20)))


def bodies(
    first: int, count: int, *, start_us: int, seed: int = 0, runs: bool = False
) -> list[Body]:
    """Return the canonical bodies of events `first` to `first + count - 1`, one run of a server.

    `start_us` is when event 1 happened. With `runs` six of seven events end an attempt and name
    its run.
    """
    chance = random.Random(seed * 1_000_003 + first)
    boot = str(uuid.UUID(int=chance.getrandbits(128)))
    run = _Run(chance, boot, first, start_us + first * EVERY_US, named=runs)
    made: list[Body] = []
    for event in _events(run, first + count - 1):
        id_ = new_event_id(ts_utc_us=run.now_us, random=chance.randbytes(10))
        stamp = Stamp(run.seq, id_, run.now_us, (run.seq - first + 1) * EVERY_US, boot)
        made.append((id_, canonical_body(event, stamp)))
        run.seq += 1
        run.now_us = start_us + run.seq * EVERY_US + chance.randrange(EVERY_US)
    return made


def single_events(count: int, *, seed: int = 0) -> list[LedgerEvent]:
    """Return events without a place in a log, to be appended one by one."""
    run = _Run(random.Random(seed), str(uuid.UUID(int=seed)), 1, 0)
    made = []
    while len(made) < count:
        event = _any(run)
        if event.kind is not Kind.LOAD_INTENT:  # a log that is opened again would close them
            made.append(event)
        run.seq += 1
    return made


def _events(run: _Run, last: int) -> Iterator[LedgerEvent]:
    boot = {"version": "0.1.0", "pid": run.chance.randrange(9_999), "adopted": 0}
    boot |= {"rules_digest": run.hex(32), "config_digest": run.hex(32), "overrides": {}}
    yield LedgerEvent(Kind.BOOT, SYSTEM, run.boot, data=boot)
    while run.seq < last:
        # What is open is closed before the run ends, with its last events.
        event = _outcome(run) if last - run.seq <= len(run.open) else _any(run)
        if run.named and event.kind in _END_AN_ATTEMPT:
            event = replace(event, data={**event.data, "run": run.hex(32)})
        yield event
    yield LedgerEvent(Kind.SHUTDOWN, SYSTEM, run.boot, data={"reason": "asked to stop"})


def _any(run: _Run) -> LedgerEvent:
    kinds = _ATTEMPTS if run.named else _KINDS
    return kinds[run.chance.randrange(len(kinds))](run)


def _intent(run: _Run) -> LedgerEvent:
    model, actor = run.model(), run.actor()
    needed = run.chance.randrange(_GIB, 64 * _GIB)
    run.open.append((model, run.seq))
    data: dict[str, Any] = {
        "digest": run.hex(32),
        "context": 8192,
        "slots": run.chance.randrange(1, 9),
        "pinned": False,
        "permission": "model.load",
        "feasibility": {
            "available_bytes": 96 * _GIB,
            "needed_bytes": needed,
            "reserve_bytes": 8 * _GIB,
            "resident_bytes": needed // 3,
        },
    }
    return LedgerEvent(Kind.LOAD_INTENT, actor, model, data=data, request_id=run.request())


def _outcome(run: _Run) -> LedgerEvent:
    if not run.open:
        return _intent(run)
    model, intent = run.open.pop()
    resident = run.chance.randrange(_GIB, 64 * _GIB)
    data: dict[str, Any] = {"digest": run.hex(32), "pid": 4711, "resident_bytes": resident}
    data |= {"base_bytes": 210_000_000, "load_ms": run.chance.randrange(20_000)}
    outcome = "loaded"
    if not run.chance.randrange(20):
        outcome = "failed"
        data["reason"] = f"The worker ended before {model} was ready: signal 9."
    return LedgerEvent(Kind.LOAD_OUTCOME, run.actor(), model, outcome, data, intent, run.request())


def _refusal(run: _Run) -> LedgerEvent:
    model, chance = run.model(), run.chance
    missing = chance.randrange(1, 60)
    message = (
        "This key's roles do not allow loading a model. Ask for a key with the operator role.",
        f"{model} does not fit beside what is resident: {missing} GiB missing. Unload another.",
        f"{model} is in quarantine because its files are not those that were imported.",
        "Another load of this model is already under way; it will be done shortly.",
    )[chance.randrange(4)]
    if not chance.randrange(20_000):
        message = f"{model} may not be used until the works council has agreed."
    data = {"code": "forbidden", "message": message, "permission": "model.load"}
    return LedgerEvent(Kind.REFUSAL, run.actor(), model, "refused", data, request_id=run.request())


def _verified(run: _Run) -> LedgerEvent:
    data: dict[str, Any] = {"digest": run.hex(32), "files": 9, "trust": "verified"}
    data["hashed_bytes"] = run.chance.randrange(64 * _GIB)
    outcome = "done"
    if not run.chance.randrange(1_000):
        outcome = "digest_mismatch"
        data["path"] = "model-00003-of-00009.safetensors"
    return LedgerEvent(
        Kind.MODEL_VERIFIED, run.actor(), run.model(), outcome, data, request_id=run.request()
    )


def _sums(run: _Run) -> LedgerEvent:
    hour = run.now_us - run.now_us % 3_600_000_000
    tokens = run.chance.randrange(9_000_000)
    data: dict[str, Any] = {"from_us": hour - 3_600_000_000, "until_us": hour}
    data |= {"first_id": 1, "last_id": 0, "rows": 0, "requests": run.chance.randrange(9_000)}
    data |= {"prompt_tokens": tokens, "completion_tokens": tokens // 3, "digest": run.hex(32)}
    return LedgerEvent(Kind.USAGE_DIGEST, SYSTEM, data=data)


def _read(run: _Run) -> LedgerEvent:
    detail = (
        f"actor=key:0000000{run.chance.randrange(10)} kind=refusal since=2026-01-01 "
        f"after={run.seq // 2}; quarterly review, as agreed with the \u201cauditors\u201d"
    )
    return LedgerEvent(
        Kind.LEDGER_READ, run.actor(), "events", data={"detail": detail}, request_id=run.request()
    )


_KINDS: Final[tuple[Callable[[_Run], LedgerEvent], ...]] = (
    *[_intent] * 2,
    *[_outcome] * 2,
    *[_refusal] * 3,
    *[_verified] * 2,
    _sums,
    *[_read] * 2,
)
_ATTEMPTS: Final[tuple[Callable[[_Run], LedgerEvent], ...]] = (
    _intent,
    _outcome,
    *[_refusal] * 3,
    *[_verified] * 2,
)
_END_AN_ATTEMPT: Final = frozenset({Kind.LOAD_OUTCOME, Kind.REFUSAL, Kind.MODEL_VERIFIED})
