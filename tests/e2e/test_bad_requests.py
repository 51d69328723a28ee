"""Whatever is sent, the answer is an error in words and the next request is answered."""

import json
from typing import Any

import httpx
import pytest

from tests.e2e.asking import TINY, chat, post, problem, recorded, refused
from tests.e2e.server import RunningServer

COMPLETIONS = "/v1/completions"
CHAT = "/v1/chat/completions"
JSON = {"content-type": "application/json"}
DEEP = b'{"model": "tests/tiny", "prompt": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"


def send(server: RunningServer, body: bytes, path: str = CHAT) -> httpx.Response:
    return httpx.post(f"{server.url}{path}", content=body, headers=JSON, timeout=60)


@pytest.mark.parametrize("path", [COMPLETIONS, CHAT])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"model": "tests/tiny", "prompt": "a"',
        b'"a string"',
        b"[]",
        b"null",
        b"NaN",
        b'{"model": "tests/tiny", "prompt": "\xff\xfe"}',
        b"\x00\x01\x02",
        DEEP,
        b'{"a":' * 100_000,
    ],
    ids=["empty", "open", "cut", "string", "list", "null", "nan", "not utf-8", "binary", "deep",
         "deep and open"],
)  # fmt: skip
def test_a_body_that_is_no_request_is_a_400(tiny: RunningServer, path: str, body: bytes) -> None:
    refused(send(tiny, body, path), 400, "invalid_request")


def test_an_enormous_body_is_a_413_before_it_is_read(tiny: RunningServer) -> None:
    enormous = b'{"model": "tests/tiny", "prompt": "' + b"a" * (50 << 20) + b'"}'
    refused(send(tiny, enormous), 413, "request_too_large")


def test_an_enormous_body_of_unsaid_length_is_cut_off(tiny: RunningServer) -> None:
    def pieces() -> Any:
        yield b'{"model": "tests/tiny", "prompt": "'
        for _ in range(50):
            yield b"a" * (1 << 20)

    try:
        response = httpx.post(f"{tiny.url}{CHAT}", content=pieces(), headers=JSON, timeout=60)
    except (httpx.WriteError, httpx.ReadError):
        return  # it hung up while we still wrote, which is its right
    refused(response, 413, "request_too_large")


@pytest.mark.parametrize("prompt", ["", [], [""], [[]], ["a", ""], None])
def test_an_empty_prompt_is_a_400(tiny: RunningServer, prompt: Any) -> None:
    error = refused(
        post(tiny, COMPLETIONS, {"model": TINY, "prompt": prompt}), 400, "invalid_request"
    )
    assert error["param"].startswith("prompt")


@pytest.mark.parametrize("messages", [[], None, [{}], [{"role": "user"}], "hello"])
def test_a_chat_without_anything_said_is_a_400(tiny: RunningServer, messages: Any) -> None:
    error = refused(post(tiny, CHAT, {"model": TINY, "messages": messages}), 400, "invalid_request")
    assert error["param"].startswith("messages")


@pytest.mark.parametrize("token", [320, 2**31 - 1, -1, 2**31, 2**70])
def test_a_token_outside_the_vocabulary_is_a_400(tiny: RunningServer, token: int) -> None:
    response = post(tiny, COMPLETIONS, {"model": TINY, "prompt": [65, token]})
    code = "invalid_prompt" if 0 <= token < 2**31 else "invalid_request"
    assert refused(response, 400, code)["param"] == "prompt"


@pytest.mark.parametrize("prompt", [[1.5], [True], [[65], True], {"text": "a"}, [None], 7])
def test_a_prompt_of_another_shape_is_a_400(tiny: RunningServer, prompt: Any) -> None:
    refused(post(tiny, COMPLETIONS, {"model": TINY, "prompt": prompt}), 400, "invalid_request")


def test_text_that_is_no_unicode_is_a_400(tiny: RunningServer) -> None:
    lone_surrogate = json.dumps({"model": TINY, "prompt": "a\ud800b"}).encode()
    response = send(tiny, lone_surrogate, COMPLETIONS)
    assert response.status_code == 400
    refused(response, 400, response.json()["error"]["code"])


@pytest.mark.parametrize("model", ["nobody/nothing", "tiny", "../../etc/passwd", "a" * 500])
def test_an_unknown_model_is_a_404_on_record(tiny: RunningServer, model: str) -> None:
    error = refused(chat(tiny, "hello", model=model), 404, "model_not_found")
    assert error["param"] == "model"
    recorded(tiny, "model_not_found", model[:200])


def test_a_prompt_longer_than_the_context_is_a_400_that_names_both(tiny: RunningServer) -> None:
    response = post(tiny, COMPLETIONS, {"model": TINY, "prompt": "x y " * 4000})
    message = refused(response, 400, "context_length_exceeded")["message"]
    assert "8192" in message
    assert "16000" in message
    tokens = post(tiny, COMPLETIONS, {"model": TINY, "prompt": [65] * 8192})
    refused(tokens, 400, "context_length_exceeded")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", 2.5),
        ("temperature", "hot"),
        ("top_p", -0.1),
        ("n", 0),
        ("n", 10**6),
        ("max_tokens", 0),
        ("seed", 2**64),
        ("stop", ["a"] * 5),
        ("stop", ""),
        ("stream", "yes"),
        ("stream_options", {"include_usage": True}),
    ],
)
def test_a_value_out_of_range_is_a_400_that_names_its_field(
    tiny: RunningServer, field: str, value: Any
) -> None:
    response = post(tiny, COMPLETIONS, {"model": TINY, "prompt": "a", field: value})
    assert refused(response, 400, "invalid_request")["param"] == field


def test_nulls_and_unknown_fields_are_taken(tiny: RunningServer) -> None:
    nulls = dict.fromkeys(
        ("stream", "stream_options", "n", "stop", "seed", "temperature", "top_p", "max_tokens")
    )
    response = post(tiny, COMPLETIONS, {"model": TINY, "prompt": "a", "x_mine": 1, **nulls})
    assert response.status_code == 200, response.text


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "unknown_url"),
        ("GET", "/v2/models", 404, "unknown_url"),
        ("GET", CHAT, 405, "method_not_allowed"),
        ("DELETE", "/v1/models/tests/tiny", 405, "method_not_allowed"),
        ("GET", "/v1/models/nobody/nothing", 404, "model_not_found"),
    ],
)
def test_an_unknown_route_or_method_is_an_error_of_the_same_shape(
    tiny: RunningServer, method: str, path: str, status: int, code: str
) -> None:
    refused(httpx.request(method, f"{tiny.url}{path}", timeout=60), status, code)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/models/fit", {"model": TINY, "context": 10**30}),
        ("/models/fit", {"model": TINY, "path": "/nowhere"}),
        ("/models/fit", {"path": "relative/path"}),
        ("/models/fit", {"path": "/" + "a" * 5000}),
        (f"/models/{TINY}/load", {"context": 0}),
        (f"/models/{TINY}/load", {"force": True}),
        ("/keys", {"name": "\x1b[2J", "roles": ["client"], "confirmation": "x"}),
        ("/keys", {"name": "nobody", "roles": [], "confirmation": "x"}),
        ("/keys", {"name": "nobody", "roles": ["emperor"], "confirmation": "x"}),
    ],
)
def test_a_malformed_act_is_a_problem_document(
    tiny: RunningServer, path: str, body: dict[str, Any]
) -> None:
    with tiny.authority() as authority:
        problem(authority.post(path, json=body), 400, "invalid_request")


def test_numbers_that_no_event_has_are_a_400(tiny: RunningServer) -> None:
    with tiny.authority() as authority:
        for seq in ("-1", "9" * 30, "one"):
            problem(authority.get(f"/ledger/events/{seq}"), 400, "invalid_request")
        problem(authority.get("/ledger/events/999999999"), 404, "event_not_found")


def test_a_foreign_host_and_a_foreign_origin_are_refused(tiny: RunningServer) -> None:
    url = f"{tiny.url}/v1/models"
    rebound = httpx.get(url, headers={"host": "evil.example"}, timeout=60)
    refused(rebound, 421, "host_not_allowed")
    foreign = httpx.get(url, headers={"origin": "https://evil.example"}, timeout=60)
    refused(foreign, 403, "origin_not_allowed")
    assert "access-control-allow-origin" not in foreign.headers
