"""The server's entry: everything that can stop a start is checked before the port answers."""

import asyncio
import errno
import gc
import math
import os
import resource
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import structlog
import uvicorn

from app.configuration.reading import load_settings
from app.domain.refusals import Refusal, StartRefused
from app.home import Finding, hold_home, prepare_home
from app.observability import configure_logging
from app.settings import DEFAULT_PORT, Settings, home_directory, supervisor_address
from app.starts import WINDOW_S, Starts

if TYPE_CHECKING:
    from app.authority.keys.recovering import Recovered
    from app.wiring import Server

log = structlog.get_logger(__name__)

AFTER_DRAIN_S = 15
"""How much longer than the drain connections are waited for: workers stop, answers are written."""


def serve(home: Path | None = None, port: int | None = None) -> int:
    """Run the server until it is told to stop; returns the process's exit code."""
    place = home or home_directory()
    starts = Starts(place)
    signal.signal(signal.SIGTERM, _interrupted)  # while it starts it ends as with Ctrl-C
    try:
        warnings = prepare_home(place)
        with hold_home(place):
            _end_restore(place)
            settings = load_settings(place, port=port)
            with bind(settings) as listener:
                raise_open_files()
                code = _serve(place, settings, listener, starts, warnings)
    except Refusal as refusal:
        print(f"lmx: {refusal.message}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return code


def recover(home: Path | None = None) -> "Recovered":
    """Make a new operator's key for a lost one; `lmx keys recover` asked a person before.

    Raises StartRefused: where a server runs, where the state is not this account's, or not there.
    """
    place = home or home_directory()
    if not (place / "lmx.db").is_file():
        raise StartRefused(f"{place} holds no state of LMX. Say which one with LMX_HOME.")
    prepare_home(place)
    with hold_home(place):
        from app.backups.mark import MARK
        from app.backups.restoring import is_under_way

        if is_under_way(place) or (place / MARK).exists():
            raise StartRefused(
                "A backup was restored here, and that is not on record yet. Start the server once, "
                "which records it and needs no key, stop it, then recover the key."
            )
        settings = load_settings(place)
        from app.wiring.recovering import recover as make

        return make(settings, home=place)


def _end_restore(home: Path) -> None:
    """Bring a restore to its end that was cut off; it replaces the settings too.

    Read before, they would be the old state's, or the template's where the old ones were moved.
    """
    from app.backups.restoring import finish

    if finish(home):
        print("lmx: The restore that was cut off was brought to its end.", file=sys.stderr)


def _serve(
    home: Path,
    settings: Settings,
    listener: socket.socket,
    starts: Starts,
    warnings: Sequence[Finding],
) -> int:
    """Serve from a state directory that is held. What ends otherwise than told to is a crash."""
    start = starts.begin()
    try:
        gc.disable()  # nothing that a start makes is garbage; it is frozen before it is served
        from app.wiring import wire  # all of the server: late, so that a no comes at once

        configure_logging(home / "logs" / "server.log", settings.log_level)
        for finding in warnings:
            log.warning("state_directory", why=finding.why, do=finding.do)
            print(f"lmx: warning: {finding.why} {finding.do}", file=sys.stderr)
        if start.unknown:
            log.warning("starts_not_known", why=start.unknown)
        if start.safe_mode:
            log.error("safe_mode", why=start.safe_mode)
        server = wire(settings, home=home, listening=_url(listener), safe_mode=start.safe_mode)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            code = runner.run(_run(server, listener, settings, starts))
    except (Refusal, KeyboardInterrupt):
        starts.ended_well()
        raise
    if code == 0:
        starts.ended_well()
    return code


def _interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def raise_open_files() -> int:
    """Let this process open as many files as it ever may; returns how many.

    The usual soft limit (macOS: 256) is less than the connections that six bots keep open.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (hard, 65_536, 10_240):  # macOS has a lower limit of its own than it says
        try:
            if wanted != soft and (soft < wanted or wanted == resource.RLIM_INFINITY):
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            break
        except (ValueError, OSError):
            continue
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


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


async def _run(
    server: "Server", listener: socket.socket, settings: Settings, starts: Starts
) -> int:
    from app.routers.patience import IDLE_S

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
        timeout_graceful_shutdown=math.ceil(settings.drain_timeout_s) + AFTER_DRAIN_S,
        timeout_keep_alive=round(IDLE_S),
    )
    http = _Announcing(config, _banner(server, settings), starts, server.end_answers)
    loop = asyncio.get_running_loop()
    loop.call_later(WINDOW_S, lambda: loop.run_in_executor(None, starts.ended_well))
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as under nohup
        loop.add_signal_handler(signal.SIGHUP, server.hung_up)
    # uvicorn, once it has stopped in good order, sends itself the signal that it was stopped with.
    signal.signal(signal.SIGTERM, lambda *_: None)
    gc.freeze()  # what start-up made stays, and to look for the little that does not takes 0.15 s
    gc.enable()
    await http.serve(sockets=[listener])
    return 0 if http.started else 1


class _Announcing(uvicorn.Server):
    """Prints the banner once requests are answered, not before, and ends when it is told to."""

    def __init__(
        self,
        config: uvicorn.Config,
        banner: str,
        starts: Starts,
        end_answers: Callable[[], Awaitable[None]],
    ) -> None:
        super().__init__(config)
        self._banner = banner
        self._starts = starts
        self._end_answers = end_answers

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(self._banner, flush=True)
            tell_supervisor("READY=1")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answers end whole or with an error of their protocol, while connections wait for them."""
        if self.server_state.tasks:
            print("Answers under way may end. Once more ends at once.", file=sys.stderr, flush=True)
        ending = asyncio.ensure_future(self._end_answers())
        await super().shutdown(sockets)
        await ending

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Once told: answers end, then models, then the last record. Told again: at once.

        At once is as after `kill -9`: workers end with this process, and the next start finds
        the ledger as it was. Nobody who says so twice is a crash.
        """
        if self.should_exit:
            self._starts.ended_well()
            os.write(2, b"lmx: Told to stop again: ended at once, answers were cut off.\n")
            os._exit(1)
        tell_supervisor("STOPPING=1")
        super().handle_exit(sig, frame)


def tell_supervisor(state: str) -> None:
    """Say it to systemd where it started this (sd_notify(3)); nothing follows where it cannot hear.

    The name of its socket is kept from workers by the unit (NotifyAccess=main).
    """
    address = supervisor_address()
    if not address.startswith(("/", "@")):
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as door:
            door.sendto(state.encode(), address)
    except OSError as error:
        log.warning("supervisor_not_told", state=state, reason=str(error))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


_UPGRADED = """

The state was brought from schema {before} to {after}. A backup was made before:
  {backup}
"""

_SAFE_MODE = """

SAFE MODE: no model is loaded unless an operator says so.
  Why:   {why}
  Look:  {log}
  Load:  lmx models load NAME
  Leave: stop the server in good order and start it again.
"""


def _banner(server: "Server", settings: Settings) -> str:
    url, model = server.listening, server.answering_model
    note = ""
    if settings.port != DEFAULT_PORT:
        note = f"  (not port {DEFAULT_PORT}: recorded as an override of G-DEPLOY-02)"
    key_note = f"  ({server.operator_key.note})" if server.operator_key.note else ""
    safe_mode = unloaded = ""
    if server.safe_mode:
        unloaded = f"  (not before: lmx models load {model})"
        log_path = server.operator_key.path.parent / "logs" / "server.log"
        safe_mode = _SAFE_MODE.format(why=server.safe_mode, log=log_path)
    if (done := server.upgraded) is not None:
        backup = server.operator_key.path.parent / "backups" / done.backup
        note += _UPGRADED.format(before=done.before, after=done.after, backup=backup).rstrip()
    question = "What is LMX Authority?"
    message = f'{{"role": "user", "content": "{question}"}}'
    return f"""
LMX Authority {server.version} listens on {url}{note}{safe_mode}
Model answering: {model}{unloaded}

Ask it with curl:
  curl -s {url}/v1/chat/completions -H 'Content-Type: application/json' \\
    -d '{{"model": "{model}", "messages": [{message}]}}'

Ask it with the openai client:
  {sys.executable} -c 'from openai import OpenAI; \\
print(OpenAI(base_url="{url}/v1", api_key="none").chat.completions.create(\\
model="{model}", messages=[{message}]).choices[0].message.content)'

Operator key: {server.operator_key.path}{key_note}
Stop with Ctrl-C."""
