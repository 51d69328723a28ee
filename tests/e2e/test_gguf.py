"""A model in GGUF on a real server: imported by its file, loaded, asked; a hostile one refused."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from gguf import PoolingType

from tests.e2e.asking import chat, complete, post, refused
from tests.e2e.server import RunningServer, running_server
from tests.gguf_bytes import gguf
from tests.gguf_models import tiny_gguf

NAME, VECTORS = "tests/tiny-gguf", "tests/vectors-gguf"


@pytest.fixture(scope="module")
def with_gguf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    directory = tiny_gguf(tmp_path_factory.mktemp("gguf") / "tiny", context=2048)
    with running_server(tmp_path_factory.mktemp("e2e") / "home", default_context=512) as running:
        running.import_model(directory / "model.gguf", NAME)
        yield running


def test_an_imported_gguf_answers_and_says_the_same_again(with_gguf: RunningServer) -> None:
    asked = {"model": NAME, "temperature": 0, "max_tokens": 8}
    first, again = (complete(with_gguf, "one two three", **asked) for _ in range(2))
    assert first["usage"]["completion_tokens"] == 8
    assert first["choices"][0]["text"] == again["choices"][0]["text"]
    assert chat(with_gguf, "Hello", model=NAME, max_tokens=4).status_code == 200


def test_what_it_took_is_within_what_it_was_promised(with_gguf: RunningServer) -> None:
    complete(with_gguf, "one", model=NAME, max_tokens=2)
    with with_gguf.authority() as authority:
        models = authority.get("/status").json()["models"]
    (model,) = [m for m in models if m["id"] == NAME]
    assert model["state"] == "ready"
    assert 0 < model["resident_bytes"] <= model["promised_bytes"]


def test_an_embedding_model_gives_vectors_and_no_text(
    with_gguf: RunningServer, tmp_path: Path
) -> None:
    directory = tiny_gguf(tmp_path / "vectors", pooling=PoolingType.MEAN, chat_template=None)
    with_gguf.import_model(directory / "model.gguf", VECTORS)
    asked = {"model": VECTORS, "input": ["the cat", "a much longer text about rain", "the cat"]}
    answer = post(with_gguf, "/v1/embeddings", asked).json()
    first, other, again = (entry["embedding"] for entry in answer["data"])
    assert [entry["index"] for entry in answer["data"]] == [0, 1, 2]
    assert len(first) == 64
    assert sum(number * number for number in first) == pytest.approx(1, abs=1e-4)
    # To the last bit only where the processor sums both places of a batch in one order.
    assert again == pytest.approx(first, abs=1e-5)
    assert other != pytest.approx(first, abs=1e-3)
    assert answer["usage"]["prompt_tokens"] > 10
    chatted = chat(with_gguf, "Hello", model=VECTORS, max_tokens=4)
    refused(chatted, 400, "task_not_supported")
    listed = httpx.get(f"{with_gguf.url}/v1/models", timeout=30).json()["data"]
    tasks = {model["id"]: model["task"] for model in listed}
    assert (tasks[VECTORS], tasks[NAME]) == ("embed", "generate")
    with with_gguf.authority() as authority:
        models = authority.get("/status").json()["models"]
    (held,) = [m for m in models if m["id"] == VECTORS]
    assert 0 < held["resident_bytes"] <= held["promised_bytes"]


def test_a_hostile_gguf_is_refused_and_nothing_is_kept(
    with_gguf: RunningServer, tmp_path: Path
) -> None:
    (tmp_path / "evil.gguf").write_bytes(gguf(tensor_count=2**63))
    refused = with_gguf.lmx("models", "import", str(tmp_path / "evil.gguf"))
    assert refused.returncode != 0
    assert "9223372036854775808 tensors" in refused.stderr
    listed = httpx.get(f"{with_gguf.url}/v1/models", timeout=30).json()["data"]
    assert "local/evil" not in {model["id"] for model in listed}
