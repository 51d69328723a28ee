"""Embeddings, ranks and tokens on the wire: what is asked of a model, and what clients read."""

import asyncio
import base64
import json
import struct
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from app.domain.actors import Actor
from app.domain.generation import ChatPrompt, TextPrompt, TokenPrompt
from app.domain.refusals import PromptRejected
from app.domain.work import Detokenize, Embed, Rerank, Tokenize, Vectors, Work
from app.routers.openai.work_fields import ENDPOINTS
from tests.fakes.authority import FakeReading
from tests.fakes.house import House, assert_openai_error
from tests.fakes.inference import Done, FakeComputing, Script
from tests.fakes.working import BODIES, asked, body_of, name_of


@pytest.fixture
def house() -> House:
    made = House()
    made.computing = FakeComputing(made.inference)
    return made


# --- embeddings -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("one two", (TextPrompt("one two"),)),
        (["one", "two"], (TextPrompt("one"), TextPrompt("two"))),
        ([1, 2], (TokenPrompt((1, 2)),)),
        ([[1], [2, 3]], (TokenPrompt((1,)), TokenPrompt((2, 3)))),
    ],
)
async def test_every_form_of_input_is_understood(
    given: Any, expected: Any, client: httpx.AsyncClient, house: House
) -> None:
    works, answer = await asked(client, house, "/v1/embeddings", body_of("embeddings", input=given))
    assert works == [Embed(expected)]
    assert answer["object"] == "list"
    assert answer["model"] == "lab/echo"
    assert [entry["index"] for entry in answer["data"]] == list(range(len(expected)))
    assert {entry["object"] for entry in answer["data"]} == {"embedding"}
    assert answer["usage"]["prompt_tokens"] == answer["usage"]["total_tokens"] > 0


async def test_base64_carries_the_same_floats(
    client: httpx.AsyncClient, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def exact(actor: Actor, request_id: str, model: str, works: Sequence[Work]) -> Done:
        return Done(model, [Vectors((struct.pack("<3f", 0.1, -0.2, 1e-9),), (1,))], 1)

    monkeypatch.setattr(house.computing, "compute", exact)
    shown = {}
    for way in ("float", "base64", None):
        body = body_of("embeddings", encoding_format=way)
        response = await client.post("/v1/embeddings", json=body)
        shown[way] = response.json()["data"][0]["embedding"]
    assert shown["float"] == shown[None]
    assert list(struct.unpack("<3f", base64.b64decode(shown["base64"]))) == shown["float"]


async def test_many_inputs_are_asked_for_in_pieces_and_answered_in_order(
    client: httpx.AsyncClient, house: House
) -> None:
    body = body_of("embeddings", input=["a"] * 2048, dimensions=2)
    works, answer = await asked(client, house, "/v1/embeddings", body)
    assert [len(work.inputs) for work in works if isinstance(work, Embed)] == [32] * 64
    assert [work.first for work in works if isinstance(work, Embed)] == list(range(0, 2048, 32))
    assert [entry["index"] for entry in answer["data"]] == list(range(2048))
    body["input"].append("a")
    error = assert_openai_error(await client.post("/v1/embeddings", json=body), 400)
    assert error["param"] == "input"


POISON: list[tuple[str, dict[str, Any], str]] = [
    ("/v1/embeddings", {"input": []}, "input"),
    ("/v1/embeddings", {"input": ""}, "input"),
    ("/v1/embeddings", {"input": ["", ""]}, "input[0]"),
    ("/v1/embeddings", {"input": ["a", ""]}, "input[1]"),
    ("/v1/embeddings", {"input": [[]]}, "input[0]"),
    ("/v1/embeddings", {"input": [1, "a"]}, "input"),
    ("/v1/embeddings", {"input": [-1]}, "input"),
    ("/v1/embeddings", {"input": [2**31]}, "input"),
    ("/v1/embeddings", {"input": [1.5]}, "input[0]"),
    ("/v1/embeddings", {"input": {"text": "a"}}, "input"),
    ("/v1/embeddings", {"input": None}, "input"),
    ("/v1/embeddings", {"input": [True]}, "input[0]"),
    ("/v1/embeddings", {"dimensions": 0}, "dimensions"),
    ("/v1/embeddings", {"dimensions": -3}, "dimensions"),
    ("/v1/embeddings", {"dimensions": 2.5}, "dimensions"),
    ("/v1/embeddings", {"encoding_format": "hex"}, "encoding_format"),
    ("/v1/rerank", {"query": ""}, "query"),
    ("/v1/rerank", {"query": 5}, "query"),
    ("/v1/rerank", {"documents": []}, "documents"),
    ("/v1/rerank", {"documents": ["a", ""]}, "documents[1]"),
    ("/v1/rerank", {"documents": [{"title": "a"}]}, "documents[0]"),
    ("/v1/rerank", {"documents": [None]}, "documents[0]"),
    ("/v1/rerank", {"documents": ["a"] * 2049}, "documents"),
    ("/v1/rerank", {"top_n": 0}, "top_n"),
    ("/tokenize", {"prompt": None}, "prompt"),
    ("/tokenize", {"messages": [{"role": "user", "content": "a"}]}, "prompt"),
    ("/tokenize", {"prompt": ["a"]}, "prompt"),
    ("/tokenize", {"tools": [{}]}, "tools"),
    ("/tokenize", {"chat_template_kwargs": {"a": 1}}, "chat_template_kwargs"),
    ("/detokenize", {"tokens": [-1]}, "tokens[0]"),
    ("/detokenize", {"tokens": [2**31]}, "tokens[0]"),
    ("/detokenize", {"tokens": "a"}, "tokens"),
]


@pytest.mark.parametrize(("path", "fields", "param"), POISON)
async def test_what_makes_no_sense_is_a_400_that_names_the_field(
    path: str, fields: dict[str, Any], param: str, client: httpx.AsyncClient, house: House
) -> None:
    error = assert_openai_error(await client.post(path, json=body_of(path, **fields)), 400)
    assert error["param"] == param
    assert house.computing is not None
    assert house.computing.asked == []


@pytest.mark.parametrize("path", ENDPOINTS)
async def test_what_is_no_json_is_a_400_in_openais_shape(
    path: str, client: httpx.AsyncClient
) -> None:
    field = next(iter(BODIES[name_of(path)]))
    for raw in (b"", b"[]", b"{", b'{"model":"lab/echo","%s":"\\ud800"}' % field.encode()):
        assert_openai_error(await client.post(path, content=raw), 400)
    unknown = body_of(path) | {"model": "lab/nobody"}
    error = assert_openai_error(await client.post(path, json=unknown), 404)
    assert error["code"] == "model_not_found"


async def test_a_model_that_is_not_made_for_it_says_so(
    client: httpx.AsyncClient, house: House
) -> None:
    house.inference.scripts["chat/only"] = Script()
    for path in ("/v1/embeddings", "/v1/rerank"):
        response = await client.post(path, json=body_of(path, model="chat/only"))
        assert assert_openai_error(response, 400)["code"] == "task_not_supported"


async def test_a_refusal_of_the_worker_names_the_place(
    client: httpx.AsyncClient, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refusing(*_: Any) -> Done:
        raise PromptRejected("input[40]: bad", param="input[40]")

    monkeypatch.setattr(house.computing, "compute", refusing)
    response = await client.post("/v1/embeddings", json=body_of("embeddings"))
    assert assert_openai_error(response, 400)["param"] == "input[40]"


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/rerank", "/tokenize", "/detokenize"])
async def test_a_client_that_leaves_cancels_the_work(path: str, house: House) -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    class Slow(FakeComputing):
        async def compute(
            self, actor: Actor, request_id: str, model: str, works: Sequence[Work]
        ) -> Done:
            begun.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.set()
                raise
            raise AssertionError

    house.computing = Slow(house.inference)
    app = house.app()
    raw, sent = json.dumps(body_of(path)).encode(), []
    asked_for = [{"type": "http.request", "body": raw, "more_body": False}]

    async def receive() -> Any:
        if asked_for:
            return asked_for.pop()
        await begun.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", b"127.0.0.1:1234"), (b"content-type", b"application/json")]
    scope = {
        "type": "http", "http_version": "1.1", "method": "POST", "path": path,
        "raw_path": path.encode(), "query_string": b"", "headers": headers, "scheme": "http",
        "server": ("127.0.0.1", 1234), "client": ("127.0.0.1", 5), "root_path": "",
    }  # fmt: skip
    await asyncio.wait_for(app(scope, receive, send), timeout=60)
    assert cancelled.is_set()
    assert [message for message in sent if message.get("status") == 200] == []


# --- rerank -----------------------------------------------------------------------------------

DOCUMENTS = ["nothing here", {"text": "one two"}, "one"]


async def test_documents_come_back_best_first(client: httpx.AsyncClient, house: House) -> None:
    body = body_of("rerank", documents=DOCUMENTS)
    works, answer = await asked(client, house, "/v1/rerank", body)
    assert works == [Rerank("one two", ("nothing here", "one two", "one"))]
    assert [entry["index"] for entry in answer["results"]] == [1, 2, 0]
    scores = [entry["relevance_score"] for entry in answer["results"]]
    assert scores == sorted(scores, reverse=True)
    assert all("document" not in entry for entry in answer["results"])
    assert answer["model"] == "lab/echo"
    assert answer["id"].startswith("rerank-")
    assert answer["usage"]["total_tokens"] == 5


async def test_the_best_can_be_asked_for_with_their_texts(
    client: httpx.AsyncClient, house: House
) -> None:
    body = body_of("rerank", documents=DOCUMENTS, top_n=2, return_documents=True)
    _, answer = await asked(client, house, "/v1/rerank", body)
    texts = [entry["document"]["text"] for entry in answer["results"]]
    assert texts == ["one two", "one"]


async def test_many_documents_are_ranked_in_pieces(client: httpx.AsyncClient, house: House) -> None:
    documents = ["x"] * 40 + ["one two"]
    works, answer = await asked(client, house, "/v1/rerank", body_of("rerank", documents=documents))
    assert [work.first for work in works if isinstance(work, Rerank)] == [0, 32]
    assert answer["results"][0]["index"] == 40


# --- tokens -----------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "/v1"])
async def test_a_text_is_tokenized_and_back(
    prefix: str, client: httpx.AsyncClient, house: House
) -> None:
    works, answer = await asked(client, house, f"{prefix}/tokenize", body_of("tokenize"))
    assert works == [Tokenize(TextPrompt("one two"))]
    model = FakeReading().catalog[0]
    assert answer == {
        "count": 2,
        "max_model_len": model.max_context,
        "tokens": [0, 1],
        "token_strs": None,
    }
    works, answer = await asked(client, house, f"{prefix}/detokenize", body_of("detokenize"))
    assert works == [Detokenize((1,))]
    assert answer == {"prompt": "1"}


async def test_the_texts_of_tokens_are_told_where_asked_for(
    client: httpx.AsyncClient, house: House
) -> None:
    body = body_of("tokenize", return_token_strs=True, add_special_tokens=False)
    works, answer = await asked(client, house, "/tokenize", body)
    assert works == [Tokenize(TextPrompt("one two"), special=False)]
    assert answer["token_strs"] == ["one", " two"]


async def test_a_conversation_is_tokenized_as_chat_completions_read_it(
    client: httpx.AsyncClient, house: House
) -> None:
    body = {
        "model": "lab/echo",
        "messages": [{"role": "developer", "content": "one two three"}],
        "chat_template_kwargs": {"a": 1},
    }
    works, answer = await asked(client, house, "/tokenize", body)
    (work,) = works
    assert isinstance(work, Tokenize)
    assert isinstance(work.prompt, ChatPrompt)
    assert work.prompt.messages == ({"role": "system", "content": "one two three"},)
    assert work.prompt.options == {"a": 1}
    assert answer["count"] == 3
    error = assert_openai_error(
        await client.post("/tokenize", json=body | {"add_special_tokens": True}), 400
    )
    assert error["param"] == "add_special_tokens"
