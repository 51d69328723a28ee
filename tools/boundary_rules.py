"""The table of boundary rules: what each zone may not do, why, and what to do instead.

Each rule has a planted violation in tests/architecture/test_boundary.py that proves it bites.
"""

from dataclasses import dataclass
from typing import Final

from tools.boundary_checks import (
    Check,
    binds_bare_app,
    imports_other_than,
    loads_code_by_name,
    makes_grant,
    opens_files,
    reaches_around,
    reads_environment,
    runs_a_shell,
    runs_code,
    swallows_everything,
    trusts_remote_code,
)

APP: Final = "services/api/app/"
ADVISORY: Final = APP + "_experimental/"
AUTHORITY: Final = APP + "authority/"
WORKER: Final = APP + "engines/worker/"
GRANT_MAKER: Final = AUTHORITY + "permissions.py"
TOOL_PARSERS: Final = WORKER + "tool_parsers.py"
WALLED_SOURCES: Final = APP + "walled/sources.py"
SERVE: Final = APP + "cli/serve.py"

MINIMUM: Final = {APP: 400, ADVISORY: 5, AUTHORITY: 200}
"""At least so many files a scan of each zone has read: one that reads none finds nothing."""

# Everything advice needs. Not a list of dangers: what is not here is refused. There is no `sys`:
# whoever runs an advisor reads and writes for it.
ADVISORY_MAY_IMPORT: Final = frozenset(
    "__future__ abc bisect collections dataclasses datetime decimal enum fractions functools "
    "hashlib heapq itertools json math re statistics string textwrap typing".split()
)
ADVISORY_MAY_IMPORT_OF_APP: Final = ("app.domain", "app._experimental")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`says` is the rule, `why` its reason; `check` says of one node whether it breaks the rule."""

    id: str
    zone: str
    says: str
    why: str
    instead: str
    check: Check
    except_in: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        """All of it, for whoever broke it."""
        return f"{self.says} {self.why} Instead: {self.instead}"

    def covers(self, path: str) -> bool:
        return path.startswith(self.zone) and not path.startswith(self.except_in or ("\0",))


RULES: Final = (
    Rule(
        id="X01",
        zone=ADVISORY,
        says="Advice imports app.domain and the modules in ADVISORY_MAY_IMPORT, nothing else.",
        why="Whoever can import the authority, a socket or a file can act.",
        instead="ask for the fact to be put into the Snapshot.",
        check=imports_other_than(ADVISORY_MAY_IMPORT, ADVISORY_MAY_IMPORT_OF_APP),
    ),
    Rule(
        id="X02",
        zone=ADVISORY,
        says="Advice runs no code but its own.",
        why="Code that is made while it runs was read by nobody.",
        instead="write the function out.",
        check=runs_code,
    ),
    Rule(
        id="X03",
        zone=ADVISORY,
        says="Advice does not reach into modules, frames or what is private to others.",
        why="From there everything that the interpreter holds can be reached without an import.",
        instead="use plain attributes of the Snapshot.",
        check=reaches_around,
    ),
    Rule(
        id="X04",
        zone=ADVISORY,
        says="Advice opens and writes nothing.",
        why="What is written is an effect that no person accepted.",
        instead="return a Proposal; the host stores it.",
        check=opens_files,
    ),
    Rule(
        id="A01",
        zone=APP,
        says="Code is imported by statement.",
        why="Import contracts see nothing else.",
        instead="write the import out; to choose at run time, make a table of functions.",
        check=loads_code_by_name,
        # X01 and X02 say it of the first, and more. The second reads mlx-lm's parsers without
        # importing mlx-lm, which would bring MLX into workers that run something else. The third
        # runs advice from memory, in a process that can open no file any more. The fourth loads
        # nothing: it hides from structlog a package that the server has no use for.
        except_in=(ADVISORY, TOOL_PARSERS, WALLED_SOURCES, SERVE),
    ),
    Rule(
        id="A02",
        zone=APP,
        says="Nothing imports `app...` as a whole.",
        why="It binds the whole package and hides what is used.",
        instead="write `from app.zone.module import name`.",
        check=binds_bare_app,
    ),
    Rule(
        id="A03",
        zone=APP,
        says="Only app.authority.permissions makes a Grant.",
        why="A Grant is proof that somebody was asked.",
        instead="ask it with `grant(...)`, or take the Grant as a parameter.",
        check=makes_grant,
        except_in=(GRANT_MAKER,),
    ),
    Rule(
        id="A04",
        zone=APP,
        says="No handler takes every fault and does nothing.",
        why="A fault that nobody sees is a lie to whoever waits for the answer.",
        instead="catch what you expect, or let it rise to the one place that answers 500.",
        check=swallows_everything,
    ),
    Rule(
        id="A05",
        zone=APP,
        says="No code from a model is executed (C06).",
        why="A model is data from strangers.",
        instead="pass trust_remote_code=False.",
        check=trusts_remote_code,
    ),
    Rule(
        id="A06",
        zone=APP,
        says="No shell.",
        why="A name with a semicolon would be a command.",
        instead="pass a list of arguments.",
        check=runs_a_shell,
    ),
    Rule(
        id="A07",
        zone=APP,
        says="One module reads the environment.",
        why="A setting that is read anywhere is one that nobody can list.",
        instead="take the value as a parameter, from app.settings.",
        check=reads_environment,
        except_in=(
            APP + "settings/__init__.py",
            APP + "cli/",  # another program: a client, with its own LMX_URL and LMX_KEY
            APP + "engines/process.py",  # hands a chosen part of it to the worker
            WORKER,
        ),
    ),
)
