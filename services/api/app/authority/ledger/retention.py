"""How long the record is kept: for good by default, and never less than six months. Pure.

What may never be pruned, whoever approves, is decided here. Nothing is pruned by this release: what
cannot be done is said in one place.
"""

from typing import Final

DAY_US: Final = 86_400_000_000
LONGEST_MONTH_DAYS: Final = 31
FLOOR_MONTHS: Final = 6
FLOOR_DAYS: Final = 183
"""Nothing younger is prunable, whatever is asked for; a calendar's six months are kept whole."""

TOO_YOUNG: Final = (
    f"Events of the last {FLOOR_DAYS} days and more, six months in full, are never pruned, whoever "
    "approves."
)
CANNOT_PRUNE: Final = (
    "This release cannot prune: the database refuses to let go of an event or of its evidence, for "
    "every program, and an approval does not change that."
)
CANNOT_RECOVER: Final = (
    "A running server cannot begin a recovery epoch: its signer never goes back behind what it has "
    "signed. To go on from an earlier point, stop the server and restore a backup: lmx backup "
    "restore DIR. It is recorded, keys that were revoked since are revoked again, and every ask "
    "that waits or was approved is ended."
)


def may_prune_before(now_us: int, event_ts_us: int, *, months: int = FLOOR_MONTHS) -> bool:
    """Whether an event of this time (UTC, microseconds) is old enough to be pruned at all.

    `months` can ask for longer keeping, never for shorter. An event from the future is not old:
    a clock that was set wrong must not make evidence prunable.
    """
    return now_us - event_ts_us >= keep_days(months) * DAY_US


def keep_days(months: int) -> int:
    """Days that cover so many months, whichever they are; at least the floor."""
    return max(FLOOR_DAYS, months * LONGEST_MONTH_DAYS)
