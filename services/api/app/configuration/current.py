"""The settings in force: one holder for whoever has to follow them while the server runs."""

from threading import Lock

from app.settings import Settings


class Current:
    """The settings in force now. Any thread may read them; each read is of one whole document.

    Whoever must follow a reload keeps this, or a callable on it, and asks each time. Whoever keeps
    a value of `settings` keeps what was in force at the start: that setting waits for a restart,
    and `app.configuration.reloading` says so.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = Lock()

    @property
    def settings(self) -> Settings:
        return self._settings

    def replace(self, before: Settings, after: Settings) -> bool:
        """Put `after` in force if `before` still is; False: another reload came first."""
        with self._lock:
            if self._settings is not before:
                return False
            self._settings = after
            return True
