"""The whole server, whose clock runs fast and whose workers are made up: a day of it in minutes.

python -m bench.soak_server HOME PORT SPEED
"""

import asyncio
import sys
import time
from importlib import import_module
from pathlib import Path
from unittest.mock import patch

import uvicorn

from app.authority.lifecycle import idling
from app.domain.engine import LoadSpec
from app.observability import configure_logging
from app.settings import Settings
from app.wiring import wire
from tests.fakes.engine import FakeEngine, FakeEngineHost
from tests.fakes.memory import GIB, FixedMemory

JOBS = (
    "COUNTS_S",
    "USAGE_S",
    "WATCH_S",
    "DEADLINES_S",
    "PURGES_S",
    "DIGESTS_S",
)
"""What `app.wiring.running` does every so many seconds: of the fast clock, here."""

SHORTEST_S = 0.1


class FastClock:
    """`speed` seconds pass in each. Implements `app.authority.ports.Clock`."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._began = time.monotonic()
        self._began_us = time.time_ns() // 1000

    def utc_us(self) -> int:
        return self._began_us + round((self.monotonic() - self._began) * 1e6)

    def monotonic(self) -> float:
        return self._began + (time.monotonic() - self._began) * self._speed


class Host(FakeEngineHost):
    """Does not remember workers that are gone, as the fake does for tests."""

    async def start(self, grant: object, spec: LoadSpec) -> FakeEngine:
        engine = await super().start(grant, spec)
        self.started = [one for one in self.started if not one.exited.done()]
        return engine


def main(home: Path, port: int, speed: float) -> None:
    clock = FastClock(speed)
    running = import_module("app.wiring.running")  # its name is taken by a function of the package
    jobs = {name: max(SHORTEST_S, getattr(running, name) / speed) for name in JOBS}
    idling.SWEEP_S = max(SHORTEST_S, idling.SWEEP_S / speed)
    configure_logging(home / "logs" / "server.log", "warning")
    with (
        patch("app.wiring.opening.SystemClock", lambda: clock),
        patch.multiple(running, **jobs),
    ):
        server = wire(
            Settings.model_validate(
                {
                    "preload": (),
                    "queue_limit": 8,
                    "guardrails": {"tick_s": 5},
                    "limits": {"keys": {"anonymous": {"concurrent": 6}}},
                }
            ),
            home=home,
            listening=f"http://127.0.0.1:{port}",
            host=Host(),
            probe=FixedMemory(clock, total_bytes=64 * GIB, used_bytes=lambda: 0),
        )
    config = uvicorn.Config(
        server.app,
        port=port,
        http=server.protocol,
        ws="none",
        log_config=None,
        access_log=False,
        lifespan="on",
    )
    asyncio.run(uvicorn.Server(config).serve())


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
