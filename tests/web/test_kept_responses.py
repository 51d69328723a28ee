"""Responses that are kept: for whom, until when, and what goes on from them."""

import httpx

from tests.fakes.authority import CLIENT_KEY, OPERATOR_KEY
from tests.fakes.house import House
from tests.web.test_responses import PATH, asked, events_of, prompt_of


def with_key(key: str = CLIENT_KEY) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


async def test_a_conversation_goes_on_where_it_is_kept(
    client: httpx.AsyncClient, house: House
) -> None:
    house.responses.keys = {"client"}
    first = await client.post(PATH, json=asked(instructions="Old."), headers=with_key())
    assert first.json()["store"] is True
    again = asked(input="and now?", instructions="New.", previous_response_id=first.json()["id"])
    second = await client.post(PATH, json=again, headers=with_key())
    assert second.status_code == 200, second.text
    assert list(prompt_of(house).messages) == [
        {"role": "system", "content": "New."},
        {"role": "user", "content": "one two three"},
        {"role": "assistant", "content": "one two three"},
        {"role": "user", "content": "and now?"},
    ]
    kept = await client.get(f"{PATH}/{second.json()['id']}", headers=with_key())
    assert kept.json() == second.json()
    sent = await client.get(f"{PATH}/{second.json()['id']}/input_items", headers=with_key())
    assert sent.json()["data"][0]["content"] == [{"type": "input_text", "text": "and now?"}]


async def test_a_streamed_response_is_kept_before_its_end_is_told(
    client: httpx.AsyncClient, house: House
) -> None:
    house.responses.keys = {"client"}
    response = await client.post(PATH, json=asked(stream=True), headers=with_key())
    ended = events_of(response.text)[-1]["response"]
    kept = await client.get(f"{PATH}/{ended['id']}", headers=with_key())
    assert kept.json() == ended


async def test_nothing_is_kept_for_others(client: httpx.AsyncClient, house: House) -> None:
    house.responses.keys = {"client", "operator"}
    for body, headers in (
        (asked(store=True), {}),
        (asked(store=False), with_key()),
    ):
        response = await client.post(PATH, json=body, headers=headers)
        assert response.json()["store"] is False
        assert house.responses.kept == {}
    mine = (await client.post(PATH, json=asked(), headers=with_key())).json()["id"]
    for method in ("GET", "DELETE"):
        other = await client.request(method, f"{PATH}/{mine}", headers=with_key(OPERATOR_KEY))
        assert other.status_code == 404
    assert (await client.get(f"{PATH}/{mine}")).status_code == 404


async def test_what_is_deleted_is_gone(client: httpx.AsyncClient, house: House) -> None:
    house.responses.keys = {"client"}
    mine = (await client.post(PATH, json=asked(), headers=with_key())).json()["id"]
    gone = await client.delete(f"{PATH}/{mine}", headers=with_key())
    assert gone.json() == {"id": mine, "object": "response", "deleted": True}
    assert (await client.get(f"{PATH}/{mine}", headers=with_key())).status_code == 404
    again = asked(previous_response_id=mine)
    assert (await client.post(PATH, json=again, headers=with_key())).status_code == 404
