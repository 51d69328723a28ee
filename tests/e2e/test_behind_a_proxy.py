"""Behind what docs/proxy.md describes: a reverse proxy that ends TLS, and a tunnel to loopback."""

import re
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.e2e.asking import until
from tests.e2e.server import ROOT, RunningServer, running_server
from tests.fakes.certificates import self_signed
from tests.models import tiny_model

NAME = "lmx.example.org"
TINY = "me/tiny"
PAGE = (ROOT / "docs" / "proxy.md").read_text("utf-8")
NGINX = (ROOT / "services" / "deploy" / "proxy" / "nginx.conf").read_text("utf-8")
NGINX_AT = shutil.which("nginx") or next(iter(map(str, Path("/usr/sbin").glob("nginx"))), None)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("proxied")


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[RunningServer]:
    """As docs/proxy.md says it is set up."""
    settings = {"allowed_hosts": [NAME], "inference_requires_key": True}
    assert all(f"{key}: {str(value).lower()}" in PAGE.replace("'", "") for key, value in
               {"inference_requires_key": True, "allowed_hosts": f"[{NAME}]"}.items())  # fmt: skip
    with running_server(place / "home", **settings) as running:
        running.import_model(tiny_model(place / "tiny", context=8192), TINY)
        yield running


@dataclass(frozen=True)
class Front:
    """What stands before the server, on a port of its own; asked with TLS under any name."""

    port: int
    key: str
    certificate: Path

    def client(self) -> httpx.Client:
        trusted = ssl.create_default_context(cafile=str(self.certificate))
        trusted.check_hostname = False  # some are asked for under a name that is not theirs
        return httpx.Client(
            base_url=f"https://127.0.0.1:{self.port}",
            verify=trusted,
            headers={"Authorization": f"Bearer {self.key}", "Host": NAME},
            timeout=60,
        )


def free_port() -> int:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def as_here(server: RunningServer, place: Path, port: int) -> str:
    """The file that we ship, with this test's ports and certificate, and no account but ours."""
    address = server.url.removeprefix("http://")
    site = NGINX.replace("127.0.0.1:1234", address).replace("443 ssl", f"127.0.0.1:{port} ssl")
    site = re.sub(r"/etc/ssl/lmx.example.org", str(place / "tls"), site)
    kept = [f"{name}_temp_path {place}/{name};" for name in
            ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")]  # fmt: skip
    return (
        f"daemon off; pid {place}/nginx.pid; error_log stderr; worker_processes 1;\n"
        f"events {{}}\nhttp {{ access_log off; {' '.join(kept)}\n{site}\n}}\n"
    )


@pytest.fixture(scope="module")
def nginx(server: RunningServer, place: Path) -> Iterator[Front]:
    if NGINX_AT is None:
        pytest.skip("nginx is not installed")
    self_signed(NAME, certificate=place / "tls.pem", key=place / "tls.key")
    port = free_port()
    (place / "nginx.conf").write_text(as_here(server, place, port), "utf-8")
    command = [NGINX_AT, "-e", "stderr", "-c", str(place / "nginx.conf")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            until(lambda: process.poll() is not None or listens(port))
            assert process.poll() is None, process.stderr and process.stderr.read()
            yield Front(port, server.operator_key, place / "tls.pem")
        finally:
            process.terminate()


def listens(port: int) -> bool:
    with closing(socket.socket()) as asking:
        return asking.connect_ex(("127.0.0.1", port)) == 0


def test_clients_are_served_under_the_allowed_name(nginx: Front) -> None:
    with nginx.client() as client:
        assert client.get("/v1/models").status_code == 200
        assert client.get("/api/v0/models").status_code == 200
        answer = client.get("/v1/models", headers={"Authorization": ""})
        assert answer.status_code == 401


def test_what_is_for_this_machine_stays_on_it(nginx: Front) -> None:
    with nginx.client() as client:
        for path in ("/authority/status", "/advisory/snapshot", "/metrics", "/openapi.json", "/"):
            answer = client.get(path)
            assert answer.status_code == 404, path
            assert "x-request-id" not in answer.headers  # the server was not asked


def test_another_name_is_refused_whatever_is_claimed_beside_it(nginx: Front) -> None:
    claims = {"X-Forwarded-Host": NAME, "Forwarded": f"host={NAME}", "X-Forwarded-For": "::1"}
    with nginx.client() as client:
        answer = client.get("/v1/models", headers={"Host": "evil.example", **claims})
        assert answer.status_code == 421
        assert answer.json()["error"]["code"] == "host_not_allowed"
        assert client.get("/v1/models", headers=dict.fromkeys(claims, "evil")).status_code == 200


def test_a_page_of_the_name_may_ask_through_it_and_a_foreign_one_may_not(nginx: Front) -> None:
    with nginx.client() as client:
        ours = client.get("/v1/models", headers={"Origin": f"https://{NAME}"})
        assert ours.status_code == 200
        foreign = client.get("/v1/models", headers={"Origin": "https://evil.example"})
        assert foreign.status_code == 403


def test_tokens_come_through_while_the_answer_is_being_made(
    nginx: Front, server: RunningServer
) -> None:
    """And a client that goes away ends it behind the proxy too."""
    body = {"model": TINY, "prompt": "LMX", "max_tokens": 7000, "stream": True}
    with nginx.client() as client:
        with client.stream("POST", "/v1/completions", json=body) as answer:
            assert answer.status_code == 200
            lines = answer.iter_lines()  # named: the answer ends with who reads it
            first = next(lines)
            assert '"choices"' in first, first
            until(lambda: server.residency(TINY)["active"] == 1)
        until(lambda: server.residency(TINY)["active"] == 0)


def test_what_the_page_shows_to_look_works(server: RunningServer) -> None:
    shown = re.findall(r"^curl .*$", PAGE, re.MULTILINE)[0].replace(
        "http://127.0.0.1:1234", server.url
    )
    command = f"{shown} -o /dev/null -w '%{{http_code}}'"
    known = f"{command} -H 'Authorization: Bearer {server.operator_key}'"
    for line, status in ((known, "200"), (known.replace(NAME, "evil.example"), "421")):
        done = subprocess.run(
            ["bash", "-c", line], capture_output=True, text=True, check=True, timeout=60
        )
        assert done.stdout == status


def carry(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while piece := one.recv(65_536):
            other.sendall(piece)
    with suppress(OSError):
        other.shutdown(socket.SHUT_WR)


def carry_both(here: socket.socket, to: int) -> None:
    with here, socket.create_connection(("127.0.0.1", to)) as there:
        back = threading.Thread(target=carry, args=(there, here))
        back.start()
        carry(here, there)
        back.join(30)


@contextmanager
def forwarding(to: int) -> Iterator[int]:
    """A listener whose connections are carried to a port of loopback, byte for byte, as ssh -L."""
    carrying: list[threading.Thread] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                here, _ = listener.accept()
                carrying.append(threading.Thread(target=carry_both, args=(here, to)))
                carrying[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepting = threading.Thread(target=accept)
        accepting.start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
    for thread in (accepting, *carrying):
        thread.join(30)


def test_through_a_tunnel_the_address_is_loopbacks_and_nothing_is_allowed_for_it(
    server: RunningServer,
) -> None:
    """What `ssh -L` does to a connection; ssh itself reads what the page shows as meant."""
    shown = re.findall(r"^ssh -N .*$", PAGE, re.MULTILINE)[0]
    assert shown == "ssh -N -L 1234:127.0.0.1:1234 HOST"
    if shutil.which("ssh"):
        words = ["ssh", "-F", "/dev/null", "-G", *shown.split()[1:]]
        read = subprocess.run(words, capture_output=True, text=True, check=True, timeout=30)
        assert "localforward 1234 [127.0.0.1]:1234" in read.stdout
    with forwarding(int(server.url.rpartition(":")[2])) as port:
        key = {"Authorization": f"Bearer {server.operator_key}"}
        answer = httpx.get(f"http://127.0.0.1:{port}/v1/models", headers=key, timeout=30)
        assert answer.status_code == 200
        done = server.lmx("status", LMX_URL=f"http://localhost:{port}")
        assert done.returncode == 0, done.stderr
