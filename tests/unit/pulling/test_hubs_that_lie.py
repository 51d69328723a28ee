"""The real client against a real server that lies, breaks off, leads elsewhere or talks nonsense.

Whatever it does: nothing is loadable that was not checked, and nobody else is connected to.
"""

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from app.domain.refusals import (
    DigestMismatch,
    HubRefused,
    HubUnreachable,
    IntakeRefused,
    Refusal,
)
from app.engines.hub import HuggingFaceHub
from tests.fakes.hub import REPO, git_blob, sibling
from tests.model_files import CONFIG, entry, safetensors
from tests.unit.pulling.conftest import QUICK, Station

WEIGHTS = "model.safetensors"
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def nothing_is_loadable(station: Station) -> None:
    assert station.catalog.list() == []
    assert list((station.store / "models").iterdir()) == []
    assert not any(p.is_file() for p in (station.store / "blobs").rglob("*"))


# --- listings ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "../config.json",
        "/etc/passwd",
        "a/../../b.json",
        "a//b.json",
        "./x.json",
        "x\ny.json",
        "x\u202ey.json",
        "x\\y.json",
        "\ud800.json",
        "x" * 300 + ".json",
        "",
    ],
    ids=ascii,
)
async def test_a_listing_with_a_path_that_leads_elsewhere_is_refused_whole(
    station: Station, path: str
) -> None:
    station.hub.more = [{"rfilename": path, "size": 1, "blobId": "a" * 40}]
    with pytest.raises(HubRefused, match="Nothing was fetched"):
        await station.plan()
    nothing_is_loadable(station)


@pytest.mark.parametrize("path", ["Config.json", "tokenizer.jſon", "ｃonfig.json", "config.json"])
async def test_names_that_some_file_system_takes_for_one_are_refused(
    station: Station, path: str
) -> None:
    station.hub.more = [sibling(path, b"{}", large=False)]
    if path == "tokenizer.jſon":  # not an ending that is taken, so it is left out
        assert path in (await station.plan())["left_out"]
        return
    with pytest.raises(HubRefused, match="looks alike"):
        await station.plan()


@pytest.mark.parametrize(
    "override",
    [
        {"size": -1},
        {"size": "12"},
        {"size": None},
        {"size": True},
        {"size": 1.5},
        {"size": 1 << 63},
        {"blobId": "z" * 40},
        {"blobId": "a" * 39},
        {"blobId": None},
        {"lfs": {"sha256": "0" * 63, "size": 1, "pointerSize": 1}},
        {"lfs": {"sha256": 7, "size": 1, "pointerSize": 1}},
        {"lfs": "large"},
        {"rfilename": 7},
    ],
    ids=str,
)
async def test_a_file_without_a_size_or_a_digest_is_refused(
    station: Station, override: dict[str, Any]
) -> None:
    station.hub.listed = {"config.json": override}
    with pytest.raises(HubRefused):
        await station.plan()


@pytest.mark.parametrize(
    "listing",
    [
        b"",
        b"[]",
        b"null",
        b"<html>",
        b"{}",
        b'{"id": "a/b"}',
        b'{"id": "a/b", "sha": "main", "siblings": []}',
        b'{"id": "a/b", "sha": "%s"}' % (b"a" * 40),
        b'{"id": "a/b", "sha": "%s", "siblings": 7}' % (b"a" * 40),
        b'{"id": "a/b", "sha": "%s", "siblings": [7]}' % (b"a" * 40),
        b"[" * 100_000,
        b"\xff\xfe",
    ],
    ids=lambda b: ascii(b[:30]),
)
async def test_what_is_no_listing_is_refused(station: Station, listing: bytes) -> None:
    station.hub.raw_listing = listing
    with pytest.raises(HubRefused):
        await station.plan()


async def test_a_listing_of_a_million_files_is_not_read_to_its_end(station: Station) -> None:
    one = json.dumps({"rfilename": "x" * 20, "size": 1, "blobId": "a" * 40}).encode()
    body = b",".join([one] * 1_000_000)
    head = b'{"id": "acme/tiny", "sha": "%s", "siblings": [' % (b"a" * 40)
    station.hub.raw_listing = head + body + b"]}"
    with pytest.raises(HubRefused, match="longer than"):
        await station.plan()


async def test_more_files_than_a_model_has_are_refused(station: Station) -> None:
    station.hub.more = [
        {"rfilename": f"f{n}.json", "size": 1, "blobId": "a" * 40} for n in range(5000)
    ]
    with pytest.raises(HubRefused, match="files"):
        await station.plan()


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"config.json": b"{}", "pytorch_model.bin": b"\x80"}, "pickles"),
        ({"config.json": b"{}", "model.gguf": b"GGUF"}, "GGUF"),
        ({"config.json": b"{}"}, "nowhere"),
        ({WEIGHTS: b"x"}, "config.json"),
        ({"sub/config.json": b"{}", "sub/model.safetensors": b"x"}, "config.json"),
    ],
)
async def test_a_repository_without_a_model_to_load_is_refused_with_why(
    station: Station, files: dict[str, bytes], says: str
) -> None:
    station.hub.files = files
    with pytest.raises(HubRefused, match=says):
        await station.plan()


@pytest.mark.parametrize("key", ["auto_map", "trust_remote_code"])
async def test_a_model_that_asks_for_its_code_to_be_run_is_refused_before_the_download(
    station: Station, key: str
) -> None:
    config = {**CONFIG, key: {"AutoModel": "modeling.Evil"}}
    station.hub.files["config.json"] = json.dumps(config).encode()
    with pytest.raises(IntakeRefused, match="code"):
        await station.plan()


async def test_a_pickle_that_is_called_safetensors_is_refused_before_the_download(
    station: Station,
) -> None:
    station.hub.files[WEIGHTS] = b"\x80\x04\x95" + b"cos\nsystem\n" * 50_000
    with pytest.raises(IntakeRefused, match="model.safetensors"):
        await station.plan()
    assert station.hub.content_bytes < len(station.hub.files[WEIGHTS])


async def test_a_header_that_claims_more_than_the_file_has_is_refused(station: Station) -> None:
    header = {"model.norm.weight": entry(0, 10**12, dtype="F16", shape=[10**12 // 2])}
    station.hub.files[WEIGHTS] = safetensors(header)
    with pytest.raises(IntakeRefused, match="truncated"):
        await station.plan()


@pytest.mark.parametrize(
    ("refuses", "says"),
    [
        ((404, {"X-Error-Code": "RepoNotFound"}), "no acme/tiny"),
        ((404, {"X-Error-Code": "RevisionNotFound"}), "revision"),
        ((401, {}), "token"),
        ((403, {"X-Error-Code": "GatedRepo"}), "terms"),
        ((403, {}), "token"),
        ((400, {}), "status 400"),
        ((418, {}), "status 418"),
    ],
)
async def test_a_hub_that_says_no_is_quoted_with_what_to_do(
    station: Station, refuses: tuple[int, dict[str, str]], says: str
) -> None:
    station.hub.refuses = refuses
    with pytest.raises(HubRefused, match=says):
        await station.plan()
    assert len(station.hub.heard) == 1


async def test_an_unknown_revision_is_refused(station: Station) -> None:
    with pytest.raises(HubRefused, match="revision"):
        await station.plan(revision="no-such-branch")


# --- bytes ------------------------------------------------------------------------------------


async def test_wrong_bytes_are_refused_quarantined_recorded_and_fetched_anew(
    station: Station,
) -> None:
    plan = (await station.plan())["plan"]
    right = station.hub.files[WEIGHTS]
    station.hub.served[WEIGHTS] = right[:-1] + bytes([right[-1] ^ 1])
    with pytest.raises(DigestMismatch, match="never loaded") as refused:
        await station.pull(plan)
    assert f"{WEIGHTS}.wrong" in station.quarantine()
    assert station.last("pull_outcome").outcome == "refused"
    assert refused.value.run == station.last("pull_outcome").data["run"]
    nothing_is_loadable(station)
    station.hub.served.clear()
    before = station.hub.content_bytes
    done = (await station.pull(plan))[-1]["done"]
    assert done["fetched_bytes"] == station.hub.content_bytes - before
    assert done["fetched_bytes"] >= len(right)
    station.catalog.verify(REPO, full=True)


async def test_a_small_file_is_held_to_its_git_id(station: Station) -> None:
    plan = (await station.plan())["plan"]
    right = station.hub.files["tokenizer.json"]
    station.hub.served["tokenizer.json"] = right[:-1] + b" "
    with pytest.raises(DigestMismatch, match="id in the repository"):
        await station.pull(plan)
    nothing_is_loadable(station)


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("more", [-100, 100, 10**12])
async def test_a_size_that_is_a_lie_is_refused(station: Station, more: int, ranges: bool) -> None:
    plan = (await station.plan())["plan"]
    station.hub.takes_ranges = ranges
    right = station.hub.files[WEIGHTS]
    station.hub.says_total = len(right) + more
    with pytest.raises(HubRefused, match="listed"):
        await station.pull(plan)
    nothing_is_loadable(station)


async def test_a_listing_that_understates_a_size_stops_at_that_size(station: Station) -> None:
    right = station.hub.files["tokenizer.json"]
    short = right[: len(right) // 2]
    station.hub.listed = {
        "tokenizer.json": {"size": len(short), "blobId": git_blob(short)},
    }
    plan = (await station.plan())["plan"]
    with pytest.raises(HubRefused, match="listed"):
        await station.pull(plan)
    nothing_is_loadable(station)


async def test_a_hub_that_sends_for_ever_is_stopped_one_byte_past_the_size(
    station: Station,
) -> None:
    """Without a length, by a connection that never closes."""
    plan = (await station.plan())["plan"]
    with endless() as url:
        station.hub.redirect = f"{url}/weights"
        station.client._allowed = _Both(station.hub.url, url)
        with pytest.raises(HubRefused, match=r"more of|longer than"):
            await station.pull(plan)
    kept = station.part(f"{WEIGHTS}.part").stat().st_size
    assert kept <= len(station.hub.files[WEIGHTS])
    nothing_is_loadable(station)


async def test_what_breaks_off_is_gone_on_with(station: Station) -> None:
    plan = (await station.plan())["plan"]
    size = len(station.hub.files[WEIGHTS])
    station.hub.cut_after = [1000, 5000, size // 3, 10]
    assert (await station.pull(plan))[-1]["done"]["id"] == REPO
    assert len([p for p in station.hub.paths_of("/cdn/") if p.endswith(WEIGHTS)]) >= 2
    station.catalog.verify(REPO, full=True)


async def test_a_hub_without_ranges_is_gone_on_with_too(station: Station) -> None:
    plan = (await station.plan())["plan"]
    station.hub.takes_ranges = False
    station.hub.cut_after = [5000]
    assert (await station.pull(plan))[-1]["done"]["id"] == REPO
    station.catalog.verify(REPO, full=True)


async def test_a_hub_that_disappears_half_way_is_named_and_what_came_is_kept(
    station: Station,
) -> None:
    plan = (await station.plan())["plan"]
    station.hub.cut_after = [20_000] + [0] * 40
    with pytest.raises(HubUnreachable, match="kept"):
        await station.pull(plan)
    assert station.last("pull_outcome").outcome == "failed"
    nothing_is_loadable(station)
    station.hub.cut_after = []
    done = (await station.pull(plan))[-1]["done"]
    assert done["id"] == REPO
    assert station.events("pull_outcome")[-1].outcome == "done"


async def test_a_part_that_was_damaged_meanwhile_is_found_and_fetched_anew(
    station: Station,
) -> None:
    plan = (await station.plan())["plan"]
    station.hub.cut_after = [20_000] + [0] * 40
    with pytest.raises(HubUnreachable):
        await station.pull(plan)
    station.hub.cut_after = []
    part = station.part(f"{WEIGHTS}.part")
    assert part.stat().st_size == 20_000
    part.write_bytes(b"\0" * 20_000)
    with pytest.raises(DigestMismatch):
        await station.pull(plan)
    assert (await station.pull(plan))[-1]["done"]["id"] == REPO


async def test_an_error_of_the_server_passes(station: Station) -> None:
    station.hub.statuses = [500, 503]
    plan = (await station.plan())["plan"]
    station.hub.statuses = [502, 200, 429, 200, 200]
    assert (await station.pull(plan))[-1]["done"]["id"] == REPO


async def test_errors_without_end_are_given_up(station: Station) -> None:
    station.hub.statuses = [500] * 50
    with pytest.raises(HubUnreachable, match="500"):
        await station.plan()
    assert len(station.hub.heard) == 1 + len(QUICK.pauses_s)


async def test_a_silent_hub_is_given_up(station: Station) -> None:
    station.hub.silent = threading.Event()
    try:
        with pytest.raises(HubUnreachable):
            await station.plan()
    finally:
        station.hub.silent.set()
        station.hub.silent = None


async def test_a_hub_that_is_not_there_is_named(station: Station) -> None:
    client = HuggingFaceHub(endpoint="http://127.0.0.1:9", hosts=(), version="0", patience=QUICK)
    with pytest.raises(HubUnreachable, match="127.0.0.1:9"):
        client.resolve(REPO, "main", lambda: None)


async def test_packed_answers_are_not_unpacked(station: Station) -> None:
    plan = (await station.plan())["plan"]
    station.hub.packs = True
    with pytest.raises(HubRefused, match="packs"):
        await station.pull(plan)


async def test_a_file_that_vanished_is_refused(station: Station) -> None:
    plan = (await station.plan())["plan"]
    del station.hub.files["tokenizer.json"]
    with pytest.raises(HubRefused, match="404"):
        await station.pull(plan)
    nothing_is_loadable(station)


# --- hosts and what is sent -------------------------------------------------------------------


async def test_a_redirect_to_another_host_is_refused_by_name_and_nobody_is_connected(
    station: Station,
) -> None:
    plan = (await station.plan())["plan"]
    with listening() as (url, calls):
        station.hub.redirect = url.replace("127.0.0.1", "localhost") + "/weights"
        with pytest.raises(HubRefused, match="localhost"):
            await station.pull(plan)
        assert calls == []
    nothing_is_loadable(station)


@pytest.mark.parametrize(
    "where",
    [
        "http://127.0.0.1:1/x",
        "http://cdn.example/x",
        "https://cdn.example:8443/x",
        "https://example/x",
        "https://evilexample/x",
        "https://10.0.0.1/x",
        "https://[::1]/x",
        "http://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "https://cdn.example.evil.org/x",
    ],
)
async def test_no_redirect_leads_where_the_settings_do_not(station: Station, where: str) -> None:
    plan = (await station.plan())["plan"]
    station.hub.redirect = where
    with pytest.raises(Refusal) as refused:
        await station.pull(plan)
    assert isinstance(refused.value, HubRefused), refused.value
    nothing_is_loadable(station)


async def test_a_redirect_in_a_circle_ends(station: Station) -> None:
    plan = (await station.plan())["plan"]
    station.hub.redirect = f"/{REPO}/resolve/{station.hub.commit}/{WEIGHTS}"
    with pytest.raises(HubRefused):
        await station.pull(plan)


async def test_every_request_says_only_what_it_must(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_" + "x" * 34)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    await station.pull()
    assert len(station.hub.heard) > 5
    allowed = {"host", "accept", "accept-encoding", "connection", "user-agent", "range"}
    for heard in station.hub.heard:
        assert {name.lower() for name in heard.headers} <= allowed, heard
        assert heard.method == "GET"
        said = {name.lower(): value for name, value in heard.headers.items()}
        assert said["user-agent"] == "lmx-authority/0"
        assert said["accept-encoding"] == "identity"


async def test_a_token_goes_to_the_endpoint_and_to_nobody_else(station: Station) -> None:
    token = "hf_" + "y" * 34
    with listening() as (url, calls):
        client = HuggingFaceHub(
            endpoint=station.hub.url,
            hosts=(),
            version="0",
            token=lambda: token,
            sends_token=True,
            patience=QUICK,
        )
        client._allowed = _Both(station.hub.url, url)
        at = client.resolve(REPO, "main", lambda: None)
        station.hub.redirect = f"{url}/weights"
        weights = next(f for f in at.files if f.path == WEIGHTS)
        with pytest.raises((HubRefused, HubUnreachable)):
            client.read(at, weights, 0, 8)
        client.close()
    asked = [h.headers for h in station.hub.heard]
    assert all(h.get("authorization", h.get("Authorization")) == f"Bearer {token}" for h in asked)
    assert calls
    assert all(token.encode() not in call for call in calls)


def test_the_library_is_asked_by_nobody_else(station: Station) -> None:
    """Outside of a pull its own client refuses, so that no other code can use it on the sly."""
    from huggingface_hub import HfApi

    station.client.resolve(REPO, "main", lambda: None)
    with pytest.raises(HubRefused, match="confirmed"):
        HfApi(endpoint=station.hub.url).model_info(REPO)


class _Both:
    """Two endpoints of this machine, for tests of what lies behind a redirect."""

    def __init__(self, *urls: str) -> None:
        self._ports = {int(url.rsplit(":", 1)[1]) for url in urls}
        self.names = ("127.0.0.1",)

    def check(self, *, scheme: str, host: str, port: int | None) -> None:
        assert (scheme, host) == ("http", "127.0.0.1")
        assert port in self._ports


@contextmanager
def listening(answer: bytes = b"", forever: bool = False) -> Iterator[tuple[str, list[bytes]]]:
    """Somebody else on this machine, who keeps what is said to them."""
    calls: list[bytes] = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            calls.append(self.request.recv(65536))
            try:
                self.request.sendall(
                    answer or b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
                )
                while forever:
                    self.request.sendall(b"x" * 65536)
            except OSError:
                return

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", calls
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def endless() -> Iterator[str]:
    with listening(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", forever=True) as (url, _):
        yield url
