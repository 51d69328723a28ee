"""Goes through a range of events once: body, leaf, tree, index row, and each sink's line.

A range begins at a tile's border and is read by one process; what it returns is small. The caller
puts the ranges together, because only the whole tree says which of two that differ is wrong.
"""

import sqlite3
from dataclasses import dataclass
from typing import Final

from app.evidence.indexing import COLUMNS
from app.evidence.notes import VerifierKey
from app.evidence.tiles import WIDTH
from app.evidence.verification.closely import looked_at
from app.evidence.verification.findings import Part
from app.evidence.verification.opening import reading
from app.evidence.verification.quick import leaves_if_whole
from app.evidence.verification.results import Scanned, joined, note_roots
from app.evidence.verification.signatures import judged_line, sampled
from app.evidence.verification.sinks import SinkPart, SinkReader

_EVENTS: Final = (
    "SELECT seq, event_id, body, leaf FROM ledger_event WHERE seq BETWEEN ? AND ? ORDER BY seq"
)
_INDEX: Final = (
    f"SELECT {', '.join(COLUMNS)} FROM ledger_index WHERE seq BETWEEN ? AND ? ORDER BY seq"  # noqa: S608
)
_BODY: Final = "SELECT body FROM ledger_event WHERE seq = ?"


@dataclass(frozen=True, slots=True)
class Task:
    """Events `first` to `last`; `sizes`: where the tree's root will be wanted besides the sinks'.

    `indexed`: how far the index reaches. `signatures`: how many of a sink's are checked here.
    """

    uri: str
    first: int
    last: int
    indexed: int
    sizes: frozenset[int]
    sinks: tuple[SinkPart, ...]
    keys: tuple[str, ...]
    signatures: int


def scanned(task: Task) -> Scanned:
    """Go through the range; whatever the database's file does not give back is a finding."""
    result = Scanned(task.first, task.last)
    with reading(task.uri) as connection:
        try:
            _Range(task, connection, result).run()
        except sqlite3.DatabaseError as error:
            result.findings.add(
                Part.DATABASE,
                task.first,
                f"Events {task.first:,} to {task.last:,} cannot be read: {error}.",
            )
    return result


class _Range:
    def __init__(self, task: Task, connection: sqlite3.Connection, result: Scanned) -> None:
        self._task = task
        self._connection = connection
        self._result = result

    def run(self) -> None:
        task, result = self._task, self._result
        readers = [SinkReader(sink, task.first, self._body_at) for sink in task.sinks]
        try:
            for first in range(task.first, task.last + 1, WIDTH):
                self._tile(first, min(first + WIDTH - 1, task.last), readers)
            for number, reader in enumerate(readers):
                reader.finish(task.last)
                result.odd += [(number, seq, odd) for seq, odd in reader.seen.odd]
                self._judge(number, reader.seen.notes)
        finally:
            for reader in readers:
                reader.close()

    def _tile(self, first: int, last: int, readers: list[SinkReader]) -> None:
        events = self._connection.execute(_EVENTS, (first, last)).fetchall()
        index = self._connection.execute(_INDEX, (first, last)).fetchall()
        leaves = recorded = None
        if len(events) == last - first + 1:
            leaves = leaves_if_whole(first, events, index, self._task.indexed)
        if leaves is None:
            leaves, recorded = looked_at(
                first, last, events, index, indexed=self._task.indexed, result=self._result
            )
        wanted = {size for size in self._task.sizes if first <= size <= last}
        for reader in readers:
            wanted.update(reader.expect(events))
        if last == self._task.last:
            wanted.add(last)
        note_roots(
            self._result,
            last,
            wanted,
            joined(leaves),
            None if recorded is None else joined(recorded),
        )

    def _judge(self, number: int, notes: list[tuple[int, bytes]]) -> None:
        keys = [VerifierKey.parse(key) for key in self._task.keys]
        checked = sampled(len(notes), self._task.signatures)
        for place, (size, line) in enumerate(notes):
            found = judged_line(line, keys, size, verify=place in checked)
            self._result.notes.append((number, found))

    def _body_at(self, seq: int) -> bytes | None:
        found = self._connection.execute(_BODY, (seq,)).fetchone()
        return None if found is None else bytes(found[0])
