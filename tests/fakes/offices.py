"""Offices on copies of one home, an act on real files, and what must hold after whatever happened.

`whole` is the question that every crash, race and attack on approvals asks at its end.
"""

import asyncio
import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from app.authority.approvals.acts import Effect
from app.authority.approvals.plans import Drawn
from app.authority.approvals.transitions import ENDED, TRANSITIONS, State
from app.authority.approvals.values import Ask
from app.authority.warrants import Warrant, require_warrant
from app.domain.actors import Actor
from app.evidence.verification import of_home, verify_database
from tests.fakes.asks import KIND, Office, Toy, open_office, reopened_office
from tests.fakes.clock import FixedClock

EDGES = {(was, now) for (was, _), now in TRANSITIONS.items()}
FILES = {"a": 1, "b": 2}


@dataclass
class Shelf(Toy):
    """A toy whose files are real: one directory for each name, and a mark for what is stuck."""

    where: Path = field(default_factory=Path)

    def put(self, name: str) -> None:
        directory = self.where / name
        directory.mkdir(parents=True)
        for path, size in FILES.items():
            (directory / path).write_bytes(b"x" * size)

    def left(self, name: str) -> set[str]:
        return {path.name for path in (self.where / name).iterdir()}

    def draw(self, params: Mapping[str, Any], actor: Actor) -> Drawn:
        name = str(params["name"])
        found = sorted((self.where / name).iterdir())
        files = tuple(
            {"path": f.name, "size": f.stat().st_size, "sha256": "0" * 64, "fate": "remove"}
            for f in found
        )
        return Drawn(
            subject=name,
            verb="purge toys",
            phrase=f"yes, purge {name}",
            irreversible=True,
            targets=({"kind": "toys", "id": name, "digest": ""},),
            files=files,
            bytes_freed=sum(f.stat().st_size for f in found),
        )

    async def perform(self, warrant: Warrant) -> Effect:
        require_warrant(warrant, self.kind)
        self.performed.append(warrant)
        freed, gone, failed = 0, 0, []
        for file in warrant.plan["files"]:
            path = self.where / warrant.plan["subject"] / file["path"]
            if file["path"] in self.stuck:
                failed.append(f"{file['path']}: permission denied")
            elif path.exists():
                path.unlink()
                freed, gone = freed + file["size"], gone + 1
        return Effect(done=not failed, freed_bytes=freed, files=gone, failed=tuple(failed))


@dataclass(frozen=True)
class Begun:
    """A closed home of an office, and the keys of who works there."""

    home: Path
    secrets: dict[str, str]

    def copy(self, to: Path) -> Path:
        shutil.copytree(self.home, to)
        (to / "ledger").chmod(0o700)
        return to

    def open(self, home: Path) -> Office:
        """An office on a copy; its toys are real files that lie beside the home."""
        shelf = Shelf(where=home / "toys")
        return reopened_office(home, FixedClock(), shelf, dict(self.secrets))


def begun_office(home: Path) -> Begun:
    office = open_office(home)
    office.ledger.settle()
    office.close()
    return Begun(home, office.secrets)


def recovered(office: Office) -> None:
    """What a start does with what an earlier run had claimed."""
    asyncio.run(office.governance.executing.recover())


def asks_of(office: Office) -> list[Ask]:
    return office.parts.asks.page(limit=200)


def whole(office: Office) -> None:
    """Nothing is claimed or open, what ended has its run, and every step is along the table."""
    assert office.ledger.open_intents() == []
    with office.engine.connect() as connection:
        blobs = dict(connection.exec_driver_sql("SELECT digest, bytes FROM ledger_blob").all())
    for ask in asks_of(office):
        assert ask.state is not State.CLAIMED
        walked = states(office, ask)
        assert walked[-1] == ask.state, (walked, ask.state)
        assert set(pairwise(walked)) <= EDGES, walked
        if ask.state in ENDED | {State.PARTIAL}:
            assert ask.run is not None
            assert hashlib.sha256(blobs[ask.run]).hexdigest() == ask.run
        assert walked.count(State.DONE) <= 1


def states(office: Office, ask: Ask) -> list[State]:
    """Every state that the ledger says this ask was in, in order."""
    found: list[State] = []
    for event in office.ledger.events(limit=10_000):
        if event.data.get("ask") != ask.id:
            continue
        match event.kind:
            case "ask_made":
                found.append(State(event.data["state"]))
            case "ask_decided" if event.data["state"] != found[-1]:
                found.append(State(event.data["state"]))
            case "ask_claimed":
                found.append(State.CLAIMED)
            case "ask_ended" | "act_outcome":
                found.append(State(str(event.outcome)))
    return found


def verified(home: Path) -> None:
    """The ledger of a home whose office is closed holds from its first event to its last."""
    report = verify_database(of_home(home), processes=1)
    assert list(report.findings) == []
    assert report.covered == report.size


__all__ = ["KIND", "Begun", "Shelf", "asks_of", "begun_office", "recovered", "verified", "whole"]
