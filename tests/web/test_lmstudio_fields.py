"""Every row of LM Studio's field tables is proved: supported, ignored, refused; unknown is 400."""

from typing import Any

import httpx
import pytest

from app.domain.generation import Reasoning
from app.domain.refusals import WorkerLost
from app.routers.fields import Field, Support
from app.routers.lmstudio.chat import ChatAsk
from app.routers.lmstudio.downloads import Download
from app.routers.lmstudio.fields import ENDPOINTS, EVENTS, SAME_AS
from app.routers.lmstudio.models import Load, Unload
from app.routers.openai import fields as openai_fields
from app.routers.openai.work_fields import EMBEDDINGS
from tests.fakes.authority import OPERATOR_KEY
from tests.fakes.house import House, assert_openai_error, chat
from tests.fakes.inference import End, Say, Script, Tell
from tests.web.test_lmstudio import lm_studio_error

KINDS = {
    "/api/v1/chat": (ChatAsk, {"model": "lab/echo", "input": "one two three"}),
    "/api/v1/models/load": (Load, {"model": "lab/echo"}),
    "/api/v1/models/unload": (Unload, {"instance_id": "lab/echo"}),
    "/api/v1/models/download": (Download, {"model": "lab/echo"}),
}
ROWS = [(endpoint, field) for endpoint, fields in ENDPOINTS.items() for field in fields]
TOLD = {"loaded": True, "context": 4096, "slots": 2, "reasoning_options": ["off", "on"]}


def rows(support: Support) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        ("endpoint", "field"),
        [row for row in ROWS if row[1].support is support],
        ids=lambda value: getattr(value, "name", value),
    )


async def send(client: httpx.AsyncClient, endpoint: str, **fields: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {OPERATOR_KEY}"}
    body = {**KINDS[endpoint][1], **fields}
    return await client.post(endpoint, json=body, headers=headers)


def done(house: House) -> Any:
    """What reached the authority since the last look, without what is new each time."""
    asked = [request for _, request in house.inference.asked]
    found = (
        [(one.model, [(s.prompt, s.sampling) for s in one.sequences]) for one in asked],
        list(house.execution.acts),
        list(house.pulling.acts),
    )
    for kept in (house.inference.asked, house.execution.acts, house.pulling.acts):
        kept.clear()
    return found


def said(response: httpx.Response) -> Any:
    """What kind of answer it is, and the names in it."""
    kind = response.headers["content-type"]
    return kind, set(response.json()) if kind == "application/json" else ()


def test_a_table_has_a_row_for_each_field_that_is_read() -> None:
    for endpoint, (kind, _) in KINDS.items():
        assert sorted(field.name for field in ENDPOINTS[endpoint]) == sorted(kind.model_fields)
    assert set(KINDS) == set(ENDPOINTS)


@rows(Support.SUPPORTED)
async def test_a_supported_field_changes_what_is_done_or_said(
    endpoint: str, field: Field, client: httpx.AsyncClient, house: House
) -> None:
    house.reading.told["lab/echo"] = TOLD
    plain = said(await send(client, endpoint)), done(house)
    response = await send(client, endpoint, **{field.name: field.example}, **field.beside)
    assert response.status_code == 200, response.text
    asked = said(response), done(house)
    needed = field.name in KINDS[endpoint][1]
    # A chat's context is compared with the model's, and changes nothing where it is the same.
    compared = endpoint.endswith("/chat") and field.name == "context_length"
    assert (asked != plain) or needed or compared
    wrong = await send(client, endpoint, **{field.name: {"a": "wrong kind"}})
    lm_studio_error(wrong, 400, "invalid_request")


@rows(Support.IGNORED)
async def test_an_ignored_field_changes_nothing(
    endpoint: str, field: Field, client: httpx.AsyncClient, house: House
) -> None:
    assert (await send(client, endpoint)).status_code == 200
    before = done(house)
    assert (await send(client, endpoint, **{field.name: field.example})).status_code == 200
    assert done(house) == before


@rows(Support.REFUSED)
async def test_a_refused_field_is_refused_by_name_and_its_nothings_pass(
    endpoint: str, field: Field, client: httpx.AsyncClient, house: House
) -> None:
    response = await send(client, endpoint, **{field.name: field.example})
    error = lm_studio_error(response, 400, "not_implemented")
    assert error["param"] == field.name
    assert field.name in error["message"]
    assert done(house) == ([], [], [])
    for nothing in (None, *field.nothing):
        assert (await send(client, endpoint, **{field.name: nothing})).status_code == 200


@pytest.mark.parametrize("endpoint", sorted(ENDPOINTS))
async def test_a_field_in_no_table_is_refused(
    endpoint: str, client: httpx.AsyncClient, house: House
) -> None:
    error = lm_studio_error(await send(client, endpoint, made_up=1), 400, "invalid_request")
    assert error["param"] == "made_up"
    assert done(house) == ([], [], [])


V0 = {
    "/api/v0/chat/completions": (chat(), openai_fields.CHAT),
    "/api/v0/completions": ({"model": "lab/echo", "prompt": "a"}, openai_fields.COMPLETIONS),
    "/api/v0/embeddings": ({"model": "lab/echo", "input": "a"}, EMBEDDINGS),
}


@pytest.mark.parametrize("endpoint", sorted(SAME_AS))
async def test_v0_judges_every_field_as_v1_does(
    endpoint: str, client: httpx.AsyncClient, house: House
) -> None:
    body, fields = V0[endpoint]
    for field in fields:
        sent = body | {field.name: field.example, **field.beside}
        theirs = await client.post(endpoint, json=sent)
        ours = await client.post(SAME_AS[endpoint], json=sent)
        assert theirs.status_code == ours.status_code, field.name
        if field.support is Support.REFUSED:
            assert assert_openai_error(theirs, 400)["param"] == field.name
    assert (await client.post(endpoint, json=body)).status_code == 200
    assert done(house)[1:] == ([], [])


async def test_the_events_are_those_of_the_list(client: httpx.AsyncClient, house: House) -> None:
    told = set()
    for steps in (
        [Tell(Reasoning("hm", 1)), Say("a"), End()],
        [Say("a"), WorkerLost("Gone. Ask again.")],
    ):
        house.inference.scripts["lab/echo"] = Script(steps=steps)
        answer = await send(client, "/api/v1/chat", stream=True)
        told |= {line for line in answer.text.split("\n") if line.startswith("event: ")}
    assert told == {f"event: {name}" for name in EVENTS}
