"""Which release is installed, found without loading anything: `lmx --version` answers at once."""

import os
import sys

_BEGINS = "lmx_authority-"
_ENDS = ".dist-info"


def installed_release() -> str:
    return installed(sys.path)


def sentence() -> str:
    found = installed_release()
    return f"lmx {found}" if found else "lmx (from a source tree that is not installed)"


def installed(places: list[str]) -> str:
    """The version that an installation's own record is named for; empty where there is none.

    As `importlib.metadata` finds it, whose import alone takes longer than all of this.
    """
    for place in places:
        try:
            names = os.listdir(place or ".")  # noqa: PTH208 - pathlib takes longer to load than this to run
        except OSError:
            continue
        for name in names:
            if name.startswith(_BEGINS) and name.endswith(_ENDS):
                return name.removeprefix(_BEGINS).removesuffix(_ENDS)
    return ""
