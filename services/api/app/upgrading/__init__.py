"""Brings the state of an older release to this one: on a copy, which takes its place when proven.

`bring_up_to_date` is the door. `files` is what happens to the database's files, `journal` what is
remembered between starts, `proving` how the copy is compared with what it was made from.
"""

from app.upgrading.journal import Upgraded, forget
from app.upgrading.upgrade import STEPS, Step, bring_up_to_date

__all__ = ["STEPS", "Step", "Upgraded", "bring_up_to_date", "forget"]
