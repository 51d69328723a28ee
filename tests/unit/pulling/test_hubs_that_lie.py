"""Listings that lie or talk nonsense: refused before anything is fetched."""

import json
from typing import Any

import pytest

from app.domain.refusals import (
    HubRefused,
    IntakeRefused,
)
from tests.fakes.hub import REPO, sibling
from tests.model_files import CONFIG, entry, safetensors
from tests.unit.pulling.conftest import Station, nothing_is_loadable

WEIGHTS = "model.safetensors"


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
        "many/" * 100 + "x.json",
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
        ({"config.json": b"{}", "model.onnx": b"x"}, "only in a format"),
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


async def test_a_commit_that_is_answered_with_another_is_refused(station: Station) -> None:
    asked = "e" * 40
    files = [sibling(path, content, large=False) for path, content in station.hub.files.items()]
    listing = {"id": REPO, "sha": station.hub.commit, "siblings": files}
    station.hub.raw_listing = json.dumps(listing).encode()
    with pytest.raises(HubRefused, match="never changes"):
        await station.plan(revision=asked)
    assert (await station.plan(revision=station.hub.commit))["commit"] == station.hub.commit
