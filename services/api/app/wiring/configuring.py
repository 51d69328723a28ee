"""The settings while the server runs: what is in force, and what its file says by now."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from app.authority.configuring import Configuring, Prepared
from app.configuration.current import Current
from app.configuration.origins import rows
from app.configuration.reading import NAME, Loaded, Unusable, loaded
from app.configuration.reloading import canonical, change, digest
from app.domain.actors import Actor
from app.domain.refusals import ConfigInvalid, Refusal
from app.settings import Settings
from app.wiring.opening import Authority

log = structlog.get_logger(__name__)


class Following:
    """Follows `config.yaml` for who may ask it to: the authority's port on the configuration."""

    def __init__(self, current: Current, home: Path) -> None:
        self._current = current
        self._path = home / NAME
        self._home = home
        self._held = self._at_start(current.settings)

    def _at_start(self, settings: Settings) -> Loaded:
        """What the server was started with: the file, and a port that is not the file's."""
        try:
            found = loaded(self._path)
        except Unusable:  # it has changed since the start read it
            return Loaded(settings, self._path)
        given = {"port": settings.port} if settings.port != found.settings.port else {}
        return replace(found, settings=settings, given=given)

    def standing(self) -> dict[str, Any]:
        found: Loaded | None = None
        problems: list[str] = []
        try:
            found = self._wanted()
        except Unusable as error:
            problems = [str(problem) for problem in error.problems]
        return {
            "file": str(self._path),
            "home": str(self._home),
            "config_digest": digest(self._current.settings),
            "settings": rows(self._held, found),
            "problems": problems,
        }

    def prepared(self) -> Prepared:
        try:
            wanted = self._wanted()
        except Unusable as error:
            raise ConfigInvalid(
                f"{NAME} cannot be used, and what was in force stays: {_said(error)}",
                details={"problems": [str(problem) for problem in error.problems]},
            ) from None
        found = change(self._current.settings, wanted.settings)
        return Prepared(
            changed=found.changed,
            waiting=found.waiting,
            settings=canonical(found.after),
            digest=digest(found.after),
            put_in_force=partial(self._put, replace(wanted, settings=found.after)),
        )

    def _wanted(self) -> Loaded:
        return loaded(self._path, self._held.given)

    def _put(self, wanted: Loaded) -> None:
        """Reloads come one at a time, so that nobody else has replaced them meanwhile."""
        self._current.replace(self._current.settings, wanted.settings)
        self._held = wanted
        logging.getLogger().setLevel(wanted.settings.log_level.upper())
        log.info("config_reloaded")


def _said(error: Unusable) -> str:
    first, *others = error.problems
    more = f" And {len(others)} more: `lmx config check` says all." if others else ""
    said = str(first)
    return f"{said}{'' if said.endswith('?') else '.'}{more}"


def configuring(authority: Authority, current: Current, home: Path) -> Configuring:
    return Configuring(Following(current, home), authority.ledger)


Reload = Callable[[Actor, str | None], Awaitable[dict[str, Any]]]


def when_hung_up(authority: Authority, reload: Reload) -> Callable[[], None]:
    """What SIGHUP does, called in the event loop: a reload, by whose key is in operator.key.

    Who can send it can read that file too. At a terminal it means that the terminal is gone, and
    the server ends in good order.
    """
    tasks: set[asyncio.Task[None]] = set()

    def hung_up() -> None:
        if sys.stdin is not None and sys.stdin.isatty():
            os.kill(os.getpid(), signal.SIGTERM)
            return
        task = asyncio.ensure_future(_reload(authority, reload))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    return hung_up


async def _reload(authority: Authority, reload: Reload) -> None:
    actor = None
    try:
        secret = await asyncio.to_thread(authority.operator_key.path.read_text, "utf-8")
        actor = authority.keys.identify_strict(secret.strip())
        done = await reload(actor, None)
    except Refusal as refusal:
        log.warning("config_not_reloaded", code=refusal.code, reason=refusal.message)
        if actor is not None:
            await asyncio.to_thread(authority.refusals.record, actor, refusal, NAME, None)
    except OSError as error:
        log.warning("config_not_reloaded", reason=f"operator.key cannot be read: {error.strerror}")
    else:
        log.info("hung_up", changed=done["changed"], waiting=done["waiting"])
