"""The only place that configures logging: JSON lines in a private file that rotates."""

import logging
import os
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import IO, Any, Final

import structlog

from app.observability.redaction import redact_field
from app.observability.requests import with_request_id

MAX_LOG_BYTES: Final = 10 * 1024 * 1024
KEPT_LOGS: Final = 5
MAX_TEXT: Final = 32 * 1024
"""Characters of one text in a line: a megabyte in an exception's message is no news."""


def configure_logging(path: Path | None, level: str = "info") -> None:
    """Log as JSON to a rotating file at `path`, or readably to stderr when there is none."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        with_request_id,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        _redact_event,
    ]
    handler = logging.StreamHandler(sys.stderr) if path is None else _PrivateFile(path)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _redact_event,
                _readable() if path is None else structlog.processors.JSONRenderer(),
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


def lines_lost() -> int:
    """How many lines could not be written since the start: the disk was full, say."""
    return sum(
        handler.lost
        for handler in logging.getLogger().handlers
        if isinstance(handler, _PrivateFile)
    )


def _readable() -> Any:
    return structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )


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
        self.lost = 0
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        super().__init__(path, maxBytes=MAX_LOG_BYTES, backupCount=KEPT_LOGS, encoding="utf-8")

    def _open(self) -> IO[str]:  # type: ignore[override]
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.fdopen(os.open(self.baseFilename, flags, 0o600), "a", encoding="utf-8")

    def doRollover(self) -> None:  # noqa: N802 - logging's name
        """What cannot be rotated goes on for as long again, and then loses lines."""
        try:
            super().doRollover()
        except OSError:
            if Path(self.baseFilename).stat().st_size >= 2 * self.maxBytes:
                raise
            self.stream = None  # opened by the next line

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """A full disk costs lines of the log; a trace of it for each would bury the terminal."""
        self.lost += 1
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)


def _redact_event(_logger: Any, _method: str, event: Any) -> Any:
    """A structlog processor; private entries of the event are the formatter's own."""
    return {
        key: item if key.startswith("_") or key == "exc_info" else redact_field(key, _bounded(item))
        for key, item in event.items()
    }


def _bounded(item: Any) -> Any:
    """Cut at a space, so that no half of a secret is left that nobody would know for one."""
    if not isinstance(item, str) or len(item) <= MAX_TEXT:
        return item
    kept = item[:MAX_TEXT].rpartition(" ")[0]
    return f"{kept} [{len(item) - len(kept)} more characters]"


def _without_query(record: logging.LogRecord) -> bool:
    """An access log names the path that was asked for, not what was sent in its query."""
    if record.name == "uvicorn.access" and isinstance(record.args, tuple):
        record.args = tuple(
            arg.split("?", 1)[0] if isinstance(arg, str) else arg for arg in record.args
        )
    return True
