"""A log and its witness, only files between them: the commands of both sides, over real HTTP."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn
from sqlalchemy import Engine

from app.authority.auditing.exports import Exports
from app.authority.auditing.proofs import Proofs
from app.authority.ledger import Ledger
from app.authority.ledger.cosignatures import StoredCosignatures
from app.authority.ledger.tiles import StoredTiles
from app.clock import SystemClock
from app.database import open_engine
from app.evidence.checkpoints import Bundle, SignedCheckpoint
from app.evidence.notes import Note, VerifierKey
from tests.cli.runs import Run
from tests.fakes.authority import AUDITOR_KEY, CLIENT_KEY, OPERATOR_KEY
from tests.fakes.database import connections_closed, fresh_database
from tests.fakes.events import boot
from tests.fakes.house import House
from tests.fakes.ledger import new_ledger


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with connections_closed():
        opened = open_engine(fresh_database(tmp_path))
        yield opened
        opened.dispose()


@pytest.fixture
def ledger(engine: Engine) -> Iterator[Ledger]:
    opened = new_ledger(engine, SystemClock())
    for _ in range(3):
        opened.append(boot())
    yield opened
    opened.close()


@pytest.fixture
def vkey(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lmx: Run) -> str:
    monkeypatch.setenv("LMX_WITNESS_HOME", str(tmp_path / "witness"))
    return lmx("witness", "init", "example.com/alice").out


@pytest.fixture
def url(
    ledger: Ledger, engine: Engine, vkey: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    house = House()
    keys = lambda: ledger.keeping.signer.keys  # noqa: E731
    house.exports = Exports(ledger, StoredTiles(engine), keys, (), lambda *_: None)
    house.proofs = Proofs(
        ledger=ledger,
        cosignatures=StoredCosignatures(engine),
        keys=keys,
        witnesses=(VerifierKey.parse(vkey),),
        clock=SystemClock(),
        note_read=lambda *_: None,
    )
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(house.app(), lifespan="off", log_level="error", ws="none")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        monkeypatch.setenv("LMX_URL", address)
        monkeypatch.setenv("LMX_KEY", OPERATOR_KEY)
        try:
            yield address
        finally:
            server.should_exit = True
            thread.join()


def test_a_checkpoint_goes_to_the_witness_and_comes_back(
    lmx: Run, url: str, ledger: Ledger, tmp_path: Path
) -> None:
    log_key = lmx("ledger", "key")
    assert VerifierKey.parse(log_key.out) == ledger.keeping.signer.key
    assert lmx("witness", "trust", log_key.out.strip()).code == 0
    seen = 0
    for step in ("first", "second"):
        covered = ledger.size()
        bundle, answer = str(tmp_path / f"{step}.bundle"), str(tmp_path / f"{step}.cosigned")
        made = lmx("ledger", "checkpoint", "--since", str(seen), "--out", bundle)
        assert (made.code, made.out) == (0, "")
        assert lmx("witness", "cosign", bundle, "--out", answer).code == 0
        brought = lmx("ledger", "cosigned", answer)
        assert brought.code == 0, brought.err
        assert f"example.com/alice cosigned {covered} events" in brought.out
        assert brought.out.rstrip().endswith("recorded.")
        event = ledger.event(ledger.size())
        assert (event.kind, event.data["size"]) == ("checkpoint_cosigned", covered)
        seen = covered
    again = lmx("ledger", "cosigned", answer)
    assert "was recorded before" in again.out
    listed = json.loads(lmx("witness", "log", "--json").out)["cosigned"]
    assert [row["size"] for row in listed] == [3, 4]


def test_the_checkpoint_is_printed_byte_for_byte(
    lmx: Run, url: str, ledger: Ledger, tmp_path: Path
) -> None:
    printed = lmx("ledger", "checkpoint")
    assert printed.out == str(ledger.checkpoint())
    signed = SignedCheckpoint.parse(printed.out, ledger.keeping.signer.key)
    assert signed.checkpoint.size == 3
    assert lmx("ledger", "checkpoint", "--out", str(tmp_path / "note")).code == 0
    assert (tmp_path / "note").read_text(encoding="utf-8") == printed.out
    bundle = Bundle.parse(lmx("ledger", "checkpoint", "--since", "2").out)
    assert (bundle.old, str(bundle.note)) == (2, printed.out)


def test_a_witness_that_has_seen_more_than_the_log_holds_is_not_given_a_bundle(
    lmx: Run, url: str
) -> None:
    refused = lmx("ledger", "checkpoint", "--since", "4")
    assert (refused.code, refused.out) == (1, "")
    assert "another history" in refused.err


def test_what_was_not_cosigned_does_not_come_back(
    lmx: Run, url: str, ledger: Ledger, tmp_path: Path
) -> None:
    note = tmp_path / "note"
    note.write_text(str(ledger.checkpoint()), encoding="utf-8")
    refused = lmx("ledger", "cosigned", str(note))
    assert refused.code == 3
    assert "lmx witness key" in refused.err
    note.write_text("nonsense", encoding="utf-8")
    assert lmx("ledger", "cosigned", str(note)).code == 2
    assert lmx("ledger", "cosigned", str(tmp_path / "absent")).code == 1
    assert ledger.size() == 3


def _ask(url: str, path: str, key: str, body: object = None) -> httpx.Response:
    headers = {"authorization": f"Bearer {key}"}
    method = "GET" if body is None else "POST"
    return httpx.request(
        method, url + path, headers=headers, json=body, trust_env=False, timeout=60
    )


def test_each_route_answers_who_may_ask(url: str) -> None:
    reads = (
        "/authority/ledger/keys",
        "/authority/ledger/checkpoint/bundle?old=1",
        "/authority/ledger/proofs/inclusion?seq=2",
        "/authority/ledger/proofs/inclusion?seq=2&size=3",
        "/authority/ledger/proofs/consistency?old=1&new=2",
    )
    for path in reads:
        assert _ask(url, path, AUDITOR_KEY).status_code == 200
        assert _ask(url, path, CLIENT_KEY).status_code == 403
        assert _ask(url, path, "lmx_unknown").status_code == 401
    for key in (AUDITOR_KEY, CLIENT_KEY):
        answer = _ask(url, "/authority/ledger/cosignatures", key, {"note": "x"})
        assert answer.status_code == 403


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/authority/ledger/proofs/inclusion?seq=4", 404),
        ("/authority/ledger/proofs/inclusion?seq=0", 404),
        ("/authority/ledger/proofs/inclusion?seq=-1", 400),
        ("/authority/ledger/proofs/inclusion?seq=9223372036854775808", 400),
        ("/authority/ledger/proofs/inclusion", 400),
        ("/authority/ledger/proofs/consistency?old=3&new=2", 404),
        ("/authority/ledger/proofs/consistency?old=x", 400),
        ("/authority/ledger/checkpoint/bundle?old=9223372036854775807", 404),
    ],
)
def test_what_cannot_be_proven_is_refused(url: str, path: str, status: int) -> None:
    assert _ask(url, path, AUDITOR_KEY).status_code == status


def test_a_note_from_outside_is_read_strictly(url: str) -> None:
    path = "/authority/ledger/cosignatures"
    assert _ask(url, path, OPERATOR_KEY, {"note": "nonsense"}).status_code == 422
    assert _ask(url, path, OPERATOR_KEY, {"note": "x" * 65_537}).status_code == 400
    assert _ask(url, path, OPERATOR_KEY, {"note": "x", "force": True}).status_code == 400
    assert _ask(url, path, OPERATOR_KEY, {}).status_code == 400
    lone = '{"note": "\\ud800"}'
    headers = {"authorization": f"Bearer {OPERATOR_KEY}", "content-type": "application/json"}
    answer = httpx.post(url + path, headers=headers, content=lone, trust_env=False, timeout=60)
    assert answer.status_code in (400, 422)


def test_a_server_that_answers_something_else_is_not_believed(
    lmx: Run, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.cli.connection import Server

    monkeypatch.setattr(Server, "pieces", lambda *_, **__: iter([b"old 0\n\nnonsense"]))
    for arguments in (("checkpoint",), ("checkpoint", "--since", "0")):
        ended = lmx("ledger", *arguments)
        assert (ended.code, ended.out) == (1, "")


def test_the_signed_time_is_the_witnesss(lmx: Run, url: str, tmp_path: Path) -> None:
    log_key = lmx("ledger", "key").out.strip()
    lmx("witness", "trust", log_key)
    bundle = tmp_path / "bundle"
    lmx("ledger", "checkpoint", "--since", "0", "--out", str(bundle))
    before = int(time.time())
    note = Note.parse(lmx("witness", "cosign", str(bundle)).out)
    assert before <= int.from_bytes(note.signatures[-1].raw[:8], "big") <= int(time.time())
