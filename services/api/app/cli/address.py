"""The only place that says which server may be talked to and with which key."""

import ipaddress
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from app.cli.outcomes import CommandError, ExitCode

DEFAULT_SERVER: Final = "http://127.0.0.1:1234"
_KEY_FILE_LIMIT: Final = 4096


def server_address(given: str) -> str:
    """`given` as ``http://HOST:PORT``: loopback only, since the key and prompts go there."""
    try:
        parts = urlsplit(given.strip())
        port = parts.port
    except ValueError:
        raise _not_an_address(given) from None
    plain = parts.path in ("", "/") and not (parts.query or parts.fragment or parts.username)
    if parts.scheme != "http" or not parts.hostname or not plain:
        raise _not_an_address(given)
    # `localhost` is what the hosts file says; the server listens on this one.
    host = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname
    if not _is_loopback(host):
        raise CommandError(
            f"{parts.hostname} is not this machine: lmx talks to a server on loopback only, since "
            "the key and the prompts go there. Run lmx on the server's machine (ssh -t HOST lmx …) "
            "or forward its port with ssh -L.",
            exit_code=ExitCode.REFUSED,
        )
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port or 80}"


def home(environment: Mapping[str, str]) -> Path:
    try:
        return Path(environment.get("LMX_HOME") or "~/.lmx").expanduser()
    except RuntimeError as error:
        raise CommandError("This account has no home directory. Set LMX_HOME.") from error


def key(environment: Mapping[str, str]) -> str | None:
    """The key to send: `LMX_KEY`, else the operator key's file, else none."""
    given = environment.get("LMX_KEY", "").strip()
    return _usable(given, "LMX_KEY") if given else _key_from(home(environment) / "operator.key")


def _key_from(path: Path) -> str | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CommandError(
            f"{path} cannot be read ({error.strerror}). Run this as the account that started the "
            "server, or set LMX_KEY.",
            exit_code=ExitCode.REFUSED,
        ) from error
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise CommandError(f"{path} is not a file; set LMX_KEY.", exit_code=ExitCode.REFUSED)
        if found.st_mode & 0o077:
            raise CommandError(
                f"{path} can be read by other accounts, so its key is no longer secret enough to "
                f"use. Run `chmod 600 {path}`; if somebody else uses this machine, create a new "
                "key and revoke this one.",
                exit_code=ExitCode.REFUSED,
            )
        content = file.read(_KEY_FILE_LIMIT).decode("utf-8", errors="replace").strip()
    return _usable(content, str(path)) if content else None


def _usable(secret: str, where: str) -> str:
    if secret.isascii() and secret.isprintable() and " " not in secret:
        return secret
    raise CommandError(
        f"What is in {where} is not a key: keys are `lmx_` and letters, digits, - and _.",
        exit_code=ExitCode.USAGE,
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _not_an_address(given: str) -> CommandError:
    return CommandError(
        f"{given!r} is not a server's address. Write it as {DEFAULT_SERVER}.",
        exit_code=ExitCode.USAGE,
    )
