"""The server's entry: everything that can stop a start is checked before the port answers."""

import asyncio
import errno
import gc
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from app.configuration.reading import load_settings
from app.domain.refusals import Refusal, StartRefused
from app.home import hold_home, prepare_home
from app.observability import configure_logging
from app.settings import DEFAULT_PORT, Settings, home_directory

if TYPE_CHECKING:
    from app.wiring import Server

GRACEFUL_SHUTDOWN_S = 10


def serve(home: Path | None = None, port: int | None = None) -> int:
    """Run the server until it is told to stop; returns the process's exit code."""
    place = home or home_directory()
    try:
        prepare_home(place)
        settings = load_settings(place, port=port)
        with hold_home(place), bind(settings) as listener:
            from app.wiring import wire  # all of the server: late, so that a no comes at once

            configure_logging(place / "logs" / "server.log", settings.log_level)
            server = wire(settings, home=place, listening=_url(listener))
            with asyncio.Runner(loop_factory=_loop_factory()) as runner:
                return runner.run(_run(server, listener, settings))
    except Refusal as refusal:
        print(f"lmx: {refusal.message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def bind(settings: Settings) -> socket.socket:
    """Take the port now, so that a taken one is a sentence and not a traceback later."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise StartRefused(_why_not(settings, error)) from None
    return listener


def _why_not(settings: Settings, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {settings.port} is taken, perhaps by LM Studio or another server of this kind. "
            f"Stop that one, or use another port for now: lmx serve --port {settings.port + 1}"
        )
    return f"{settings.host}:{settings.port} cannot be bound: {error.strerror or error}."


async def _run(server: "Server", listener: socket.socket, settings: Settings) -> int:
    config = uvicorn.Config(
        server.app,
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        lifespan="on",
        http=server.protocol,
        ws="none",
        proxy_headers=False,
        timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_S,
        timeout_keep_alive=round(server.idle_s),
    )
    http = _Announcing(config, _banner(server, settings))
    # uvicorn, once it has stopped in good order, sends itself the signal that it was stopped with.
    signal.signal(signal.SIGTERM, lambda *_: None)
    gc.collect()
    gc.freeze()  # what start-up made stays; the collector need not look at it again
    await http.serve(sockets=[listener])
    return 0 if http.started else 1


class _Announcing(uvicorn.Server):
    """Prints the banner once requests are answered, not before."""

    def __init__(self, config: uvicorn.Config, banner: str) -> None:
        super().__init__(config)
        self._banner = banner

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(self._banner, flush=True)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _banner(server: "Server", settings: Settings) -> str:
    url, model = server.listening, server.answering_model
    note = ""
    if settings.port != DEFAULT_PORT:
        note = f"  (not port {DEFAULT_PORT}: recorded as an override of G-DEPLOY-02)"
    key_note = f"  ({server.operator_key.note})" if server.operator_key.note else ""
    question = "What is LMX Authority?"
    message = f'{{"role": "user", "content": "{question}"}}'
    return f"""
LMX Authority {server.version} listens on {url}{note}
Model answering: {model}

Ask it with curl:
  curl -s {url}/v1/chat/completions -H 'Content-Type: application/json' \\
    -d '{{"model": "{model}", "messages": [{message}]}}'

Ask it with the openai client:
  {sys.executable} -c 'from openai import OpenAI; \\
print(OpenAI(base_url="{url}/v1", api_key="none").chat.completions.create(\\
model="{model}", messages=[{message}]).choices[0].message.content)'

Operator key: {server.operator_key.path}{key_note}
Stop with Ctrl-C."""
