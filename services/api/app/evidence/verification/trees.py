"""Puts the ranges' tiles together and decides which of two that differ is wrong. Pure.

What the signed checkpoints say is what counts. Where they agree with the bodies, a leaf or a node
that differs was altered; where they do not, events were, and leaves and nodes tell which.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from app.evidence.merkle import Frontier, root
from app.evidence.tiles import WIDTH
from app.evidence.verification.findings import Findings, Part
from app.evidence.verification.results import Scanned

Nodes = Mapping[tuple[int, int], bytes]
"""(level, index) -> hash, as `ledger_node` or the tiles of an export have them; level 1 upwards."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody says that the first `size` events have this root.

    `where` continues "the checkpoint of size 7 in ...". `signed`: a known key's signature on it was
    checked and holds.
    """

    where: str
    size: int
    root: bytes
    signed: bool


@dataclass(slots=True)
class _Walk:
    """The tree over the tiles so far, which goes on from size to size."""

    tree: Frontier = field(default_factory=Frontier)

    def roots(
        self, tiles: Sequence[bytes], partial: Mapping[int, bytes], sizes: Iterable[int]
    ) -> dict[int, bytes]:
        """Return the root at each size; none may be in a tile before those asked for earlier.

        A begun tile takes the place of a complete one at the end: RFC 6962 splits there anyway.
        """
        found: dict[int, bytes] = {}
        for size in sorted(sizes):
            full = size // WIDTH
            if full > self.tree.size:
                self.tree = self.tree.append(tiles[self.tree.size : full])
            if size % WIDTH == 0:
                found[size] = self.tree.root()
                continue
            root_there = partial[size]
            for left in reversed(self.tree.roots):  # node_hash, written out: see `results`
                root_there = sha256(b"\x01" + left + root_there).digest()
            found[size] = root_there
        return found


@dataclass(slots=True)
class Tree:
    """The log's tiles, from the bodies; see `results.Scanned` for the other fields."""

    size: int
    tiles: list[bytes] = field(default_factory=list)
    stored: dict[int, bytes] = field(default_factory=dict)
    partial: dict[int, tuple[bytes, bytes]] = field(default_factory=dict)
    missing: set[int] = field(default_factory=set)
    mismatched: list[int] = field(default_factory=list)
    _walk: _Walk = field(default_factory=_Walk)

    def take(self, scanned: Scanned) -> None:
        """Take the next range; its `partial` stays with it until `keep`."""
        tiles = bytes(scanned.tiles)
        self.tiles += [tiles[at : at + 32] for at in range(0, len(tiles), 32)]
        self.stored |= scanned.stored
        self.missing |= scanned.missing
        self.mismatched += scanned.mismatched

    def next_roots(self, sizes: Iterable[int], scanned: Scanned) -> dict[int, bytes]:
        """Return the roots, from the bodies, at sizes in the range that was taken last."""
        partial = {size: both[0] for size, both in scanned.partial.items()}
        return self._walk.roots(self.tiles, partial, sizes)

    def keep(self, sizes: Iterable[int], scanned: Scanned) -> None:
        """Remember what `from_bodies` and `as_recorded` need at these sizes of a range."""
        found = {size: scanned.partial[size] for size in sizes if size in scanned.partial}
        self.partial |= found

    def from_bodies(self, sizes: Iterable[int]) -> dict[int, bytes]:
        return _roots(self.tiles, {size: both[0] for size, both in self.partial.items()}, sizes)

    def as_recorded(self, nodes: Nodes, sizes: Iterable[int]) -> dict[int, bytes]:
        """The roots where recorded leaves and nodes are believed instead of the bodies."""
        tiles = [
            nodes.get((1, place), self.stored.get(place, tile))
            for place, tile in enumerate(self.tiles)
        ]
        return _roots(tiles, {size: both[1] for size, both in self.partial.items()}, sizes)


def judge(
    tree: Tree, nodes: Nodes, claims: Sequence[Claim], suspects: set[int], findings: Findings
) -> int:
    """Add what is wrong with leaves, nodes and checkpoints; return how many events are covered.

    `claims` are of sizes that the log has. `suspects` are events that a sink has otherwise.
    """
    sizes = {claim.size for claim in claims}
    found = tree.from_bodies(sizes)
    right = [claim for claim in claims if found[claim.size] == claim.root]
    wrong = [claim for claim in claims if found[claim.size] != claim.root]
    proven = max((claim.size for claim in right), default=0)
    believed = tree.as_recorded(nodes, sizes) if wrong else found
    vouching = [claim for claim in wrong if believed[claim.size] == claim.root]
    explained = _leaves(tree, nodes, proven, vouching, findings)
    doubted = any(claim.size > proven for claim in wrong)
    reach = proven if doubted else tree.size
    explained |= _nodes(tree, nodes, reach, suspects, findings)
    explained |= bool(tree.missing or suspects)
    _checkpoints(wrong, proven, explained=explained, findings=findings)
    return max((claim.size for claim in right if claim.signed), default=0)


def _leaves(
    tree: Tree, nodes: Nodes, proven: int, vouching: Sequence[Claim], findings: Findings
) -> bool:
    """Judge each event whose leaf is not its body's; `vouching` agree with the recorded leaves."""
    reach = max((claim.size for claim in vouching), default=0)
    for seq in tree.mismatched:
        if seq <= proven:
            why = "its recorded leaf was changed: the body is the one that the checkpoint covers"
        elif seq <= reach:
            why = "its body was changed: the leaf is the one that the checkpoint covers"
        elif _in_the_tree(tree, nodes, (seq - 1) // WIDTH):
            why = "its body was changed: the leaf is the one in the tree"
        else:
            why = "body and leaf do not belong together: one of the two was changed"
        findings.add(Part.EVENT, seq, f"Event {seq:,}: {why}.")
    return bool(tree.mismatched)


def _in_the_tree(tree: Tree, nodes: Nodes, place: int) -> bool:
    return place in tree.stored and nodes.get((1, place)) == tree.stored[place]


def _nodes(tree: Tree, nodes: Nodes, proven: int, suspects: set[int], findings: Findings) -> bool:
    """Compare every stored node; True where one shows that events were changed below it.

    Of the events up to `proven` nothing says that they were changed: a node that differs was.
    """
    rewritten = False
    row, level = tree.tiles, 1
    while row:
        for place, computed in enumerate(row):
            stored = nodes.get((level, place))
            first, last = place * WIDTH**level + 1, (place + 1) * WIDTH**level
            name = f"The node over events {first:,} to {last:,} (level {level})"
            if stored is None:
                findings.add(Part.NODE, last, f"{name} is missing.")
            elif stored != computed:
                blamed = last > proven and level == 1
                rewritten |= blamed
                if not blamed and not _known(tree, nodes, place, level):
                    findings.add(Part.NODE, last, f"{name} was altered: its events lead elsewhere.")
                elif blamed and not _is_named(tree, place, first, last, suspects):
                    findings.add(
                        Part.EVENT,
                        first,
                        f"One of the events {first:,} to {last:,} was rewritten together with its "
                        "leaf: the tree has another hash for them.",
                    )
        # One level up from what is stored, so that one altered event is not told at every level.
        row = [nodes.get((level, place), computed) for place, computed in enumerate(row)]
        row = [root(row[at : at + WIDTH]) for at in range(0, len(row) - WIDTH + 1, WIDTH)]
        level += 1
    _superfluous(tree.size, nodes, findings)
    return rewritten


def _known(tree: Tree, nodes: Nodes, place: int, level: int) -> bool:
    """Whether an event found before, missing or changed, is why this tile's hash is another."""
    return level == 1 and (place in tree.missing or _in_the_tree(tree, nodes, place))


def _is_named(tree: Tree, place: int, first: int, last: int, suspects: set[int]) -> bool:
    return (
        place in tree.missing
        or place in tree.stored
        or any(first <= seq <= last for seq in suspects)
    )


def _superfluous(size: int, nodes: Nodes, findings: Findings) -> None:
    for level, place in nodes:
        if place < 0 or place >= size // WIDTH**level:
            findings.add(
                Part.NODE, 0, f"A node (level {level}, number {place:,}) is over events not there."
            )


def _checkpoints(
    wrong: Sequence[Claim], proven: int, *, explained: bool, findings: Findings
) -> None:
    """Say once that the log was rewritten, and of every claim below that it is of another log."""
    later = sorted((claim for claim in wrong if claim.size > proven), key=lambda c: c.size)
    for claim in wrong:
        if claim.size <= proven:
            how = "It was signed for another history." if claim.signed else "It was changed."
            findings.add(
                Part.CHECKPOINT,
                claim.size,
                f"The checkpoint of size {claim.size:,} in {claim.where} has another root than the "
                f"events, which a later one covers. {how}",
            )
    if not later:
        return
    first = later[0]
    more = f" (and {len(later) - 1:,} others)" if len(later) > 1 else ""
    which = f"between event {proven + 1:,} and event {first.size:,}"
    how = "" if explained else " The events were rewritten, and the tree with them."
    findings.add(
        Part.CHECKPOINT,
        first.size,
        f"The events do not lead to the root of the checkpoint of size {first.size:,} in "
        f"{first.where}{more}: something {which} is not what was signed.{how}",
    )


def _roots(
    tiles: Sequence[bytes], partial: Mapping[int, bytes], sizes: Iterable[int]
) -> dict[int, bytes]:
    return _Walk().roots(tiles, partial, sizes)
