"""Where a list goes on, as whoever reads it hands it back. Pure."""

from app.domain.refusals import InvalidRequest


def cursor_of(time_us: int, name: str) -> str:
    """Of the last one on a page: its time and its id, which tell it from others of that time."""
    return f"{time_us}-{name}"


def read_cursor(cursor: str | None) -> tuple[int, str] | None:
    """The time and the id that `cursor_of` was given. Raises InvalidRequest."""
    if cursor is None:
        return None
    time_us, _, name = cursor.partition("-")
    if not (time_us.isascii() and time_us.isdecimal()) or len(time_us) > 18:
        raise InvalidRequest("The cursor is not one of this list's.", param="cursor")
    return int(time_us), name
