"""The only place that configures logging, and the only place that knows what a secret looks like.

Every line, structured or from a library, passes `redact` before it is written. Redaction looks at
values, nested ones and messages too; it leaves `completion_tokens` and `max_tokens` alone.
"""

import logging
import os
import re
import sys
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import IO, Any, Final

import structlog

MAX_LOG_BYTES: Final = 10 * 1024 * 1024
KEPT_LOGS: Final = 5
REDACTED: Final = "[redacted]"

_SECRETS: Final = re.compile(
    r"""
      lmx_[0-9A-Za-z]{1,16}_[0-9A-Za-z_-]{8,}            # ours; the id alone is public
    | (?<![A-Za-z0-9])(?:sk|pk|rk)-[0-9A-Za-z_-]{8,}     # providers' keys
    | (?<![A-Za-z0-9])hf_[0-9A-Za-z]{8,}                 # the hub's tokens
    | (?<![A-Za-z0-9])gh[pousr]_[0-9A-Za-z]{16,}
    | (?i:(?<=bearer\ )|(?<=basic\ ))[^\s"',;)}\]]{4,}   # whatever else is sent as one
    """,
    re.VERBOSE,
)
_SECRET_FIELDS: Final = frozenset(
    {
        "api_key",
        "apikey",
        "authorization",
        "cookie",
        "hf_token",
        "password",
        "proxy_authorization",
        "secret",
        "set_cookie",
        "x_api_key",
    }
)
_NEVER_PRINTED: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Co", "Cn"})
"""Unicode categories: control, format (bidi, zero width), surrogates, separators, unassigned."""


def redact_text(text: str) -> str:
    """Return `text` with everything that looks like a secret replaced."""
    return _SECRETS.sub(REDACTED, text)


def redact(value: Any, *, depth: int = 0) -> Any:
    """Return a copy of `value` without secrets, however deep they are."""
    if isinstance(value, bytes | bytearray):
        value = bytes(value).decode("utf-8", "replace")
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth > 12:
        return REDACTED
    if isinstance(value, Mapping):
        return {
            redact(key, depth=depth + 1): REDACTED
            if _is_secret_field(key)
            else redact(item, depth=depth + 1)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(item, depth=depth + 1) for item in value]
    return redact_text(str(value))


def printable(text: str) -> str:
    """Return `text` on one line, with nothing in it that could move a cursor or reorder letters."""
    return "".join(_escaped(char) if _is_hidden(char) else char for char in text)


def shortened(text: str, limit: int) -> str:
    """Redacted first, so that cutting cannot leave half a key; one line, printable, bounded."""
    safe = printable(redact_text(text[: 8 * limit]))
    return safe if len(safe) <= limit else safe[: limit - 1] + "\u2026"


def recorded_path(path: Path) -> str:
    """The path as it may be recorded for good.

    The account's own directory, often a person's name, is `~`; bytes that are no UTF-8 are escaped.
    """
    with suppress(ValueError, RuntimeError):  # elsewhere, or an account without a directory
        path = Path("~") / path.relative_to(Path.home())
    return str(path).encode("utf-8", "backslashreplace").decode("utf-8")


def configure_logging(path: Path | None, level: str = "info") -> None:
    """Log as JSON to a rotating file at `path`, or readably to stderr when there is none."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        _redact_event,
    ]
    rendered = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_plain)
        if path is None
        else structlog.processors.JSONRenderer()
    )
    handler = logging.StreamHandler(sys.stderr) if path is None else _PrivateFile(path)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _redact_event,
                rendered,
            ],
        )
    )
    handler.addFilter(_without_query)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    _attach(handler, level)


def _attach(handler: logging.Handler, level: str) -> None:
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        library = logging.getLogger(name)
        library.handlers.clear()
        library.propagate = True
        library.setLevel(logging.NOTSET)  # ours decides, whatever was set before
    for chatty in ("httpx", "httpcore", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


class _PrivateFile(RotatingFileHandler):
    """A log that only its owner reads, rotated by size, never written through a link."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        super().__init__(path, maxBytes=MAX_LOG_BYTES, backupCount=KEPT_LOGS, encoding="utf-8")

    def _open(self) -> IO[str]:  # type: ignore[override]
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.fdopen(os.open(self.baseFilename, flags, 0o600), "a", encoding="utf-8")

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """A full disk costs lines of the log; a trace of it for each would bury the terminal."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)


def _redact_event(_logger: Any, _method: str, event: Any) -> Any:
    """A structlog processor; private entries of the event are the formatter's own."""
    return {
        key: item
        if key.startswith("_") or key == "exc_info"
        else REDACTED
        if _is_secret_field(key)
        else redact(item)
        for key, item in event.items()
    }


def _without_query(record: logging.LogRecord) -> bool:
    """An access log names the path that was asked for, not what was sent in its query."""
    if record.name == "uvicorn.access" and isinstance(record.args, tuple):
        record.args = tuple(
            arg.split("?", 1)[0] if isinstance(arg, str) else arg for arg in record.args
        )
    return True


def _plain(stream: Any, exc_info: Any) -> None:
    structlog.dev.plain_traceback(stream, exc_info)


def _is_secret_field(key: object) -> bool:
    return isinstance(key, str) and key.lower().replace("-", "_") in _SECRET_FIELDS


def _is_hidden(char: str) -> bool:
    return unicodedata.category(char) in _NEVER_PRINTED


def _escaped(char: str) -> str:
    code = ord(char)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
