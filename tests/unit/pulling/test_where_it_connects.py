"""A pull connects to the hosts that the settings name, says what it must, and nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

from app.domain.refusals import (
    HubRefused,
    HubUnreachable,
    Refusal,
)
from app.engines.hub import HuggingFaceHub
from tests.fakes.hub import REPO
from tests.fakes.strangers import Both, listening
from tests.unit.pulling.conftest import QUICK, Station, nothing_is_loadable

ROOT = Path(__file__).parents[3]
WEIGHTS = "model.safetensors"


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
        client._allowed = Both(station.hub.url, url)
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


def test_a_server_that_nobody_asks_to_pull_has_not_loaded_the_client() -> None:
    probe = (
        "import sys; import app.wiring; "
        "print(sorted({'huggingface_hub', 'httpx2', 'httpx'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(ROOT / "services" / "api")},
    )
    assert done.stdout == "[]\n"
