"""What is counted has bounded names, what is logged has bounded lines, and both name no secret."""

import json
import logging

import httpx
import pytest

from app.domain.refusals import AuditUnavailable
from app.routers.measuring.ended import Ended
from app.routers.measuring.looking import Looks
from app.routers.measuring.naming import OTHER, Models, method_of, surface_of
from app.routers.measuring.series import MOST_MODELS, SERIES
from app.routers.metrics import Metrics
from app.routers.request_log import LINES_A_MINUTE, SLOW_S, RequestLog
from tests.fakes.house import House, chat

FINE = Ended("GET", "/v1/models", 200, 0.01)
REFUSED = Ended("POST", "/v1/chat/completions", 404, 0.01)


def test_no_more_models_are_told_apart_than_the_table_says() -> None:
    models = Models()
    labels = {models.label(f"lab/m{number}") for number in range(MOST_MODELS + 20)}
    assert len(labels) == MOST_MODELS + 1
    assert OTHER in labels
    assert models.label("lab/m3") == "lab/m3"


def test_where_ids_are_for_keys_only_a_model_has_another_label() -> None:
    label = Models(named=False).label("lab/secret-project")
    assert label.startswith("model-")
    assert "secret" not in label
    assert label == Models(named=False).label("lab/secret-project")


@pytest.mark.parametrize(
    ("path", "surface"),
    [
        ("/v1/chat/completions", "openai"), ("/v1/messages", "anthropic"),
        ("/api/v0/models", "lmstudio"), ("/authority/keys", "authority"),
        ("/advisory/snapshot", "advisory"), ("/healthz", "probes"),
        ("/c4n4ry", OTHER), ("/", OTHER),
    ],
)  # fmt: skip
def test_a_path_belongs_to_one_of_a_few_surfaces(path: str, surface: str) -> None:
    assert surface_of(path) == surface


def test_an_invented_method_is_no_label() -> None:
    assert method_of("PROPFIND") == OTHER


def test_a_series_has_one_name_and_a_meaning() -> None:
    assert len({series.name for series in SERIES}) == len(SERIES)
    assert all(series.about.endswith(".") for series in SERIES)
    assert not any(label in ("path", "key", "actor", "person", "user")
                   for series in SERIES for label in series.labels)  # fmt: skip


def test_a_look_that_fails_leaves_out_its_own_series_alone() -> None:
    def broken() -> dict[str, int]:
        raise OSError("the volume is gone")

    def unreadable() -> dict[str, int]:
        raise AuditUnavailable("The database cannot be read.")

    looks = Looks(disk=broken, approvals=unreadable, queue_limit=lambda: 7)
    text = Metrics(looks).render().decode()
    assert "lmx_queue_limit 7.0" in text
    assert "lmx_disk_free_bytes" not in text
    assert "lmx_approvals_pending" not in text
    assert "lmx_ledger_available 0.0" in text


def test_reasons_of_unloads_are_a_few_words() -> None:
    metrics = Metrics()
    for reason in ("asked", "evicted for lab/c4n4ry", "deleted by a person", "idle"):
        metrics.unloaded(reason)
    text = metrics.render().decode()
    assert 'lmx_unloads_total{reason="evicted"} 1.0' in text
    assert 'lmx_unloads_total{reason="other"} 1.0' in text
    assert "c4n4ry" not in text


def test_what_went_well_is_no_line_unless_debugging(caplog: pytest.LogCaptureFixture) -> None:
    for level, lines in ((logging.INFO, 0), (logging.DEBUG, 1)):
        caplog.clear()
        with caplog.at_level(level):
            RequestLog().ended(FINE, {})
        assert len(caplog.records) == lines


@pytest.mark.parametrize(
    ("ended", "state"),
    [(REFUSED, {}), (FINE, {"code": "worker_lost"}), (Ended("GET", "/", 200, SLOW_S), {})],
)
def test_what_did_not_is_one(
    ended: Ended, state: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        RequestLog().ended(ended, state)
    assert caplog.records[0].getMessage() == "request"


def test_a_flood_of_refusals_does_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    log = RequestLog(lambda: now[0])
    with caplog.at_level(logging.INFO):
        for _ in range(LINES_A_MINUTE + 500):
            log.ended(REFUSED, {})
        assert len(caplog.records) == LINES_A_MINUTE
        now[0] = 61.0
        log.ended(REFUSED, {})
    assert caplog.records[-1].__dict__["unsaid"] == 500


async def test_every_answer_has_an_id_of_the_servers_own(client: httpx.AsyncClient) -> None:
    theirs = {"x-request-id": "c4n4ry"}
    seen = set()
    for answer in (
        await client.get("/healthz", headers=theirs),
        await client.get("/nope", headers=theirs),
        await client.get("/authority/keys", headers=theirs),
        await client.get("/healthz", headers={"host": "evil.example"}),
        await client.post("/v1/chat/completions", json=chat(stream=True), headers=theirs),
        await client.post("/v1/chat/completions", content=b"\xff", headers=theirs),
    ):
        assert "c4n4ry" not in str(answer.headers)
        seen.add(answer.headers["x-request-id"])
    assert len(seen) == 6


async def test_what_the_edge_refuses_is_counted_and_nothing_stays_under_way(
    client: httpx.AsyncClient, house: House
) -> None:
    await client.get("/healthz", headers={"host": "evil.example"})
    await client.post("/v1/chat/completions", json={"model": 3})
    text = (await client.get("/metrics")).text
    assert 'lmx_refusals_total{code="host_not_allowed"} 1.0' in text
    assert 'lmx_refusals_total{code="invalid_request"} 1.0' in text
    assert 'lmx_requests_in_progress{surface="openai"} 0.0' in text
    assert 'lmx_requests_in_progress{surface="probes"} 1.0' in text  # this one


async def test_a_line_of_a_request_names_it_and_no_path(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="app.routers.request_log"):
        answer = await client.get("/v1/models/lab/c4n4ry?key=c4n4ry")
    assert answer.status_code == 404
    (record,) = caplog.records
    said = json.dumps(record.__dict__, default=str)
    assert record.__dict__["route"] == "/v1/models/{model_id:path}"
    assert record.__dict__["code"] == "model_not_found"
    assert "c4n4ry" not in said
