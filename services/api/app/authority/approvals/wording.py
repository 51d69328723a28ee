"""The only place that puts a plan's values into words: sizes, times, lists, names. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from app.authority.approvals.untrusted import clean, name, oddities

_UNITS: Final = ("KiB", "MiB", "GiB", "TiB", "PiB")


def flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for label, inner in value.items():
        if isinstance(inner, Mapping):
            yield from flat(inner, f"{prefix}{label}.")
        else:
            yield f"{prefix}{label}", inner


def in_words(label: str, value: object) -> str:
    """Any plain value in words; what a number counts is told by the end of its name."""
    if value is None or value in ("", [], {}):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return _counted(label, value)
    if isinstance(value, Mapping):
        return ", ".join(f"{clean(str(k))} {in_words(str(k), v)}" for k, v in sorted(value.items()))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "; ".join(in_words(label, inner) for inner in value)
    return _odd(name(str(value)), oddities(str(value)))


def _odd(text: str, why: Iterable[str]) -> str:
    return "".join([text, *(f" (CAREFUL: {reason})" for reason in why)])


def _counted(label: str, count: int) -> str:
    if label.endswith("_bytes") or label.startswith("bytes_"):
        return byte_count(count)
    if label.endswith("_us"):
        return utc_time(count)
    return duration(count) if label.endswith("_s") else f"{count:,}"


def size(count: int) -> str:
    if abs(count) < 1024:
        return f"{count} B"
    power = min(len(_UNITS), (abs(count).bit_length() - 1) // 10)
    return f"{count / 1024**power:.1f} {_UNITS[power - 1]}"


def byte_count(count: int) -> str:
    return f"{size(count)} ({count:,} B)" if abs(count) >= 1024 else f"{count} B"


def utc_time(micros: int) -> str:
    try:
        moment = datetime.fromtimestamp(micros // 1_000_000, tz=UTC)
    except (OverflowError, OSError, ValueError):
        return f"{micros} us"
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def duration(seconds: int) -> str:
    days = seconds // 86400 if seconds >= 2 * 86400 else 0
    hours = seconds // 3600 - days * 24
    parts = [(days, "d"), (hours, "h"), (seconds // 60 % 60, "min")]
    shown = [f"{count} {unit}" for count, unit in parts if count > 0]
    return " ".join((shown or [f"{seconds} s"])[:2])
