"""The official client gets vectors of a decoder and of an encoder; ranks and tokens; poison."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import OpenAI

from tests.e2e.asking import TINY, openai, post, refused
from tests.e2e.server import RunningServer
from tests.encoder_models import tiny_bert

BERT, RANKER = "tests/bert", "tests/ranker"


@pytest.fixture(scope="module")
def encoders(tiny_server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("encoders")
    tiny_server.import_model(tiny_bert(directory / "bert"), BERT)
    tiny_server.import_model(tiny_bert(directory / "ranker", ranks=True), RANKER)


@pytest.fixture
def server(tiny: RunningServer, encoders: None) -> RunningServer:
    return tiny


@pytest.fixture
def client(server: RunningServer) -> Iterator[OpenAI]:
    with openai(server) as made:
        yield made


def length(vector: list[float]) -> float:
    return math.sqrt(sum(number * number for number in vector))


def far(one: list[float], other: list[float]) -> float:
    return max(abs(a - b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(("model", "size"), [(TINY, 64), (BERT, 32)])
def test_the_client_gets_the_same_vectors_in_both_encodings(
    model: str, size: int, client: OpenAI
) -> None:
    texts = ["the cat sat on the mat", "rain", "the dog sat on the mat"]
    packed = client.embeddings.create(model=model, input=texts)
    plain = client.embeddings.create(model=model, input=texts, encoding_format="float")
    assert [entry.index for entry in packed.data] == [0, 1, 2]
    for one, other in zip(packed.data, plain.data, strict=True):
        assert one.embedding == other.embedding
        assert len(one.embedding) == size
        assert abs(length(one.embedding) - 1) < 1e-5
    assert packed.model == model
    assert packed.usage.prompt_tokens == packed.usage.total_tokens > 10
    alone = client.embeddings.create(model=model, input=texts[1])
    assert far(alone.data[0].embedding, packed.data[1].embedding) < 1e-4
    cut = client.embeddings.create(model=model, input=texts[1], dimensions=8)
    assert len(cut.data[0].embedding) == 8
    assert abs(length(cut.data[0].embedding) - 1) < 1e-5


@pytest.mark.parametrize("model", [TINY, BERT])
def test_tokens_stand_for_their_text(model: str, client: OpenAI, server: RunningServer) -> None:
    text = "the cat sat"
    tokens = post(server, "/tokenize", {"model": model, "prompt": text}).json()["tokens"]
    by_text = client.embeddings.create(model=model, input=text)
    by_tokens = client.embeddings.create(model=model, input=tokens)
    several = client.embeddings.create(model=model, input=[tokens, tokens[:2]])
    assert far(by_text.data[0].embedding, by_tokens.data[0].embedding) < 1e-6
    assert far(by_text.data[0].embedding, several.data[0].embedding) < 1e-4
    assert by_tokens.usage.prompt_tokens == len(tokens)


def test_hundreds_of_inputs_are_answered_in_order(client: OpenAI) -> None:
    texts = ["cat " * (1 + n % 7) for n in range(300)]
    found = client.embeddings.create(model=BERT, input=texts).data
    assert [entry.index for entry in found] == list(range(300))
    for n in range(7, 300):
        assert far(found[n].embedding, found[n % 7].embedding) < 1e-4
    assert far(found[0].embedding, found[1].embedding) > 1e-3


def test_documents_are_ranked(server: RunningServer) -> None:
    documents = ["the cat", {"text": "rain"}, "the sun on the mat"]
    asked = {"model": RANKER, "query": "the dog", "documents": documents}
    answer = post(server, "/v1/rerank", {**asked, "return_documents": True}).json()
    scores = [entry["relevance_score"] for entry in answer["results"]]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert sorted(entry["index"] for entry in answer["results"]) == [0, 1, 2]
    assert answer["results"][0]["document"]["text"]
    best = post(server, "/v1/rerank", {**asked, "top_n": 1}).json()["results"]
    assert best[0]["index"] == answer["results"][0]["index"]


def test_a_model_is_asked_only_for_what_it_is_made_for(server: RunningServer) -> None:
    rank = {"query": "a", "documents": ["b"]}
    for model in (TINY, BERT):
        refused(post(server, "/v1/rerank", {"model": model, **rank}), 400, "task_not_supported")
    asked = {"model": RANKER, "input": "a"}
    refused(post(server, "/v1/embeddings", asked), 400, "task_not_supported")
    for path, prompt in (
        ("/v1/completions", {"prompt": "a"}),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "a"}]}),
    ):
        refused(post(server, path, {"model": BERT, **prompt}), 400, "task_not_supported")


def test_tokens_go_there_and_back(server: RunningServer) -> None:
    text = "hello, caf\u00e9 \N{GRINNING FACE}"
    asked = {"model": TINY, "prompt": text, "return_token_strs": True}
    answer = post(server, "/tokenize", asked).json()
    assert answer["count"] == len(answer["tokens"]) == len(answer["token_strs"])
    assert answer["max_model_len"] == 8192
    back = post(server, "/v1/detokenize", {"model": TINY, "tokens": answer["tokens"]}).json()
    assert back == {"prompt": text}
    said = {"messages": [{"role": "user", "content": "hello"}]}
    chat = post(server, "/tokenize", {"model": TINY, **said}).json()
    used = post(server, "/v1/chat/completions", {"model": TINY, "max_tokens": 1, **said}).json()
    assert chat["count"] == used["usage"]["prompt_tokens"]


POISON: list[tuple[str, dict[str, Any]]] = [
    ("/v1/embeddings", {"input": []}),
    ("/v1/embeddings", {"input": ["", ""]}),
    ("/v1/embeddings", {"input": [[]]}),
    ("/v1/embeddings", {"input": [5, 1_000_000]}),
    ("/v1/embeddings", {"input": [-1]}),
    ("/v1/embeddings", {"input": [2**40]}),
    ("/v1/embeddings", {"input": ["fine", "\N{GRINNING FACE}" * 250_000]}),
    ("/v1/embeddings", {"input": "a", "dimensions": 100_000}),
    ("/v1/embeddings", {"input": "a", "dimensions": 0}),
    ("/tokenize", {"prompt": "\N{GRINNING FACE}" * 250_000}),
    ("/detokenize", {"tokens": [-1]}),
    ("/detokenize", {"tokens": [1_000_000]}),
]


@pytest.mark.parametrize("model", [TINY, BERT])
def test_poison_is_a_400_and_the_same_worker_answers_afterwards(
    model: str, server: RunningServer
) -> None:
    asked = {"model": model, "input": "the cat"}
    before = post(server, "/v1/embeddings", asked).json()["data"]
    for path, fields in POISON:
        response = post(server, path, {"model": model, **fields})
        assert response.status_code == 400, (path, str(fields)[:80], response.text[:200])
        assert set(response.json()["error"]) == {"message", "type", "param", "code"}
    for lone in (b'"\\ud800"', b'["a", "\\udfff"]'):
        raw = b'{"model":"%s","input":%s}' % (model.encode(), lone)
        response = httpx.post(f"{server.url}/v1/embeddings", content=raw, timeout=60)
        assert response.status_code == 400
    assert post(server, "/v1/embeddings", asked).json()["data"] == before


def test_a_poison_document_is_a_400(server: RunningServer) -> None:
    for documents in (["x" * 300_000], ["a", ""], []):
        asked = {"model": RANKER, "query": "a", "documents": documents}
        assert post(server, "/v1/rerank", asked).status_code == 400


def test_an_encoder_says_what_it_is_for(server: RunningServer) -> None:
    listed = httpx.get(f"{server.url}/v1/models", timeout=60).json()["data"]
    tasks = {model["id"]: model["task"] for model in listed}
    assert (tasks[TINY], tasks[BERT], tasks[RANKER]) == ("generate", "embed", "rerank")


def test_a_model_pools_as_the_file_in_its_folder_says(
    server: RunningServer, client: OpenAI, tmp_path: Path
) -> None:
    """The same weights as BERT's, which says nothing and therefore means."""
    found = {}
    for way in ("mean", "cls"):
        server.import_model(tiny_bert(tmp_path / way, pooling=way), f"tests/{way}")
        answer = client.embeddings.create(model=f"tests/{way}", input="the cat sat")
        found[way] = answer.data[0].embedding
    plain = client.embeddings.create(model=BERT, input="the cat sat").data[0].embedding
    assert far(found["mean"], plain) < 1e-5
    assert far(found["cls"], plain) > 0.05


def test_a_model_that_does_not_say_how_it_pools_is_not_guessed_at(
    server: RunningServer, tmp_path: Path
) -> None:
    """Its modules.json promises a file that did not come along."""
    made = tiny_bert(tmp_path / "m", pooling="cls")
    (made / "1_Pooling" / "config.json").unlink()
    server.import_model(made, "tests/pooled")
    asked = {"model": "tests/pooled", "input": "the cat"}
    assert "1_Pooling/config.json" in post(server, "/v1/embeddings", asked).text
