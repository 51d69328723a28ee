"""The settings in force are replaced whole, and by one reload at a time."""

from app.configuration.current import Current
from app.settings import Settings

FIRST, SECOND, THIRD = Settings(), Settings(queue_limit=1), Settings(queue_limit=2)


def test_what_is_put_in_force_is_what_is_read() -> None:
    current = Current(FIRST)
    assert current.replace(FIRST, SECOND)
    assert current.settings is SECOND


def test_of_two_reloads_that_began_from_the_same_settings_one_counts() -> None:
    current = Current(FIRST)
    assert current.replace(FIRST, SECOND)
    assert not current.replace(FIRST, THIRD)
    assert current.settings is SECOND
