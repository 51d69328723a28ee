"""What one check found. Every check is a pure function of facts; a table lists them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    `why` it does not stand, and what to `do`: else empty. `seen`: what was found, for whoever reads
    on. `needed`: false of what no machine of this kind has. `grave`: false where it is only worth
    a look; then nothing fails.
    """

    name: str
    stands: bool
    why: str = ""
    do: str = ""
    needed: bool = True
    grave: bool = True
    seen: str = ""

    @property
    def fails(self) -> bool:
        return self.needed and self.grave and not self.stands


def stands(name: str, seen: str = "") -> Check:
    return Check(name, stands=True, seen=seen)


def wrong(name: str, why: str, do: str) -> Check:
    return Check(name, stands=False, why=why, do=do)


def worth_a_look(name: str, why: str, do: str) -> Check:
    return Check(name, stands=False, why=why, do=do, grave=False)
