"""Clients of every kind at once: each gets its own answer or error, and nothing is left behind."""

import random
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.e2e.asking import TINY, complete, still_answers, until
from tests.e2e.server import RunningServer

MISTAKES = [
    {"model": TINY, "prompt": ""},
    {"model": TINY, "prompt": [65, 10**6]},
    {"model": "nobody/nothing", "prompt": "a"},
    {"model": TINY, "prompt": "x y " * 4000},
]


def good(server: RunningServer, number: int) -> bool:
    usage = complete(server, f"question {number}", max_tokens=20 + number % 30)["usage"]
    return bool(usage["completion_tokens"] == 20 + number % 30)


def mistaken(server: RunningServer, number: int) -> bool:
    body = MISTAKES[number % len(MISTAKES)]
    answer = httpx.post(f"{server.url}/v1/completions", json=body, timeout=120)
    return answer.status_code in (400, 404)


def leaving(server: RunningServer, number: int) -> bool:
    body = {"model": TINY, "prompt": "LMX", "max_tokens": 6000, "stream": True}
    url = f"{server.url}/v1/completions"
    with httpx.stream("POST", url, json=body, timeout=120) as answer:
        for _, _line in zip(range(number % 9), answer.iter_lines(), strict=False):
            pass
        return answer.status_code == 200


def impatient(server: RunningServer, number: int) -> bool:
    body = {"model": TINY, "prompt": "LMX", "max_tokens": 6000}
    with pytest.raises(httpx.TimeoutException):
        httpx.post(f"{server.url}/v1/completions", json=body, timeout=0.01 + number % 5 / 10)
    return True


@pytest.mark.parametrize("asked", [40, pytest.param(1000, marks=pytest.mark.faults)])
@pytest.mark.timeout(900)
def test_many_clients_at_once_each_get_what_is_theirs(tiny: RunningServer, asked: int) -> None:
    order = random.Random(asked)
    kinds = [order.choice([good, mistaken, leaving, impatient]) for _ in range(asked)]
    with ThreadPoolExecutor(12) as pool:
        results = list(pool.map(lambda n: kinds[n](tiny, n), range(asked)))
    assert all(results)
    until(
        lambda: tiny.residency(TINY)["active"] + tiny.residency(TINY)["queued"] == 0, within_s=120
    )
    assert tiny.residency(TINY)["state"] == "ready"
    still_answers(tiny)
