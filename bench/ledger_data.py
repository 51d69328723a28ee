"""Makes ledgers of any size for measuring: real bodies, a real tree, a real key, written in bulk.

`write_ledger` writes what a server that had run for years would have left behind: the database with
events, nodes, commits, checkpoints and index, the sink's file and the keys. It goes around the
ledger's own writer, because a million single commits would take longer than what is measured.
"""

import hashlib
import hmac
import json
import random
import sqlite3
import uuid
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.authority.ledger.events import LedgerEvent, Stamp, canonical_body, new_event_id
from app.database import migrate
from app.domain.actors import SYSTEM, Actor, Role
from app.evidence.checkpoints import Checkpoint, signed
from app.evidence.indexing import COLUMNS, index_row
from app.evidence.merkle import Frontier, leaf_hash
from app.evidence.notes import VerifierKey, verifier_key
from app.evidence.tiles import WIDTH
from app.evidence.vocabulary import Kind

INSTALL_ID: Final = "bench0000000"
ORIGIN: Final = f"lmx-authority/{INSTALL_ID}"
START_US: Final = 1_767_225_600_000_000
EVENTS_A_BOOT: Final = 5_000
_CHUNK: Final = 4_096
_EVENT: Final = "INSERT INTO ledger_event (seq, event_id, body, leaf) VALUES (?, ?, ?, ?)"
_INDEX: Final = f"INSERT INTO ledger_index VALUES ({', '.join('?' * len(COLUMNS))})"

_BYTES_A_NAME: Final = 24
_MODELS: Final = tuple(f"publisher-{i % 7}/model-{i:03d}-instruct-4bit" for i in range(40))
_PEOPLE: Final = tuple(f"person-{i:02d}" for i in range(12))
_REASONS: Final = (
    "This key's roles do not allow loading a model. Ask for a key with the operator role.",
    "The model does not fit beside what is resident: 3.1 GiB are missing after the reserve.",
    "The model is in quarantine because its files are not those that were imported.",
    "Another load of this model is already under way; it will be done shortly.",
)


@dataclass(frozen=True, slots=True)
class Made:
    """Where it lies and what it ends in."""

    home: Path
    size: int
    root: bytes
    key: VerifierKey
    private: Ed25519PrivateKey
    boundaries: tuple[int, ...]
    """Sizes after each commit, so each that the sink has a checkpoint of."""

    @property
    def database(self) -> Path:
        return self.home / "lmx.db"

    @property
    def sink(self) -> Path:
        return self.home / "ledger/events.jsonl"


def bodies(count: int, *, seed: int = 0) -> Iterator[bytes]:
    """Return canonical bodies of a realistic mix, 450 to 900 bytes each; equal seeds, equal bytes.

    A third of them are loads and unloads, a quarter refusals, the rest reads and housekeeping.
    """
    chance = random.Random(seed)
    now_us, boot, opened = START_US, "", dict[str, int]()
    for seq in range(1, count + 1):
        now_us += chance.randrange(200, 90_000_000)
        if seq % EVENTS_A_BOOT in (0, 1):
            boot = str(uuid.UUID(int=chance.getrandbits(128)))
        event = _event(seq, chance, boot, opened)
        if event.kind is Kind.LOAD_INTENT:
            opened[event.subject] = seq
        stamp = Stamp(
            seq=seq,
            event_id=new_event_id(ts_utc_us=now_us, random=chance.randbytes(10)),
            ts_utc_us=now_us,
            mono_us=now_us - START_US + 1,
            boot_id=boot,
        )
        yield canonical_body(event, stamp)


def write_ledger(
    home: Path, *, events: int, seed: int = 0, group: int = 64, every: int = 16
) -> Made:
    """Write a ledger of `events` under `home`, which is empty.

    A commit takes 1 to `group` events, the sink has a checkpoint of each, the database of every
    `every`-th and of the last.
    """
    (home / "ledger").mkdir(parents=True, mode=0o700)
    private = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"bench%d" % seed).digest())
    key = verifier_key(ORIGIN, private)
    (home / "ledger/keys").write_text(f"{key}\n", encoding="ascii")
    migrate(home / "lmx.db")
    connection = sqlite3.connect(home / "lmx.db", isolation_level=None)
    with closing(connection), (home / "ledger/events.jsonl").open("wb") as sink:
        for pragma in ("synchronous = OFF", "cache_size = -200000"):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        made = _write(connection, sink, home, key, private, bodies(events, seed=seed), group, every)
    (home / "lmx.db").chmod(0o600)
    return made


def _write(  # noqa: PLR0917 - one caller, and each is named there
    connection: sqlite3.Connection,
    sink: "object",
    home: Path,
    key: VerifierKey,
    private: Ed25519PrivateKey,
    source: Iterator[bytes],
    group: int,
    every: int,
) -> Made:
    chance = random.Random(group)
    frontier, boundaries = Frontier(), list[int]()
    tiles = _Tiles()
    made = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE tbl_name = 'ledger_index' AND type = 'index'"
        " AND sql IS NOT NULL"
    ).fetchall()
    connection.execute("BEGIN IMMEDIATE")
    for name, _ in made:
        connection.execute(f"DROP INDEX {name}")
    note = signed(Checkpoint(ORIGIN, 0, frontier.root()), (key, private.sign))
    for taken in _grouped(source, chance, group):
        first = frontier.size + 1
        leaves = [leaf_hash(body) for body in taken]
        parsed = [json.loads(body) for body in taken]
        frontier = frontier.append(leaves)
        size, root = frontier.size, frontier.root()
        connection.executemany(
            _EVENT,
            (
                (seq, fields["event_id"], body, leaf)
                for seq, (fields, body, leaf) in enumerate(
                    zip(parsed, taken, leaves, strict=True), first
                )
            ),
        )
        connection.executemany(_INDEX, map(index_row, parsed))
        connection.executemany("INSERT INTO ledger_node VALUES (?, ?, ?)", tiles.add(leaves))
        tag = hmac.digest(b"bench", size.to_bytes(8, "big") + root, "sha256")
        connection.execute("INSERT INTO ledger_commit VALUES (?, ?)", (size, tag))
        note = signed(Checkpoint(ORIGIN, size, root), (key, private.sign))
        boundaries.append(size)
        if len(boundaries) % every == 0:
            _checkpoint(connection, size, root, str(note))
        line = json.dumps({"checkpoint": str(note)}, ensure_ascii=False, separators=(",", ":"))
        sink.write(b"".join(body + b"\n" for body in taken) + line.encode() + b"\n")  # type: ignore[attr-defined]
    if len(boundaries) % every:
        _checkpoint(connection, frontier.size, frontier.root(), str(note))
    for _, sql in made:
        connection.execute(sql)
    connection.execute("COMMIT")
    return Made(home, frontier.size, frontier.root(), key, private, tuple(boundaries))


def _checkpoint(connection: sqlite3.Connection, size: int, root: bytes, note: str) -> None:
    connection.execute("INSERT INTO ledger_checkpoint VALUES (?, ?, ?)", (size, root, note))


def _grouped(source: Iterator[bytes], chance: random.Random, group: int) -> Iterator[list[bytes]]:
    while True:
        wanted = chance.randint(1, group)
        taken = list(islice(source, wanted))
        if not taken:
            return
        yield taken


class _Tiles:
    """Complete tiles as they come about, level by level."""

    def __init__(self) -> None:
        self._open: list[list[bytes]] = [[]]
        self._done: list[int] = [0]

    def add(self, leaves: Iterable[bytes]) -> Iterator[tuple[int, int, bytes]]:
        for leaf in leaves:
            found, level = leaf, 0
            while True:
                self._open[level].append(found)
                if len(self._open[level]) < WIDTH:
                    break
                found = Frontier().append(self._open[level]).root()
                self._open[level].clear()
                yield level + 1, self._done[level], found
                self._done[level] += 1
                level += 1
                if level == len(self._open):
                    self._open.append([])
                    self._done.append(0)


def _event(seq: int, chance: random.Random, boot: str, opened: dict[str, int]) -> LedgerEvent:
    if seq == 1:
        return LedgerEvent(Kind.GENESIS, SYSTEM, INSTALL_ID, data=_sure(chance, "rules_digest"))
    if seq % EVENTS_A_BOOT == 0:
        return LedgerEvent(Kind.SHUTDOWN, SYSTEM, boot, data={"reason": "asked to stop"})
    if seq % EVENTS_A_BOOT == 1:
        return LedgerEvent(Kind.BOOT, SYSTEM, boot, data=_sure(chance, "config_digest"))
    actor, model = _actor(chance), chance.choice(_MODELS)
    match chance.randrange(12):
        case 0 | 1:
            return LedgerEvent(
                Kind.LOAD_INTENT, actor, model, data=_load(chance), request_id=_request(chance)
            )
        case 2 | 3 if opened:
            model, intent = opened.popitem()
            data = _load(chance) | {"took_ms": chance.randrange(20_000)}
            return LedgerEvent(
                Kind.LOAD_OUTCOME, actor, model, "loaded", data, intent, _request(chance)
            )
        case 4 | 5 | 6:
            data = {"code": "forbidden", "message": chance.choice(_REASONS)}
            data |= {"permission": "model.load", "plan": _hex(chance, 12)}
            return LedgerEvent(
                Kind.REFUSAL, actor, model, "refused", data, request_id=_request(chance)
            )
        case 7 | 8:
            data = {"digest": _hex(chance, 32), "hashed_bytes": chance.randrange(2**36), "files": 9}
            data |= {"source": f"/Volumes/models/{model}", "plan": _hex(chance, 12)}
            return LedgerEvent(Kind.MODEL_VERIFIED, actor, model, "done", data)
        case 9:
            data = {"hour_us": seq * 3_600_000_000, "rows": chance.randrange(9_000)}
            return LedgerEvent(Kind.USAGE_DIGEST, SYSTEM, data=data | _sure(chance, "sha256"))
        case _:
            asked = {"actor": "key:0badcafe", "after": seq // 2, "kind": "refusal", "limit": 100}
            data = {"query": asked, "range": [1, seq - 1], "report": "all refusals, by key"}
            data |= {"reason": "quarterly review, as agreed with the \u201cworks council\u201d"}
            return LedgerEvent(
                Kind.LEDGER_READ, actor, data=data, outcome="done", request_id=_request(chance)
            )


def _sure(chance: random.Random, *names: str) -> dict[str, object]:
    return {"version": "0.1.0", "pid": chance.randrange(9_999), **{n: _hex(chance, 32) for n in names}}


def _load(chance: random.Random) -> dict[str, object]:
    return {
        "digest": _hex(chance, 32),
        "plan": _hex(chance, 12),
        "context": 8192,
        "slots": chance.randrange(1, 9),
        "predicted_bytes": chance.randrange(2**36),
        "reason": "asked for by a chat that nobody had loaded it for yet",
    }


def _actor(chance: random.Random) -> Actor:
    number = chance.randrange(20)
    person = _PEOPLE[number] if number < len(_PEOPLE) else None
    roles = frozenset({Role.CLIENT} if number % 3 else {Role.OPERATOR, Role.AUDITOR})
    return Actor(f"key:{number:08x}", "name", roles, person)


def _request(chance: random.Random) -> str:
    return str(uuid.UUID(int=chance.getrandbits(128)))


def _hex(chance: random.Random, count: int) -> str:
    return chance.randbytes(count).hex()
