"""Who has the server's port: free, this server, or another program."""

import socket
from typing import Final
from urllib.parse import urlsplit

from app.cli.looking.checks import Check, stands, wrong

_PATIENCE_S: Final = 1.0


def judge(url: str, *, taken: bool, ours: bool) -> Check:
    """`taken`: something accepts connections there; `ours`: it speaks as an lmx server does."""
    port = urlsplit(url).port or 80
    if ours:
        return stands("port", f"{port}: this server has it")
    if not taken:
        return stands("port", f"{port}: free")
    return wrong(
        "port",
        f"Another program listens on {port}, and it does not speak as an lmx server does.",
        "LM Studio uses 1234 too: stop its server, or find the program "
        f"(lsof -nP -iTCP:{port} -sTCP:LISTEN). Bots rely on 1234.",
    )


def is_taken(url: str) -> bool:
    """Whether something accepts a connection there. Nothing is sent."""
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 80), _PATIENCE_S):
            return True
    except OSError:
        return False
