"""Requests that would mean one thing to a proxy and another to this server."""

import pytest

from tests.fakes.connections import GET, PATIENCE, POST, At, serving, settled


@pytest.fixture
async def at() -> At:
    return serving(lambda: PATIENCE)


@pytest.mark.parametrize("cut", [0, 30, 97, 105])
async def test_a_wish_to_upgrade_is_not_heard_and_its_body_is_no_request(at: At, cut: int) -> None:
    connection, transport = at.connect()
    upgrade = b"Connection: Upgrade\r\nUpgrade: h2c\r\n"
    sent = POST[:-2] + upgrade + b"\r\nGET / HTTP" + GET[:-2] + upgrade + b"\r\n" + GET
    connection.data_received(sent[:cut] or sent)
    connection.data_received(sent[cut:] if cut else b"")
    for _ in range(5):
        await settled()
    assert transport.sent.count(b"HTTP/1.1 ") == transport.sent.count(b"HTTP/1.1 200 ") == 3


@pytest.mark.parametrize(
    "line",
    [
        b"GET http://b/ HTTP/1.1",
        b"GET https://a/ HTTP/1.1",
        b"GET http://a.b/ HTTP/1.1",
        b"CONNECT a:80 HTTP/1.1",
        b"CONNECT a HTTP/1.1",
    ],
)
async def test_no_other_server_is_asked_through_this_one(at: At, line: bytes) -> None:
    connection, transport = at.connect()
    connection.data_received(line + b"\r\nhost: a\r\n\r\n")
    await settled()
    assert transport.sent.startswith(b"HTTP/1.1 400 ")
    assert at.paths == []


@pytest.mark.parametrize(
    "rest",
    [
        b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"content-length: 5\r\ncontent-length: 5\r\n\r\n12345",
        b"content-length: 5, 5\r\n\r\n12345",
        b"transfer-encoding: chunked, x\r\n\r\n0\r\n\r\n",
        b"transfer-encoding : chunked\r\n\r\n0\r\n\r\n",
        b"transfer-encoding: chunked\r\n\r\n1\n1\n0\n\n",
        b"transfer-encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n",
        b"a: b\r\n c\r\n\r\n",
        b"a: b\nc: d\r\n\r\n",
    ],
)
async def test_what_two_servers_could_read_in_two_ways_is_refused(at: At, rest: bytes) -> None:
    connection, transport = at.connect()
    connection.data_received(b"POST / HTTP/1.1\r\nhost: a\r\n" + rest + GET)
    await settled()
    assert transport.sent.count(b"HTTP/1.1 ") == 1
    assert b"HTTP/1.1 400 " in transport.sent
    assert at.paths == []
