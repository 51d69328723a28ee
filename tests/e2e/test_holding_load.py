"""A server among clients that are silent, slow or always refused goes on for everybody else."""

from pathlib import Path

import psutil
import pytest

from tests.e2e.asking import TINY, still_answers, until
from tests.e2e.crowd import crowd
from tests.e2e.server import running_server

LIMITS = {
    "header_timeout_s": 1,
    "body_timeout_s": 1,
    "read_timeout_s": 2,
    "keys": {"anonymous": {"concurrent": 20}},
}


@pytest.mark.parametrize(
    ("silent", "readers", "refused"),
    [(100, 20, 2), pytest.param(1000, 200, 8, marks=pytest.mark.faults)],
)
@pytest.mark.timeout(300)
def test_silent_slow_and_refused_clients_keep_nobody_out(
    tmp_path: Path, tiny_directory: Path, silent: int, readers: int, refused: int
) -> None:
    with running_server(tmp_path / "home", limits=LIMITS, queue_limit=16) as server:
        server.import_model(tiny_directory, TINY)
        still_answers(server)
        process = psutil.Process(server.pid)
        files = process.num_fds()
        with (
            crowd(server, silent=silent, readers=readers, refused=refused, model=TINY) as there,
            server.authority() as authority,
        ):
            body = {"model": TINY, "prompt": "hello", "max_tokens": 3}
            for _ in range(2):
                answer = authority.post(f"{server.url}/v1/completions", json=body)
                assert answer.status_code == 200, answer.text
                for path in ("/healthz", "/readyz", "/metrics", "/v1/models"):
                    assert authority.get(f"{server.url}{path}").status_code == 200, path
                for path in ("/status", "/ledger/events", "/runs"):
                    assert authority.get(path).status_code == 200, path
            unloaded = authority.post(f"/models/{TINY}/unload")
            assert unloaded.status_code == 200, unloaded.text
            until(lambda: there.ended() == silent, within_s=30)
            assert {400, 401} <= set(there.told) <= {400, 401, 404, 429}, there.told
        until(lambda: process.num_fds() <= files + 8, within_s=30)
        still_answers(server)
        residency = server.residency(TINY)
        assert residency["active"] + residency["queued"] == 0
