"""Nothing that the server or a worker does leaves this machine (promises C01 and C08)."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.asking import TINY, chat
from tests.e2e.server import running_server

STRACE = shutil.which("strace")
FILTERED = ("-f", "--seccomp-bpf")
"""Follow children, and stop at none but the traced calls."""
CALL = re.compile(r"\b(connect|sendto|sendmsg|sendmmsg|bind)\((.*)")
FAMILY = re.compile(r"sa_family=(AF_\w+)")
LOCAL = re.compile(r'inet_addr\("127\.|inet_pton\(AF_INET6, "::1"')


def traceable(tmp_path: Path) -> bool:
    if STRACE is None:
        return False
    probe = [STRACE, *FILTERED, "-o", str(tmp_path / "probe"), "true"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def leaves_the_machine(line: str) -> bool:
    """Whether a traced call names an address other than loopback's."""
    call = CALL.search(line)
    family = FAMILY.search(line) if call else None
    if family is None or family[1] in ("AF_UNIX", "AF_NETLINK", "AF_UNSPEC"):
        return False
    return LOCAL.search(line) is None


INET = "{sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr(%s)}, 16) = 0"
INET6 = "{sa_family=AF_INET6, sin6_port=htons(53), inet_pton(AF_INET6, %s, &sin6_addr)}, 28) = 1"


@pytest.mark.parametrize(
    ("line", "leaves"),
    [
        ("1 connect(3, " + INET % '"93.184.216.34"', True),
        ('1 sendto(3, "x", 1, 0, ' + INET6 % '"2001:db8::1"', True),
        ("1 connect(3, " + INET % '"127.0.0.1"', False),
        ("1 connect(3, " + INET6 % '"::1"', False),
        ('1 connect(3, {sa_family=AF_UNIX, sun_path="/run/nscd"}, 110) = -1', False),
        ('1 sendto(9, "HTTP/1.1 200 OK", 15, 0, NULL, 0) = 15', False),
    ],
)
def test_the_reader_of_traces_tells_far_from_near(line: str, leaves: bool) -> None:
    assert leaves_the_machine(line) is leaves


@pytest.mark.timeout(300)
def test_a_start_an_import_a_load_and_a_chat_connect_to_nothing_but_this_machine(
    tmp_path: Path, tiny_directory: Path
) -> None:
    if not traceable(tmp_path):
        pytest.skip("strace is not installed, or may not trace here")
    trace = tmp_path / "trace"
    calls = "trace=connect,sendto,sendmsg,sendmmsg,bind"
    under = (str(STRACE), *FILTERED, "-qq", "--signal=none", "-e", calls, "-o", str(trace))
    with running_server(tmp_path / "home", under=under) as server:
        server.import_model(tiny_directory, TINY)
        assert chat(server, "hello", max_tokens=3).status_code == 200
        with server.authority() as authority:
            assert authority.get("/status").status_code == 200
        # strace hands on nothing that it is told itself: the server is asked directly.
        for child in server.workers():
            child.terminate()
        server.process.wait(60)
    lines = trace.read_text("utf-8", errors="replace").splitlines()
    assert any("bind(" in line for line in lines), "nothing was traced"
    assert [line for line in lines if leaves_the_machine(line)] == []
