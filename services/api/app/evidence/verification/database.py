"""Verifies a ledger's database, from the bodies up, with everything that lies outside of it.

The order in which things are looked at is what makes it safe beside a running server: first what
the database has signed, then the sinks, then the signer's memory, then one moment of the database.
In a ledger that nobody touched each of these reaches at least as far as the one before.
"""

import sqlite3
from typing import Final

from app.evidence.notes import VerifierKey
from app.evidence.tiles import WIDTH
from app.evidence.verification import outside, signed, stored
from app.evidence.verification.fanout import in_order
from app.evidence.verification.findings import Findings, Part, Report
from app.evidence.verification.opening import (
    NotReadable,
    address,
    broken_guards,
    missing_tables,
    reading,
)
from app.evidence.verification.restores import restores
from app.evidence.verification.results import Scanned
from app.evidence.verification.scanning import Task, scanned
from app.evidence.verification.signatures import budget_for, signatures_of_a_range
from app.evidence.verification.sink_notes import SinkNotes
from app.evidence.verification.sinks import Odd, SinkPart
from app.evidence.verification.targets import Target, keys_in_log, of_log, of_witnesses
from app.evidence.verification.trees import Claim, Tree, judge

RANGE: Final = 16_384
"""Events a process takes at a time: 64 tiles, a fifth of a second."""


def verify_database(
    target: Target, *, progress: outside.Progress | None = None, processes: int | None = None
) -> Report:
    """Verify the ledger; raises NotReadable where there is no ledger's database to look at."""
    uri = address(target.database)
    try:
        with reading(uri) as connection:
            if missing := missing_tables(connection):
                raise NotReadable(
                    f"{target.database} has no {missing[0]}: it is no ledger of this release. One "
                    "of an earlier release is brought up to date when the server is started."
                )
            newest = stored.newest_checkpoint(connection)
        return _Verification(target, uri, newest, progress, processes).report()
    except sqlite3.DatabaseError as error:
        raise NotReadable(f"{target.database} cannot be read: {error}.") from error


class _Verification:
    def __init__(
        self,
        target: Target,
        uri: str,
        newest: int,
        progress: outside.Progress | None,
        processes: int | None,
    ) -> None:
        self._target = target
        self._uri = uri
        self._newest = newest
        self._progress = progress or (lambda _done, _size: None)
        self._processes = processes
        self._findings = Findings()
        self._unchecked = list(target.unchecked)
        self._checked: list[str] = []
        self._notes = SinkNotes(())
        self._odd: list[tuple[int, int, Odd]] = []

    def report(self) -> Report:
        seen = outside.look(self._target, self._findings, self._unchecked)
        with reading(self._uri) as connection:
            for line in broken_guards(connection):
                self._findings.add(
                    Part.GUARDS, 0, f"The schema's guards are not those of this release: {line}."
                )
            held = stored.read(connection, self._findings)
            self._checked += restores(connection)
            keys = self._log_keys(held)
            sizes = signed.sizes(held) | outside.sizes(self._target.held, seen.head)
            sizes |= set(self._tagged(held))
            tasks = self._tasks(held, seen.sinks, sizes, keys)
            tree, claims, blobs = Tree(held.size), list[Claim](), 0
            results = in_order(scanned, tasks, self._processes)
            for task, result in zip(tasks, results, strict=True):
                if task is tasks[0]:  # the other processes are at work by now
                    claims = self._claims(held, seen, keys)
                    stored.check_ids(connection, self._findings)
                    blobs = stored.check_evidence(connection, self._findings)
                self._take(task, result, tree)
            if not tasks:
                claims = self._claims(held, seen, keys)
        return self._conclude(held, seen, claims, tree, keys=keys, blobs=blobs)

    def _log_keys(self, held: stored.Stored) -> tuple[VerifierKey, ...]:
        if keys := of_log(self._target.keys):
            self._checked.append(f"Signatures were checked with {self._target.keys_from}.")
            return keys
        keys = keys_in_log(held.signers)
        if keys:
            self._unchecked.append(
                "The signing key was taken from the log itself, not from elsewhere: whoever wrote "
                "the log could have made it. Give the key that you were told with --key."
            )
        else:
            self._unchecked.append("No signing key is known: no signature was checked.")
        return keys

    def _claims(
        self, held: stored.Stored, seen: outside.Outside, keys: tuple[VerifierKey, ...]
    ) -> list[Claim]:
        findings, witnesses = self._findings, of_witnesses(self._target.keys)
        claims = signed.checkpoint_claims(held, keys, findings)
        claims += signed.cosignature_claims(held, keys, witnesses, findings, self._unchecked)
        claims += outside.check_held(self._target.held, keys, size=held.size, findings=findings)
        if seen.head is not None:
            reached = max([self._newest, *(sink.last for sink in seen.sinks)])
            claims += outside.check_head(
                seen.head, keys, size=held.size, signed=reached, findings=findings
            )
        return claims

    def _tagged(self, held: stored.Stored) -> list[int]:
        stored.check_commits(held, self._findings)
        return signed.tagged_sizes(held)

    def _tasks(
        self,
        held: stored.Stored,
        sinks: list[SinkPart],
        sizes: set[int],
        keys: tuple[VerifierKey, ...],
    ) -> list[Task]:
        self._notes = SinkNotes(sinks)
        self._progress(0, held.size)
        starts = range(1, held.size + 1, RANGE)
        return [
            Task(
                uri=self._uri,
                first=first,
                last=min(first + RANGE - 1, held.size),
                indexed=held.indexed,
                sizes=frozenset(at for at in sizes if first <= at < first + RANGE),
                sinks=tuple(sinks),
                keys=tuple(map(str, keys)),
                signatures=signatures_of_a_range(len(starts)),
            )
            for first in starts
        ]

    def _take(self, task: Task, result: Scanned, tree: Tree) -> None:
        tree.take(result)
        self._findings.take(result.findings)
        kept = self._notes.take(result, tree, self._findings)
        tree.keep({*kept, *task.sizes, result.last}, result)
        self._odd += result.odd
        self._progress(result.last, tree.size)

    def _conclude(
        self,
        held: stored.Stored,
        seen: outside.Outside,
        claims: list[Claim],
        tree: Tree,
        *,
        keys: tuple[VerifierKey, ...],
        blobs: int,
    ) -> Report:
        findings = self._findings
        outside.check_sinks(
            seen.sinks,
            self._notes.reached,
            self._odd,
            size=held.size,
            newest=self._newest,
            findings=findings,
        )
        claims += self._notes.claims
        unreadable = len(tree.tiles) != held.size // WIDTH
        covered = 0
        if not unreadable:
            suspects = {seq for _, seq, how in self._odd if how in (Odd.OTHER, Odd.ALTERED)}
            covered = judge(tree, held.nodes, claims, suspects, findings)
            self._check_tags(held, tree, covered, keys)
        self._check_index(held)
        self._say(held, seen, blobs)
        return Report(
            what=str(self._target.database),
            size=held.size,
            covered=covered,
            root=tree.from_bodies([covered])[covered] if not unreadable else b"",
            findings=findings.first(),
            count=findings.count,
            checked=tuple(self._checked),
            unchecked=tuple(self._unchecked),
        )

    def _check_tags(
        self, held: stored.Stored, tree: Tree, covered: int, keys: tuple[VerifierKey, ...]
    ) -> None:
        key = signed.tag_key(self._target.signing_key)
        if key is None:
            if held.commits:
                self._unchecked.append(
                    "The commits' tags were not checked: only the signing key can."
                )
            return
        roots = tree.from_bodies(signed.tagged_sizes(held))
        # An earlier key made the tags from before a rotation; a checkpoint says more than they do.
        first = covered + 1 if len(keys) > 1 else 1
        # Where the events are not those that were signed, their tags can only say the same again.
        last = covered if self._findings.of(Part.CHECKPOINT) else held.size
        signed.check_tags(held, key, roots, range(first, last + 1), self._findings)

    def _check_index(self, held: stored.Stored) -> None:
        if held.indexed >= held.size:
            return
        first = held.indexed + 1
        if first <= self._newest:
            self._findings.add(
                Part.INDEX,
                first,
                f"The index lacks the events {first:,} to {self._newest:,}, which it had: they "
                "were indexed when their checkpoint was stored.",
            )
        else:
            self._unchecked.append(
                f"The index ends with event {held.indexed:,}; the server brings it up to date."
            )

    def _say(self, held: stored.Stored, seen: outside.Outside, blobs: int) -> None:
        count = len(held.checkpoints)
        self._checked.append(
            f"{held.size:,} events, {len(held.nodes):,} nodes, {count:,} checkpoints, "
            f"{len(held.cosignatures):,} cosignatures, {blobs:,} pieces of evidence."
        )
        for number, sink in enumerate(seen.sinks):
            self._checked.append(
                f"Sink {sink.path}: {sink.last:,} events, {self._notes.counts[number]:,} "
                f"checkpoints (the signatures of {self._notes.verified[number]:,})."
            )
        if seen.head is not None:
            self._checked.append(f"The signer's memory: {seen.head.size:,} events.")
        if (checked := budget_for(count)) < count:
            self._unchecked.append(
                f"Of the database's checkpoints the signatures of {checked:,} were checked; the "
                "roots of all."
            )
