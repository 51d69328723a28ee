"""What the boundary rules look at: each check says of one syntax node whether it breaks its rule.

They are for code whose author may be wrong, or in a hurry. Whoever means to get around them finds a
way; what holds against that is the child process that advice runs in (docs/advice.md).
"""

import ast
from collections.abc import Callable
from typing import Final

Check = Callable[[ast.AST], bool]

LOADS_CODE: Final = frozenset("__import__ exec eval compile".split())
REACHES_AROUND: Final = frozenset(
    "__builtins__ __loader__ __spec__ globals locals vars getattr setattr delattr "
    "breakpoint input help".split()
)
# Modules hang off modules (`json.codecs.open`), so these names are refused as attributes too.
ATTRIBUTES_THAT_REACH_OUT: Final = frozenset(
    "modules builtins bltns codecs exec eval importlib inspect os pathlib settrace setprofile "
    "sys system popen".split()
)
# What annotations hold as text, these run as code.
EVALUATES: Final = frozenset("get_type_hints ForwardRef evaluate_forward_ref".split())
# From a frame it is one step to everything that the interpreter holds.
FRAMES: Final = frozenset(
    "gi_frame cr_frame ag_frame tb_frame f_back f_globals f_locals f_builtins gi_code "
    "f_code".split()
)
WRITES: Final = frozenset(
    "open write_text write_bytes unlink touch mkdir rmdir rename symlink_to hardlink_to "
    "chmod".split()
)
DUNDERS_ANYONE_MAY_READ: Final = frozenset(
    "__name__ __doc__ __init__ __post_init__ __members__".split()
)
PRIVATE_ANYONE_MAY_READ: Final = frozenset("_fields _replace _asdict _make".split())


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


def imports_other_than(allowed: frozenset[str], of_app: tuple[str, ...]) -> Check:
    """Whether anything comes from elsewhere than these modules and these parts of the app."""

    def check(node: ast.AST) -> bool:
        modules = imported_modules(node)
        if isinstance(node, ast.ImportFrom):
            # `from app import domain` is judged by what it takes, all else by where it takes it.
            modules = modules[1:] if node.module == "app" else modules[:1]
        return any(
            module.split(".")[0] not in allowed and not is_in(module, of_app) for module in modules
        )

    return check


def runs_code(node: ast.AST) -> bool:
    """Any mention counts, so that an alias (`run = eval`) is caught where it is made."""
    if isinstance(node, ast.Name):
        return node.id in LOADS_CODE | EVALUATES
    if isinstance(node, ast.ImportFrom):
        return any(alias.name in EVALUATES for alias in node.names)
    return isinstance(node, ast.Attribute) and node.attr in EVALUATES


def reaches_around(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(attr=name, value=holder):
            own = isinstance(holder, ast.Name) and holder.id in {"self", "cls"}
            return _reaches(name, own=own)
        case ast.MatchClass(kwd_attrs=names):  # `case object(__class__=found)` reads it too
            return any(_reaches(name, own=False) for name in names)
        case ast.ImportFrom(names=taken):
            return any(_reaches(alias.name, own=False) for alias in taken)
        case ast.Name(id=name):
            return name in REACHES_AROUND
    return False


def _reaches(name: str, *, own: bool) -> bool:
    """Whether an attribute leads out of what an advisor was given. `own`: of the object itself."""
    if name.startswith("__") and name.endswith("__"):
        return name not in DUNDERS_ANYONE_MAY_READ
    private = name.startswith("_") and not own and name not in PRIVATE_ANYONE_MAY_READ
    return private or name in ATTRIBUTES_THAT_REACH_OUT | FRAMES


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
