"""Connections whose client is slow, says too much, or never says anything."""

import asyncio
from dataclasses import replace

import pytest

from tests.fakes.connections import GET, PATIENCE, POST, At, serving, settled


@pytest.fixture
async def at() -> At:
    return serving(lambda: PATIENCE)


async def test_who_says_nothing_is_let_go_without_a_word(at: At) -> None:
    _, transport = at.connect()
    at.after(16)
    assert transport.closed
    assert transport.sent == b""


@pytest.mark.parametrize(
    "sent", [b"G", b"GET / HTTP/1.1\r\nhost:", POST, POST + b"12345", b"\r\n\r\nGET"]
)
async def test_half_a_request_is_answered_408_and_not_waited_for(at: At, sent: bytes) -> None:
    connection, transport = at.connect()
    connection.data_received(sent)
    await settled()
    at.after(31)
    await settled()
    assert transport.sent.startswith(b"HTTP/1.1 408 ")
    assert b'"code": "request_timeout"' in transport.sent
    assert b"x-request-id: " in transport.sent
    assert transport.ended
    assert at.paths == []


async def test_after_the_last_word_nothing_is_heard_and_the_connection_ends(at: At) -> None:
    connection, transport = at.connect()
    connection.data_received(b"GET")
    at.after(15)
    connection.data_received(b" / HTTP/1.1\r\n\r\n")
    await settled()
    assert at.paths == []
    assert not transport.aborted
    at.after(4)
    assert transport.aborted


async def test_who_waits_for_an_answer_is_never_too_slow(at: At) -> None:
    at.gate.clear()
    connection, transport = at.connect()
    connection.data_received(POST + b"1234567890")
    await settled()
    at.after(1000)
    at.gate.set()
    await settled()
    assert transport.sent.startswith(b"HTTP/1.1 200 ")
    assert not transport.is_closing()


async def test_an_answer_that_nobody_reads_is_thrown_away(at: At) -> None:
    connection, transport = at.connect()
    connection.data_received(GET)
    await settled()
    transport.unread = 50_000
    at.after(119)
    transport.unread = 49_000
    at.after(119)
    assert not transport.aborted
    at.after(122)
    assert transport.aborted


async def test_a_kept_connection_is_held_for_its_time_and_blank_lines_do_not_lengthen_it(
    at: At,
) -> None:
    connection, transport = at.connect()
    connection.data_received(GET)
    await settled()
    at.after(100)
    connection.data_received(b"\r\n")
    assert not transport.closed
    at.after(122)
    assert transport.closed


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /" + b"a" * (17 << 10) + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 129 + b"\r\n",
        b"GET / HTTP/1.1\r\na: " + b"b" * (65 << 10) + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\na: " + b"b" * (65 << 10),
    ],
)
async def test_a_head_that_is_too_large_is_told_so(at: At, sent: bytes) -> None:
    connection, transport = at.connect()
    for begin in range(0, len(sent), 4096):
        connection.data_received(sent[begin : begin + 4096])
    await settled()
    assert transport.sent.startswith(b"HTTP/1.1 431 ")
    assert b'"code": "head_too_large"' in transport.sent
    assert at.paths == []


async def test_what_is_no_http_is_told_so(at: At) -> None:
    connection, transport = at.connect()
    connection.data_received(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    assert transport.sent.startswith(b"HTTP/1.1 400 ")
    assert b'"code": "invalid_request"' in transport.sent


async def test_what_follows_a_body_in_chunks_is_no_header(at: At) -> None:
    connection, transport = at.connect()
    connection.data_received(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n")
    connection.data_received(b"0\r\nauthorization: Bearer stolen\r\n\r\n")
    await settled()
    assert transport.sent.startswith(b"HTTP/1.1 200 ")
    assert [name for name, _ in connection.scope["headers"]] == [b"transfer-encoding"]


async def test_requests_sent_at_once_are_answered_in_order_and_are_bounded(at: At) -> None:
    connection, transport = at.connect()
    connection.data_received(GET * 10)
    for _ in range(20):
        await settled()
    assert transport.sent.count(b"HTTP/1.1 200 ") == 10
    at.gate.clear()
    connection.data_received(GET * 40)
    at.gate.set()
    for _ in range(20):
        await settled()
    assert transport.sent.count(b"HTTP/1.1 200 ") == 11
    assert transport.closed


async def test_a_client_that_left_is_noticed_by_the_request_that_runs_and_not_by_a_later_one(
    at: At,
) -> None:
    connection, _ = at.connect()
    connection.data_received(POST + GET.join([b"1234567890", b""]))
    running = connection._running
    assert running is not None
    connection.connection_lost(None)
    assert running.disconnected
    assert not connection.pipeline
    await settled()
    assert at.gone == ["/"]


async def test_a_body_that_is_sent_on_after_its_refusal_is_not_read_for_ever(at: At) -> None:
    connection, transport = at.connect()
    connection.data_received(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n")
    await connection.cycle.send({"type": "http.response.start", "status": 413, "headers": []})
    await connection.cycle.send({"type": "http.response.body", "body": b""})
    connection.data_received(b"1\r\na\r\n")
    at.after(3)
    assert transport.aborted


async def test_where_there_is_no_room_those_who_ask_nothing_make_it(
    at: At, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = [at.connect()[1] for _ in range(20)]
    loop = asyncio.get_running_loop()
    later = loop.time() + 5
    monkeypatch.setattr(loop, "time", lambda: later, raising=False)
    connection, transport = at.connect()
    assert sum(one.aborted for one in first) == 1
    connection.data_received(GET)
    await settled()
    assert transport.sent.startswith(b"HTTP/1.1 200 ")


async def test_where_all_wait_for_answers_only_operators_are_let_in(at: At) -> None:
    at.gate.clear()
    busy = [at.connect() for _ in range(20)]
    for connection, _ in busy:
        connection.data_received(GET)
    await settled()
    client, refused = at.connect()
    client.data_received(b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 0\r\n\r\n")
    operator, told = at.connect()
    at.gate.set()
    operator.data_received(b"GET /authority/status HTTP/1.1\r\n\r\n")
    await settled()
    assert refused.sent.startswith(b"HTTP/1.1 429 ")
    assert b"retry-after: 1" in refused.sent
    assert refused.closed
    assert told.sent.startswith(b"HTTP/1.1 200 ")


async def test_past_the_reserve_nobody_is_let_in(at: At) -> None:
    transports = [at.connect()[1] for _ in range(90)]
    assert [one.aborted for one in transports] == [False] * 84 + [True] * 6


async def test_a_change_of_the_settings_holds_for_who_is_there_already() -> None:
    now = [PATIENCE]
    server = serving(lambda: now[0])
    _, transport = server.connect()
    now[0] = replace(PATIENCE, header_s=2)
    server.after(3)
    assert transport.closed


@pytest.mark.parametrize(
    ("sent", "method", "status", "code"),
    [
        (b"GET", "other", 408, "request_timeout"),
        (POST + b"1234", "POST", 408, "request_timeout"),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 130, "other", 431, "head_too_large"),
        (b"\x16\x03\x01", "other", 400, "invalid_request"),
    ],
)
async def test_what_the_protocol_refuses_is_counted_once_and_logged(
    caplog: pytest.LogCaptureFixture, sent: bytes, method: str, status: int, code: str
) -> None:
    server = serving(lambda: PATIENCE, edged=True)
    connection, transport = server.connect()
    with caplog.at_level("INFO"):
        connection.data_received(sent)
        await settled()
        server.after(31)
        await settled()
    shown = server.metrics.render().decode()
    assert f'lmx_refusals_total{{code="{code}"}} 1.0' in shown
    counted = [line for line in shown.splitlines() if line.startswith("lmx_requests_total{")]
    told = f'method="{method}",route="unmatched",status="{status}"'
    assert counted == [f"lmx_requests_total{{{told}}} 1.0"]
    assert 'lmx_requests_in_progress{surface="other"} 0.0' in shown
    said = [one for one in caplog.records if one.message == "request"]
    assert [(one.status, one.code) for one in said] == [(status, code)]  # type: ignore[attr-defined]
    assert transport.sent.count(b"x-request-id: ") == 1
