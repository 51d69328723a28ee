"""A disk that is full, before a pull or in the middle of one: refused; what was fetched is kept."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from app.authority.catalog.blobs import BlobStore
from app.domain.refusals import DiskFull, IntakeRefused
from tests.fakes.hub import FakeHub
from tests.unit.pulling.conftest import Station

ROOT = Path(__file__).parents[3]
LIMIT = 100_000
# No file of this process may grow beyond the limit: writing fails as on a disk that is full.
CHILD = """
import resource, sys
from pathlib import Path
from app.authority.catalog.blobs import BlobStore
from app.authority.catalog.fetching import Download
from app.authority.catalog.watching import Moved, PullWatch
from app.clock import SystemClock
from app.domain.refusals import DiskFull
from app.engines.hub import HuggingFaceHub

url, store, limit = sys.argv[1], BlobStore(Path(sys.argv[2])), int(sys.argv[3])
store.prepare()
hub = HuggingFaceHub(endpoint=url, hosts=(), version="0")
at = hub.resolve("acme/tiny", "main", lambda: None)
download = Download(store, at)
watch = PullWatch(lambda _: None, lambda: False, SystemClock())
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    download.fetch_all(hub, at.files, Moved(), watch)
except DiskFull as full:
    print(full.message)
else:
    print("nothing was refused")
"""


async def test_a_disk_without_room_is_found_before_the_first_byte(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = await station.plan()
    before = station.hub.content_bytes
    monkeypatch.setattr(BlobStore, "bytes_free", lambda _: plan["size_bytes"])
    with pytest.raises(DiskFull, match="Free some space"):
        await station.pull(plan["plan"])
    assert station.hub.content_bytes == before
    assert station.last("pull_outcome").outcome == "failed"


def test_a_disk_that_fills_up_half_way_keeps_what_was_fetched(tmp_path: Path, hub: FakeHub) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, hub.url, str(tmp_path / "store"), str(LIMIT)],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(ROOT / "services" / "api")},
        timeout=60,
    )
    assert "Free some space and pull again" in done.stdout
    part = next((tmp_path / "store" / "downloads").glob("*/model.safetensors.part"))
    content = part.read_bytes()
    assert 0 < len(content) <= LIMIT
    assert hub.files["model.safetensors"].startswith(content)


@pytest.mark.parametrize("at", ["fetching", "publishing"])
async def test_a_store_that_cannot_be_written_is_said_and_recorded(
    station: Station, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "/store/x")

    if at == "fetching":
        monkeypatch.setattr("app.authority.catalog.fetching.write_all", refuse)
    else:
        monkeypatch.setattr(BlobStore, "place", refuse)
    with pytest.raises(IntakeRefused, match="Permission denied"):
        await station.pull()
    assert station.last("pull_outcome").outcome == "refused"
    assert station.catalog.list() == []
    monkeypatch.undo()
    assert (await station.pull())[-1]["done"]["trust"] == "pinned"


async def test_a_file_that_is_called_as_ours_is_a_file_like_any_other(station: Station) -> None:
    station.hub.files |= {"journal.json": b"{}", ".journal": b"{}", "x.part": b"x"}
    await station.pull()
    view = station.catalog.verify("acme/tiny", full=True)
    assert (view / "journal.json").read_bytes() == b"{}"
    assert not (view / ".journal").exists()
