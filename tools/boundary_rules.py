"""The table of boundary rules: what each zone may not do, and what to do instead.

Each rule has a planted violation in tests/architecture/test_boundary.py that proves it bites.
"""

import ast
from collections.abc import Callable
from dataclasses import dataclass

APP = "services/api/app/"
ADVISORY = APP + "_experimental/"
AUTHORITY = APP + "authority/"
WORKER = APP + "engines/worker/"
GRANT_MAKER = AUTHORITY + "permissions.py"
TOOL_PARSERS = WORKER + "tool_parsers.py"

# Everything advice needs. Not a list of dangers: what is not here is refused.
ADVISORY_MAY_IMPORT = frozenset(
    "__future__ abc bisect collections dataclasses datetime decimal enum fractions functools "
    "hashlib heapq itertools json math re statistics string sys textwrap typing".split()
)
ADVISORY_MAY_IMPORT_OF_APP = ("app.domain", "app._experimental")

LOADS_CODE = frozenset("__import__ exec eval compile".split())
REACHES_AROUND = frozenset(
    "__builtins__ __loader__ __spec__ globals locals vars getattr setattr delattr "
    "breakpoint".split()
)
# Modules hang off modules (`json.codecs.open`), so these names are refused as attributes too.
ATTRIBUTES_THAT_REACH_OUT = frozenset(
    "modules builtins bltns codecs exec eval importlib inspect os pathlib settrace setprofile "
    "_getframe system popen".split()
)
WRITES = frozenset(
    "open write_text write_bytes unlink touch mkdir rmdir rename symlink_to hardlink_to "
    "chmod".split()
)
DUNDERS_ANYONE_MAY_READ = frozenset("__name__ __doc__ __init__ __post_init__ __members__".split())

Check = Callable[[ast.AST], bool]


@dataclass(frozen=True, slots=True)
class Rule:
    """`check` says of one syntax node whether it breaks the rule."""

    id: str
    zone: str
    instead: str
    check: Check
    except_in: tuple[str, ...] = ()

    def covers(self, path: str) -> bool:
        return path.startswith(self.zone) and not path.startswith(self.except_in or ("\0",))


def imported_modules(node: ast.AST) -> list[str]:
    """Every dotted name a statement may bring in; `from a import b` gives `a` and `a.b`."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        module = "." * node.level + (node.module or "")
        return [module, *(f"{module}.{alias.name}" for alias in node.names)]
    return []


def is_in(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)


def imports_more_than_advice_may(node: ast.AST) -> bool:
    modules = imported_modules(node)
    if isinstance(node, ast.ImportFrom):
        # `from app import domain` is judged by what it takes, all else by where it takes it from.
        modules = modules[1:] if node.module == "app" else modules[:1]
    return any(
        module.split(".")[0] not in ADVISORY_MAY_IMPORT
        and not is_in(module, ADVISORY_MAY_IMPORT_OF_APP)
        for module in modules
    )


def uses_name(names: frozenset[str]) -> Check:
    """Any mention counts, so that an alias (`run = eval`) is caught where it is made."""
    return lambda node: isinstance(node, ast.Name) and node.id in names


def reaches_around(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        is_dunder = node.attr.startswith("__") and node.attr.endswith("__")
        return node.attr in ATTRIBUTES_THAT_REACH_OUT or (
            is_dunder and node.attr not in DUNDERS_ANYONE_MAY_READ
        )
    if isinstance(node, ast.ImportFrom):
        return any(alias.name in ATTRIBUTES_THAT_REACH_OUT for alias in node.names)
    return isinstance(node, ast.Name) and node.id in REACHES_AROUND


def opens_files(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr in WRITES
    return isinstance(node, ast.Name) and node.id == "open"


def loads_code_by_name(node: ast.AST) -> bool:
    only_look = ("importlib.metadata", "importlib.resources", "importlib.util.find_spec")
    modules = imported_modules(node)
    if isinstance(node, ast.ImportFrom):
        del modules[0]  # what counts is what is taken from it
    for module in modules:
        if is_in(module, ("importlib", "imp", "runpy", "pkgutil")) and not is_in(module, only_look):
            return True
    if isinstance(node, ast.Attribute):
        return node.attr == "modules" and getattr(node.value, "id", "") == "sys"
    return isinstance(node, ast.Name) and node.id in LOADS_CODE


def binds_bare_app(node: ast.AST) -> bool:
    return isinstance(node, ast.Import) and any(is_in(a.name, ("app",)) for a in node.names)


def names_grant(node: ast.AST | None) -> bool:
    return (isinstance(node, ast.Name) and node.id == "Grant") or (
        isinstance(node, ast.Attribute) and node.attr == "Grant"
    )


def makes_grant(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        called = node.func
        by_new = isinstance(called, ast.Attribute) and called.attr in {"__new__", "_make"}
        return names_grant(called) or (by_new and any(names_grant(arg) for arg in node.args))
    if isinstance(node, ast.ImportFrom):
        return any(alias.name == "Grant" and alias.asname for alias in node.names)
    if isinstance(node, ast.ClassDef):
        return any(names_grant(base) for base in node.bases)
    return isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr) and names_grant(node.value)


def is_catch_all(node: ast.expr | None) -> bool:
    if isinstance(node, ast.Tuple):
        return any(is_catch_all(element) for element in node.elts)
    return node is None or (
        isinstance(node, ast.Name) and node.id in {"Exception", "BaseException"}
    )


def swallows_everything(node: ast.AST) -> bool:
    if isinstance(node, ast.ExceptHandler) and is_catch_all(node.type):
        return all(
            isinstance(step, ast.Pass | ast.Continue)
            or (isinstance(step, ast.Expr) and isinstance(step.value, ast.Constant))
            for step in node.body
        )
    if isinstance(node, ast.Call) and node.args:
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        return name == "suppress" and any(is_catch_all(arg) for arg in node.args)
    return False


def trusts_remote_code(node: ast.AST) -> bool:
    if isinstance(node, ast.keyword) and node.arg == "trust_remote_code":
        return not (isinstance(node.value, ast.Constant) and node.value.value is False)
    return False


def runs_a_shell(node: ast.AST) -> bool:
    if isinstance(node, ast.keyword) and node.arg == "shell":
        return not (isinstance(node.value, ast.Constant) and node.value.value is False)
    return (
        isinstance(node, ast.Attribute)
        and node.attr in {"system", "popen"}
        and getattr(node.value, "id", "") == "os"
    )


def reads_environment(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom) and node.module == "os":
        return any(alias.name in {"environ", "environb", "getenv"} for alias in node.names)
    return (
        isinstance(node, ast.Attribute)
        and node.attr in {"environ", "environb", "getenv"}
        and getattr(node.value, "id", "") == "os"
    )


RULES: tuple[Rule, ...] = (
    Rule(
        "X01",
        ADVISORY,
        "Advice imports app.domain and the pure modules in ADVISORY_MAY_IMPORT, nothing else: "
        "ask for the fact to be put into the Snapshot.",
        imports_more_than_advice_may,
    ),
    Rule(
        "X02",
        ADVISORY,
        "Advice runs no code but its own: write the function out.",
        uses_name(LOADS_CODE),
    ),
    Rule(
        "X03",
        ADVISORY,
        "Advice does not reach into modules, frames or objects' internals: use plain attributes "
        "of the Snapshot.",
        reaches_around,
    ),
    Rule(
        "X04",
        ADVISORY,
        "Advice opens and writes nothing: return a Proposal; the host stores it.",
        opens_files,
    ),
    Rule(
        "A01",
        APP,
        "Code is imported by statement, so that import contracts see it.",
        loads_code_by_name,
        # X01 and X02 say it of the first, and more. The second reads mlx-lm's parsers without
        # importing mlx-lm, which would bring MLX into workers that run something else.
        except_in=(ADVISORY, TOOL_PARSERS),
    ),
    Rule(
        "A02",
        APP,
        "`import app...` binds the whole package and hides what is used: "
        "write `from app.zone.module import name`.",
        binds_bare_app,
    ),
    Rule(
        "A03",
        APP,
        "Only app.authority.permissions makes a Grant: ask it with `grant(...)`, or take the Grant "
        "as a parameter.",
        makes_grant,
        except_in=(GRANT_MAKER,),
    ),
    Rule(
        "A04",
        APP,
        "This hides every fault: catch what you expect, or let it rise to the one place that "
        "answers 500.",
        swallows_everything,
    ),
    Rule(
        "A05",
        APP,
        "No code from a model is executed (C06): pass trust_remote_code=False.",
        trusts_remote_code,
    ),
    Rule("A06", APP, "No shell: pass a list of arguments.", runs_a_shell),
    Rule(
        "A07",
        APP,
        "One module reads the environment: take the value as a parameter, from app.settings.",
        reads_environment,
        except_in=(
            APP + "settings.py",
            APP + "cli/",  # another program: a client, with its own LMX_URL and LMX_KEY
            APP + "engines/process.py",  # hands a chosen part of it to the worker
            WORKER,
        ),
    ),
)
