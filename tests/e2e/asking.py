"""How tests ask a running server, and what every refusal must look like."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from openai import OpenAI
from tokenizers import Tokenizer

from tests.e2e.server import RunningServer, Text
from tests.models import tiny_model

TINY = "tests/tiny"
"""The random-weight model of the session's server."""

Json = dict[str, Any]


@contextmanager
def openai(server: RunningServer, *, retries: int = 0) -> Iterator[OpenAI]:
    url = f"{server.url}/v1"
    with OpenAI(base_url=url, api_key="none", max_retries=retries, timeout=120) as client:
        yield client


def complete(server: RunningServer, prompt: Any, *, model: str = TINY, **more: Any) -> Json:
    """The answer to a legacy completion that must succeed."""
    response = post(server, "/v1/completions", {"model": model, "prompt": prompt, **more})
    assert response.status_code == 200, response.text
    answer: Json = response.json()
    return answer


def chat(server: RunningServer, text: str, *, model: str = TINY, **more: Any) -> httpx.Response:
    messages = [{"role": "user", "content": text}]
    return post(server, "/v1/chat/completions", {"model": model, "messages": messages, **more})


def post(server: RunningServer, path: str, body: Json) -> httpx.Response:
    return httpx.post(f"{server.url}{path}", json=body, timeout=120)


def still_answers(server: RunningServer, model: str = TINY) -> None:
    """The process is the same one, it met no defect of its own, and it works."""
    assert server.process.poll() is None
    assert "Traceback" not in "".join(server.lines)
    assert "Traceback" not in (server.home / "logs" / "server.log").read_text("utf-8")
    usage = complete(server, "still there?", model=model, max_tokens=3)["usage"]
    asked = len(tokens_of("still there?"))
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (asked, 3)
    assert usage["total_tokens"] == asked + 3


def refused(response: httpx.Response, status: int, code: str) -> Json:
    """The error object of a /v1 refusal, once it has everything that a refusal must have."""
    assert response.status_code == status, response.text
    error: Json = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["code"] == code
    _a_sentence(error["message"])
    if status in (408, 409, 429) or status >= 500:
        assert ("retry-after" in response.headers) != ("x-should-retry" in response.headers)
    return error


def problem(response: httpx.Response, status: int, code: str) -> Json:
    """The problem document of an /authority refusal."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: Json = response.json()
    return a_problem(document, status, code)


def a_problem(document: Json, status: int, code: str) -> Json:
    assert (document["status"], document["code"]) == (status, code)
    assert document["type"] == f"urn:lmx:error:{code}"
    assert document["title"]
    _a_sentence(document["detail"])
    return document


def command_refused(done: Text, exit_code: int, *words: str) -> None:
    """A command that ended with a sentence on stderr."""
    assert done.returncode == exit_code, (done.returncode, done.stderr)
    assert "Traceback" not in done.stdout + done.stderr
    said = " ".join(done.stderr.split())
    for word in words:
        assert word in said


def recorded(server: RunningServer, code: str, subject: str) -> Json:
    """The newest refusal of that code and subject in the ledger; it must be there."""
    events = server.events(kind="refusal", subject=subject)
    found = [event for event in events if event["body"]["data"]["code"] == code]
    assert found, [(event["subject"], event["body"]["data"]) for event in events]
    return found[0]


def until(condition: Callable[[], object], *, within_s: float = 60) -> None:
    """Ask again and again until it holds, at most so long."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.02)  # between two looks, not instead of one


def stored_weights(server: RunningServer, model: str) -> Path:
    """Where the store keeps the weights of an imported model."""
    with server.authority() as authority:
        files = authority.get(f"/models/{model}").json()["files"]
    sha256: str = next(f["sha256"] for f in files if f["path"] == "model.safetensors")
    return server.home / "store" / "blobs" / "sha256" / sha256[:2] / sha256


def edit(file: Path) -> None:
    """Change the last byte, and hide it as well as one can without changing the clock."""
    before = file.stat()
    file.chmod(0o600)
    with file.open("r+b") as opened:
        opened.seek(-1, 2)
        last = opened.read(1)
        opened.seek(-1, 2)
        opened.write(bytes([last[0] ^ 1]))
    file.chmod(before.st_mode)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


@cache
def _tokenizer() -> Tokenizer:
    with TemporaryDirectory() as directory:
        return Tokenizer.from_file(str(tiny_model(Path(directory)) / "tokenizer.json"))


def tokens_of(text: str) -> list[int]:
    """What the tiny model's tokenizer makes of `text`."""
    ids: list[int] = _tokenizer().encode(text).ids
    return ids


def _a_sentence(text: str) -> None:
    assert len(text) > 15
    # What is to be typed stands at the end without a full stop.
    assert text[-1] in ".!?)" or ": lmx " in text or ": yes, " in text, text
    assert "Traceback" not in text
    assert 'File "' not in text
