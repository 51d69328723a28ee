"""No secret gets into a log: by value, nested, in messages, from libraries and in tracebacks."""

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from app.observability import (
    REDACTED,
    configure_logging,
    printable,
    recorded_path,
    redact,
    redact_text,
    within_request,
)

OURS = "lmx_0badcafe_" + "Zz9_-" * 8 + "abc"
SECRETS = [
    OURS,
    "sk-proj-abcdef0123456789",
    "sk-abcdefgh12345678",
    "hf_abcdefghijklmnop",
    "ghp_abcdefghijklmnop1234",
    "github_pat_11ABCDEFG0123456789abcdef",
    "glpat-abcdefghijklmnop1234",
    "xoxb-123456789012-abcdefghijkl",
    "sk_live_abcdefghijkl1234",
    "AKIAIOSFODNN7EXAMPLE",
    "ASIAIOSFODNN7EXAMPLE",
    "AIzaSyA-abcdefghijklmnopqrstuvwxyz01234",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
]
HARMLESS = {
    "completion_tokens": 128,
    "max_tokens": 256,
    "prompt_tokens": "31",
    "token_ids": [1, 2, 3],
    "tokenizer": "bpe",
    "model": "lmx/starter",
    "key_id": "0badcafe",
    "message": "task-12345678 asks lmx_server about risk-assessment",
    "said": "token: 31, max_tokens=256 completion_tokens=128 token_ids=[1, 2]",
    "token": 12,
    "first_token": 0.25,
    "plan": "sha256:" + "0badcafe" * 8,
    "request_id": "0badcafe" * 4,
    "image": "model:tag@sha256:" + "ab" * 32,
    "revision": "lab/model-4bit@q4_k_m",
    "address": "http://127.0.0.1:1234/v1/models?limit=5",
    "at": "12:30:05",
}

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines(tmp_path: Path) -> Iterator[Lines]:
    path = tmp_path / "logs" / "server.log"
    root = logging.getLogger()
    before = root.handlers[:], root.level
    root.handlers.clear()
    configure_logging(path, "debug")
    yield lambda: [json.loads(line) for line in path.read_text().splitlines()]
    for handler in root.handlers:
        handler.close()
    root.handlers[:], root.level = before
    structlog.reset_defaults()


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_found_wherever_it_stands(secret: str) -> None:
    nested = {
        "a": [{"b": (secret, {"c": f"x {secret} y"})}],
        secret: 1,
        "bytes": secret.encode(),
        "error": ValueError(f"bad {secret}"),
        "set": {secret},
    }
    assert secret not in repr(redact(nested))
    for around in ("{}", "'{}'", "key={}", "({})", '{{"k":"{}"}}', "https://h/p?k={}&x=1"):
        assert secret not in redact_text(around.format(secret))


@pytest.mark.parametrize("header", ["Bearer abc.def-123", "bearer sesame", "Basic dXNlcjpwYXNz"])
def test_what_a_header_carries_is_found_by_its_scheme(header: str) -> None:
    shown = redact_text(f"headers: Authorization: {header}, Accept: */*")
    assert header.split()[1] not in shown
    assert "Accept: */*" in shown


CANARY = "c4n4ry"
BEHIND_A_NAME = [
    "password={}",
    "PASSWORD: {}",
    "db_password='{}'",
    "api_key={}&limit=5",
    "?token={}#top",
    "hf_token = {}",
    "client_secret={}",
    "AWS_SECRET_ACCESS_KEY={}",
    "x-api-key: {}",
    "Authorization: Token {}",
    "Authorization: {}",
    "Cookie: a=1; session={}; b=2",
    "password%3D{}",
    '{{"password": "{}", "n": 1}}',
    '{{"Api-Key":"two words {}"}}',
    '{{"password": "never closed {}',
    '{{\\"secret\\": \\"{}\\"}}',
    "{{'passphrase': 'x \\' {}'}}",
    "[(b'authorization', b'{}'), (b'accept', b'*/*')]",
    "api_keys: ['{}', '{}']",
    "https://grace:{}@example.org/x",
    "https://{}@example.org/x",
    "postgres://u:{}@[::1]/db",
    "curl -u grace:{} grace:{}@example.org".replace("grace:{} ", ""),
    "-----BEGIN PRIVATE KEY-----\nMIIE{}\n-----END PRIVATE KEY-----",
    "-----BEGIN EC PRIVATE KEY----- {} and it never ends",
    "Proxy-Authorization: Negotiate {}",
]


@pytest.mark.parametrize("text", BEHIND_A_NAME)
def test_a_secret_without_a_shape_is_found_by_what_stands_before_it(text: str) -> None:
    said = text.replace("{{", "{").replace("}}", "}").replace("{}", CANARY)
    assert CANARY in said
    assert CANARY not in redact_text(said)


@pytest.mark.parametrize(
    "said",
    [
        "Send your key as a bearer token. Bearer with your key.",
        "It uses basic authentication.",
        "a bearer token",
        "Basic, negotiate and bearer are schemes.",
        "what a bearer of bad news says",
    ],
)
def test_a_sentence_about_keys_stays_one(said: str) -> None:
    assert redact_text(said) == said


@pytest.mark.parametrize(
    "said",
    [
        "Bearer {}", "Bearer {} and more", "b'Bearer {}'", "Basic {} realm=x", "Bearer {}.",
        "bearer {}, accept: x", "Bearer   {} and", "Bearer\u00a0{}".replace("\u00a0", " "),
    ],
)  # fmt: skip
@pytest.mark.parametrize("secret", [CANARY, "Sesame", "opensesameopensesame", "open-sesame"])
def test_what_no_sentence_has_behind_a_scheme_is_a_secret(said: str, secret: str) -> None:
    assert secret not in redact_text(said.format(secret))
    assert "sesame" not in redact_text("b'Bearer sesame', Basic sesame")


def test_what_is_around_a_secret_stays() -> None:
    assert redact_text(f"GET /v1/x?api_key={CANARY}&limit=5") == (
        f"GET /v1/x?api_key={REDACTED}&limit=5"
    )
    assert redact_text(f"https://u:{CANARY}@h/p") == f"https://{REDACTED}@h/p"
    assert redact_text(f"password={CANARY} then 12 tokens") == f"password={REDACTED} then 12 tokens"


@pytest.mark.parametrize(
    "part",
    ["password", 'password="', "\\", "://", "a:", "-----BEGIN ", "eyJaaaaaaa", "api-", "secret=[",
     "bearer ", " ", '"', "a.b-c+", "token=1", "'"],
)  # fmt: skip
def test_no_text_makes_it_slow(part: str) -> None:
    """What is not linear takes hours for these, and never comes here."""
    hostile = part * (120_000 // len(part))
    assert len(redact_text(hostile)) <= len(hostile) + 120_000


def test_a_name_and_its_value_may_come_as_a_pair() -> None:
    headers = [(b"Authorization", CANARY.encode()), ("x-api-key", CANARY), ("accept", "*/*")]
    shown = redact({"headers": headers})
    assert CANARY not in repr(shown)
    assert shown["headers"][2] == ["accept", "*/*"]


@pytest.mark.parametrize(
    "field",
    [
        "authorization",
        "Authorization",
        "x-api-key",
        "PASSWORD",
        "secret",
        "hub_token",
        "Set-Cookie",
        "db-password",
        "aws_secret_access_key",
        "token",
    ],
)
def test_a_field_that_holds_a_secret_is_hidden_whatever_its_value(field: str) -> None:
    assert redact({"headers": {field: "plain words"}}) == {"headers": {field: REDACTED}}


def test_numbers_of_tokens_and_ordinary_words_are_left_alone() -> None:
    assert redact(HARMLESS) == HARMLESS


def test_redaction_does_not_change_what_it_is_given() -> None:
    given_ = {"a": [OURS]}
    redact(given_)
    assert given_ == {"a": [OURS]}


def test_a_structure_without_end_has_one() -> None:
    endless: list[Any] = []
    endless.append(endless)
    assert REDACTED in repr(redact(endless))


@given(st.text())
def test_printable_text_is_one_line_without_tricks(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable() or any(char in shown for char in "\u00a0\u3000 ") or not shown
    assert len(shown.splitlines()) <= 1
    assert all(ord(char) >= 0x20 for char in shown)


def test_every_way_into_the_log_is_redacted(lines: Lines) -> None:
    log = structlog.get_logger("app.test")
    asked = f"asked with {OURS}"
    log.info(asked, headers={"Authorization": f"Bearer {OURS}"}, **HARMLESS_FIELDS)
    log.bind(api_key="plain").warning("bound", nested=[{"deep": OURS}])
    logging.getLogger("library").warning("said %s and %r", OURS, {"k": OURS})
    logging.getLogger("library").info("extra", extra={"session": {"cookie": "c00kie", "k": OURS}})
    try:
        raise RuntimeError(f"failed with {OURS}")
    except RuntimeError:
        log.exception("broke")
        logging.getLogger("library").exception("broke too")
    found = lines()
    text = json.dumps(found)
    assert len(found) == 6
    assert OURS not in text
    assert OURS[13:] not in text
    assert "plain" not in text
    assert "c00kie" not in text
    assert found[0]["completion_tokens"] == 128
    assert found[0]["max_tokens"] == 256
    assert "RuntimeError" in found[4]["exception"]
    assert "RuntimeError" in found[5]["exception"]


HARMLESS_FIELDS = {"completion_tokens": 128, "max_tokens": 256}


def test_an_access_log_names_the_path_and_not_the_query(lines: Lines) -> None:
    logging.getLogger("uvicorn.access").info(
        '%s - "%s %s HTTP/%s" %d', "127.0.0.1:1", "GET", "/v1/models?api_key=opensesame", "1.1", 200
    )
    (line,) = lines()
    assert line["event"] == '127.0.0.1:1 - "GET /v1/models HTTP/1.1" 200'


def test_a_text_without_end_is_cut_where_no_half_secret_is_left(lines: Lines) -> None:
    structlog.get_logger("app").info("long", said=("x " * 16_380) + OURS + " y" * 100_000)
    (line,) = lines()
    assert len(line["said"]) < 40_000
    assert "more characters" in line["said"]
    assert OURS[:20] not in line["said"]


async def test_a_line_names_the_request_until_that_is_over(lines: Lines) -> None:
    log, library = structlog.get_logger("app"), logging.getLogger("library")
    over = asyncio.Event()

    async def outlives() -> None:
        log.info("during")
        await over.wait()
        log.info("after")

    with within_request("r1"):
        task = asyncio.create_task(outlives())
        await asyncio.to_thread(library.info, "on a thread")
        log.info("its own", request_id="r2")
    over.set()
    await task
    ours = [line for line in lines() if line["logger"] != "asyncio"]
    assert {line["event"]: line.get("request_id") for line in ours} == {
        "during": "r1", "on a thread": "r1", "its own": "r2", "after": None
    }  # fmt: skip


def test_a_line_cannot_be_forged_from_within(lines: Lines) -> None:
    structlog.get_logger("app").info('one\n{"event": "two"}', user="a\nb\u2028c")
    assert len(lines()) == 1


def test_a_line_says_when_where_and_how_grave(lines: Lines) -> None:
    structlog.get_logger("app.test").info("something_happened", model="lmx/starter")
    (line,) = lines()
    assert line["event"] == "something_happened"
    assert line["level"] == "info"
    assert line["logger"] == "app.test"
    assert line["timestamp"].endswith("Z")
    assert line["model"] == "lmx/starter"


def test_a_path_that_is_recorded_for_good_does_not_name_the_account(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", "/home/grace")
    assert recorded_path(Path("/home/grace/.lmx/ledger/events.jsonl")) == (
        "~/.lmx/ledger/events.jsonl"
    )
    assert recorded_path(Path("/home/graceful/x")) == "/home/graceful/x"
    assert recorded_path(Path("/mnt/audit")) == "/mnt/audit"
    assert recorded_path(Path("/mnt/\udcff")) == "/mnt/\\udcff"
