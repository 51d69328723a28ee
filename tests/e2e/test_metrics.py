"""A running server shows exactly the series that the table, the alerts and the dashboard name."""

import httpx
from prometheus_client.parser import text_string_to_metric_families as families

from app.authority.lifecycle.transitions import State
from app.routers.measuring.series import SERIES, Type
from tests.e2e.asking import chat
from tests.e2e.server import RunningServer

STARTER = "lmx/starter"


def test_what_is_shown_is_what_the_table_says(server: RunningServer) -> None:
    answer = chat(server, "Hello", model=STARTER, max_tokens=3)
    assert answer.status_code == 200
    text = httpx.get(f"{server.url}/metrics", timeout=60).text
    shown = {family.name: family for family in families(text)}
    wanted = {series.name.removesuffix("_total"): series for series in SERIES}
    assert set(shown) == set(wanted)
    for name, series in wanted.items():
        family = shown[name]
        assert family.samples, name
        assert family.documentation == series.about
        assert family.type == series.type
        for sample in family.samples:
            extra = {"le"} if sample.name.endswith("_bucket") else set()
            assert set(sample.labels) == {*series.labels, *extra}, sample.name
        if series.type is Type.HISTOGRAM:
            assert any(sample.name.endswith("_bucket") for sample in family.samples)


def test_what_is_shown_is_true(server: RunningServer) -> None:
    assert chat(server, "Hello", model=STARTER, max_tokens=3).status_code == 200
    text = httpx.get(f"{server.url}/metrics", timeout=60).text
    value = {
        (sample.name, *sample.labels.values()): sample.value
        for family in families(text)
        for sample in family.samples
    }
    assert value["lmx_answers_total", STARTER, "answered"] >= 1
    assert value["lmx_loads_total", "loaded"] >= 1
    assert value["lmx_load_seconds_count",] >= 1
    assert value["lmx_models", State.READY] >= 1
    assert value["lmx_model_resident_bytes", STARTER] == server.residency(STARTER)["resident_bytes"]
    assert 0 < value["lmx_memory_bytes", "available"] < value["lmx_memory_bytes", "total"]
    assert value["lmx_disk_free_bytes",] < value["lmx_disk_total_bytes",]
    assert 0 < value["process_open_fds",] < value["process_max_fds",]
    assert value["lmx_ledger_events",] > 2
    assert value["lmx_safe_mode",] == 0
