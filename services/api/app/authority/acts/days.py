"""A day as somebody names it in an ask, and the moment it begins. Pure."""

from datetime import UTC, date, datetime

from app.domain.refusals import InvalidRequest


def midnight_us(day: object, *, param: str) -> int:
    """UTC in microseconds at which a day ``YYYY-MM-DD`` begins; InvalidRequest for another form."""
    try:
        if not isinstance(day, str) or (at := date.fromisoformat(day)).isoformat() != day:
            raise ValueError
    except ValueError:
        raise InvalidRequest("Name a day as YYYY-MM-DD.", param=f"params.{param}") from None
    return int(datetime(at.year, at.month, at.day, tzinfo=UTC).timestamp()) * 1_000_000
