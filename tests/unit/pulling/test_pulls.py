"""What is pulled is what was planned, verified, published at once, and recorded."""

from tests.fakes.hub import COMMIT, REPO
from tests.unit.pulling.conftest import Station


async def test_a_pulled_model_is_pinned_recorded_and_can_be_loaded(station: Station) -> None:
    steps = await station.pull()
    done = steps[-1]["done"]
    assert (done["id"], done["trust"]) == (REPO, "pinned")
    assert station.catalog.verify(REPO).is_dir()
