"""`lmx ledger export` against a server that answers over HTTP, and against one that lies."""

import hashlib
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from app.authority.auditing.exports import Exports
from app.authority.ledger import Ledger
from app.cli.main import main
from app.domain.actors import Actor
from app.domain.refusals import AuditUnavailable
from app.evidence.tiles import Tile, entry_bundles, hash_tiles
from tests.fakes.authority import AUDITOR_KEY, CLIENT_KEY
from tests.fakes.events import boot
from tests.fakes.house import House
from tests.unit.exports.conftest import Filled
from tests.verify_export.exported import verify

EVIDENCE = b"the worker's last words\n"


@contextmanager
def serving(exports: Any) -> Iterator[str]:
    """The real routes over loopback HTTP."""
    app = House(exports=exports).app()
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def url(exports: Exports, filled: Filled, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server whose log has 600 events."""
    filled(600)
    with serving(exports) as address:
        monkeypatch.setenv("LMX_URL", address)
        monkeypatch.setenv("LMX_KEY", AUDITOR_KEY)
        yield address


def export(out: Path, *options: str) -> int:
    return main(["ledger", "export", "--out", str(out), *options])


def left_in(directory: Path) -> list[str]:
    return sorted(file.name for file in directory.iterdir())


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


def test_what_was_exported_is_verified_by_its_own_program(
    url: str, place: Path, ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger.append(replace(boot(), evidence=(EVIDENCE,)))
    assert export(place / "out", "--purpose", "the review") == 0
    said = capsys.readouterr()
    assert "events 1 to 602" in said.out
    assert said.err == ""  # a progress bar is for terminals
    ended = verify(place / "out", "--key", str(ledger.keeping.signer.key))
    assert ended.code == 0, ended.said
    assert left_in(place) == ["out"]
    assert ledger.event(602).data["purpose"] == "the review"
    digest = hashlib.sha256(EVIDENCE).hexdigest()
    assert (place / "out/blobs" / digest).read_bytes() == EVIDENCE
    tiles = [tile.path for tile in (*hash_tiles(602), *entry_bundles(602))]
    found = {f.relative_to(place / "out").as_posix() for f in (place / "out").rglob("*")}
    assert set(tiles) <= found
    assert (place / "out").stat().st_mode & 0o777 == 0o700


def test_an_export_since_an_event_has_all_hashes_and_the_newer_bodies(
    url: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place.joinpath("out").mkdir()  # an empty one may be there
    assert export(place / "out", "--since", "300", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["from_seq"], shown["first_seq"], shown["until_seq"]) == (300, 257, 601)
    assert shown["counts"]["events"] == 601 - 257 + 1
    ended = verify(place / "out")
    assert ended.code == 0, ended.said
    assert not (place / "out" / Tile(None, 0).path).exists()
    assert (place / "out" / Tile(0, 0).path).exists()


def test_a_directory_with_something_in_it_is_left_alone(
    url: str, place: Path, ledger: Ledger
) -> None:
    (place / "out").mkdir()
    (place / "out/mine").write_text("mine", "utf-8")
    assert export(place / "out") == 3
    assert left_in(place) == ["out"]
    assert left_in(place / "out") == ["mine"]
    assert ledger.size() == 600  # refused before anything was asked of the server


def test_a_key_without_the_role_exports_nothing(
    url: str, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LMX_KEY", CLIENT_KEY)
    assert export(place / "out") == 3
    assert "forbidden" in capsys.readouterr().err
    assert left_in(place) == []


def test_since_nonsense_is_a_usage_error(url: str, place: Path) -> None:
    assert export(place / "out", "--since", "yesterday") == 2
    assert left_in(place) == []


class Lying:
    """The real exports, with one answer spoiled."""

    def __init__(self, real: Exports, spoiled: str) -> None:
        self._real = real
        self._spoiled = spoiled

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def begin(self, actor: Actor, **asked: Any) -> dict[str, Any]:
        begun = await self._real.begin(actor, **asked)
        match self._spoiled:
            case "note":
                begun["checkpoint"] = begun["checkpoint"].replace("\n6", "\n7", 1)
            case "keys":
                begun["keys"] = []
            case "size":
                begun["event"] = begun["size"] + 1
            case "blob name":
                begun["blobs"] = ["../../evil"]
            case "not a list":
                begun["notes"] = "x"
        return begun

    async def stream(self, actor: Actor, **asked: Any) -> AsyncIterator[bytes]:
        pieces = await self._real.stream(actor, **asked)

        async def spoil() -> AsyncIterator[bytes]:
            async for piece in pieces:
                match self._spoiled:
                    case "body":
                        yield piece[:50] + bytes([piece[50] ^ 1]) + piece[51:]
                    case "cut":
                        yield piece[:-9]
                    case "fails":
                        yield piece[:5_000]
                        raise AuditUnavailable("the disk went away")
                    case "more":
                        yield piece + piece
                    case _:
                        yield piece

        return spoil()

    async def blob(self, actor: Actor, digest: str) -> bytes:
        found = await self._real.blob(actor, digest)
        return found + b"!" if self._spoiled == "blob" else found


@pytest.mark.parametrize(
    "spoiled",
    ["note", "keys", "size", "blob name", "not a list", "body", "cut", "fails", "more", "blob"],
)
def test_an_answer_that_does_not_hold_leaves_nothing_behind(  # noqa: PLR0917 - fixtures
    exports: Exports,
    ledger: Ledger,
    filled: Filled,
    place: Path,
    spoiled: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    filled(600)
    ledger.append(replace(boot(), evidence=(EVIDENCE,)))
    monkeypatch.setenv("LMX_KEY", AUDITOR_KEY)
    with serving(Lying(exports, spoiled)) as address:
        monkeypatch.setenv("LMX_URL", address)
        assert export(place / "out") == 1
    said = capsys.readouterr().err
    assert "fault in lmx" not in said, said
    assert left_in(place) == []


def test_tiles_are_served_as_the_specification_says(url: str, ledger: Ledger) -> None:
    missing = ("tile/0/003", "tile/9/000", "tile/0/1", "tile/entries/002", f"blobs/{'0' * 64}")
    key = {"x-api-key": AUDITOR_KEY}
    with httpx.Client(base_url=f"{url}/authority/ledger", headers=key, timeout=60) as ask:
        note = ask.get("/checkpoint")
        assert note.headers["content-type"] == "text/plain; charset=utf-8"
        assert note.headers["cache-control"] == "no-cache"
        assert note.text == str(ledger.checkpoint())
        tile = ask.get("/tile/0/000")
        assert tile.headers["content-type"] == "application/octet-stream"
        assert "immutable" in tile.headers["cache-control"]
        assert len(tile.content) == 256 * 32
        assert ask.get("/tile/entries/002.p/88").status_code == 200
        for path in missing:
            refused = ask.get(f"/{path}")
            assert (refused.status_code, refused.json()["code"]) == (404, "proof_unavailable")
