"""SIGHUP: at a terminal the end in good order, else a reload by whose key is in operator.key."""

import asyncio
import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch

from app.domain.actors import Actor
from app.domain.refusals import KeyInvalid
from app.wiring.configuring import when_hung_up
from app.wiring.opening import Authority

STDIN = "app.wiring.configuring.sys.stdin"


class _Asked:
    def __init__(self) -> None:
        self.reloads: list[Actor] = []

    async def reload(self, actor: Actor, request_id: str | None) -> dict[str, Any]:
        assert request_id is None
        self.reloads.append(actor)
        return {"changed": [], "waiting": [], "event": None}


def _unknown(secret: str) -> Actor:
    raise KeyInvalid(f"{len(secret)} letters")


def _authority(key: Path) -> Authority:
    parts = SimpleNamespace(
        operator_key=SimpleNamespace(path=key),
        keys=SimpleNamespace(identify_strict=_unknown),
        refusals=None,
    )
    return cast("Authority", parts)


async def test_at_a_terminal_the_server_ends_in_good_order(tmp_path: Path) -> None:
    asked, told = _Asked(), []
    terminal = SimpleNamespace(isatty=lambda: True)
    with patch(STDIN, terminal), patch.object(os, "kill", lambda *to: told.append(to)):
        when_hung_up(_authority(tmp_path / "operator.key"), asked.reload)()
    assert told == [(os.getpid(), signal.SIGTERM)]
    assert asked.reloads == []


async def test_a_key_that_is_not_known_or_not_there_reloads_nothing(tmp_path: Path) -> None:
    asked, key = _Asked(), tmp_path / "operator.key"
    with patch(STDIN, None):
        hung_up = when_hung_up(_authority(key), asked.reload)
        hung_up()
        key.write_text("lmx_x", "utf-8")
        hung_up()
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})
    assert asked.reloads == []
