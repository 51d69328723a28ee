"""LM Studio's loads, unloads and downloads over fakes: acts of the authority, by its rules."""

from typing import Any

import httpx
import pytest

from app.authority.approvals.transitions import State
from app.domain.refusals import ModelBusy, ModelTooLarge
from app.routers.lmstudio.downloads import STATUSES
from tests.fakes.authority import ADVISOR_KEY, AUDITOR_KEY, CLIENT_KEY, OPERATOR_KEY
from tests.fakes.governance import PULL, PULL_BYTES
from tests.fakes.house import House
from tests.fakes.pulling import COMMIT, ENDPOINT
from tests.web.test_lmstudio import LOADED, lm_studio_error

LOAD, UNLOAD = "/api/v1/models/load", "/api/v1/models/unload"
DOWNLOAD, STATUS = "/api/v1/models/download", "/api/v1/models/download/status/"
ACTS: list[tuple[str, str, Any]] = [
    ("POST", LOAD, {"model": "lab/echo"}),
    ("POST", UNLOAD, {"instance_id": "lab/echo"}),
    ("POST", DOWNLOAD, {"model": "lab/new"}),
    ("GET", f"{STATUS}job_00000001", None),
]


async def ask(
    client: httpx.AsyncClient, method: str, path: str, body: Any, key: str | None = OPERATOR_KEY
) -> httpx.Response:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    return await client.request(method, path, json=body, headers=headers)


async def post(client: httpx.AsyncClient, path: str, **body: Any) -> httpx.Response:
    return await ask(client, "POST", path, body)


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act[1])
@pytest.mark.parametrize(
    ("key", "refused"),
    [
        (None, (401, "key_missing")),
        ("sk-any", (401, "invalid_api_key")),
        (CLIENT_KEY, (403, "forbidden")),
        (ADVISOR_KEY, (403, "forbidden")),
    ],
)
async def test_an_act_needs_an_operators_key_and_its_refusal_is_recorded(
    act: tuple[str, str, Any],
    key: str | None,
    refused: tuple[int, str],
    client: httpx.AsyncClient,
    house: House,
) -> None:
    status, code = refused
    response = await ask(client, *act, key)
    assert lm_studio_error(response, status, "invalid_request")["code"] == code
    assert [entry[1] for entry in house.refusals.recorded] == [code]
    assert house.execution.acts == house.pulling.acts == []
    assert house.governance.asks == {}


async def test_an_auditor_does_nothing_here(client: httpx.AsyncClient, house: House) -> None:
    for act in ACTS[:3]:
        lm_studio_error(await ask(client, *act, AUDITOR_KEY), 403, "invalid_request")
    assert house.execution.acts == house.pulling.acts == []


async def test_a_load_is_the_authoritys_and_echoes_the_true_terms(
    client: httpx.AsyncClient, house: House
) -> None:
    house.reading.told["lab/echo"] = LOADED
    response = await post(
        client,
        LOAD,
        model="lab/echo",
        context_length=64,
        eval_batch_size=512,
        flash_attention=True,
        echo_load_config=True,
    )
    answer = response.json()
    assert answer.pop("load_time_seconds") >= 0
    assert answer == {
        "type": "llm",
        "instance_id": "lab/echo",
        "status": "loaded",
        "load_config": {"context_length": 64, "parallel": 2},
    }
    assert house.execution.acts == [("load", "lab/echo", 64, None, False)]
    assert "load_config" not in (await post(client, LOAD, model="lab/echo", parallel=4)).json()
    assert house.execution.acts[-1] == ("load", "lab/echo", None, 4, False)


async def test_an_unload_names_the_instance(client: httpx.AsyncClient, house: House) -> None:
    response = await post(client, UNLOAD, instance_id="lab/echo")
    assert response.json() == {"instance_id": "lab/echo"}
    assert house.execution.acts == [("unload", "lab/echo")]


@pytest.mark.parametrize(
    ("refusal", "status", "kind"),
    [
        (ModelTooLarge("lab/echo needs 9 GiB of 8 GiB."), 503, "internal_error"),
        (ModelBusy("lab/echo is loaded with context 64."), 409, "invalid_request"),
    ],
    ids=lambda value: getattr(value, "code", ""),
)
async def test_a_load_that_the_authority_refuses_is_refused_in_its_words(
    refusal: Any, status: int, kind: str, client: httpx.AsyncClient, house: House
) -> None:
    async def refuse(*_: Any, **__: Any) -> Any:
        raise refusal

    house.execution.load = refuse  # type: ignore[method-assign]
    error = lm_studio_error(await post(client, LOAD, model="lab/echo"), status, kind)
    assert (error["code"], error["message"]) == (refusal.code, refusal.message)
    assert house.refusals.recorded[0][1:3] == (refusal.code, "lab/echo")


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        (LOAD, {"model": "lab/echo", "context_length": 0}, "context_length"),
        (LOAD, {"model": "lab/echo", "context_length": "64"}, "context_length"),
        (LOAD, {"model": "lab/echo", "parallel": 0}, "parallel"),
        (LOAD, {"model": "lab/echo", "fits": True}, "fits"),
        (LOAD, {}, "model"),
        (UNLOAD, {"instance_id": "lab/echo", "force": True}, "force"),
        (UNLOAD, {"model": "lab/echo"}, "instance_id"),
        (DOWNLOAD, {"model": "lab/new", "plan": "ab" * 32}, "plan"),
        (DOWNLOAD, {"model": f"{ENDPOINT[:-1]}x/lab/new"}, "model"),
    ],
)
async def test_a_field_that_is_wrong_or_unknown_is_refused_by_name(
    path: str, body: dict[str, Any], param: str, client: httpx.AsyncClient, house: House
) -> None:
    error = lm_studio_error(await ask(client, "POST", path, body), 400, "invalid_request")
    assert error["param"] == param
    assert house.execution.acts == []
    assert house.governance.asks == {}


# --- downloads --------------------------------------------------------------------------------


async def test_a_download_waits_for_a_person(client: httpx.AsyncClient, house: House) -> None:
    job = (await post(client, DOWNLOAD, model="lab/new")).json()
    (made,) = house.governance.asks.values()
    assert made["act"] == PULL
    assert made["params"] == {"repo": "lab/new", "revision": COMMIT, "name": "lab/new"}
    assert job["job_id"] == f"job_{made['id']}"
    assert (job["status"], job["downloaded_bytes"]) == ("paused", 0)
    assert job["total_size_bytes"] == PULL_BYTES
    assert f"lmx approvals show {made['id']}" in job["message"]
    assert job["started_at"].endswith("Z")
    assert house.pulling.acts == [("plan", "lab/new", None, None)]
    assert (await ask(client, "GET", STATUS + job["job_id"], None)).json() == job
    again = await post(client, DOWNLOAD, model=f"{ENDPOINT}/lab/new/")
    assert again.json() == job
    assert len(house.governance.asks) == 1


async def test_a_quantization_chooses_one_of_several_models(
    client: httpx.AsyncClient, house: House
) -> None:
    job = (await post(client, DOWNLOAD, model="lab/new", quantization="Q4_K_M")).json()
    (made,) = house.governance.asks.values()
    assert made["params"] == {
        "repo": "lab/new",
        "revision": COMMIT,
        "name": "lab/new-Q4_K_M",
        "choice": "Q4_K_M",
    }
    assert job["status"] == "paused"
    other = (await post(client, DOWNLOAD, model="lab/new", quantization="Q8_0")).json()
    assert other["job_id"] != job["job_id"]


async def test_what_is_here_already_makes_no_ask(client: httpx.AsyncClient, house: House) -> None:
    house.pulling.held.add("lab/echo")
    response = await post(client, DOWNLOAD, model="lab/echo")
    assert response.json() == {"status": "already_downloaded"}
    assert house.governance.asks == {}


@pytest.mark.parametrize("state", State)
async def test_a_jobs_status_is_where_its_ask_stands(
    state: State, client: httpx.AsyncClient, house: House
) -> None:
    made = house.governance.add("0badcafe", state, subject="lab/new", act=PULL)
    made["ended_us"] = made["created_us"]
    house.pulling.fetched["lab/new"] = 7
    job = (await ask(client, "GET", f"{STATUS}job_0badcafe", None)).json()
    assert job["status"] == STATUSES[state]
    here = {"completed": PULL_BYTES, "downloading": 7}
    assert job["downloaded_bytes"] == here.get(job["status"], 0)
    assert ("completed_at" in job) == (job["status"] == "completed")
    assert job["message"]


@pytest.mark.parametrize("job", ["job_0badcafe", "job_ffffffff", "0badcafe", "job_0bad", "job_"])
async def test_a_job_that_is_no_download_is_not_found(
    job: str, client: httpx.AsyncClient, house: House
) -> None:
    house.governance.add("0badcafe", State.PENDING)  # a deletion
    error = lm_studio_error(await ask(client, "GET", STATUS + job, None), 404, "job_not_found")
    assert error["param"] == "job_id"
    assert house.refusals.recorded[0][1:3] == ("job_not_found", job)
