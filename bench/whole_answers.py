"""Answers that are not streamed, one after the other on one connection, each timed as a whole."""

import json
import time
from http.client import HTTPConnection

from bench.models import prompts
from bench.servers import Running

MAX_TOKENS = 8


def asked(server: Running, model: str, count: int) -> tuple[list[float], int]:
    """Milliseconds of each of `count` answers, and how many of them were refusals."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=120)
    took, refused = [], 0
    for prompt in prompts(count, first=0):
        message = {"role": "user", "content": prompt}
        body = json.dumps({"model": model, "messages": [message], "max_tokens": MAX_TOKENS})
        began = time.perf_counter()
        connection.request("POST", "/v1/chat/completions", body)
        answer = connection.getresponse()
        answer.read()
        took.append((time.perf_counter() - began) * 1000)
        refused += answer.status != 200
    connection.close()
    return took, refused
