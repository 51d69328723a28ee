"""Modules of this project from memory: read before the walls stand, run after.

So that no file has to stay in reach. The one place that compiles source by itself.
"""

import _imp
import sys
import zipimport
from collections.abc import Callable, Mapping, Sequence
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType
from typing import Any, Final

_LIST: Final = "files.txt"
"""In the bundle: the files that may be loaded once the walls stand, a line each."""
_NEEDED: Final = frozenset(
    "__main__ app.domain builtins codecs contextlib copy copyreg io keyword numbers operator "
    "reprlib sys types weakref".split()
)
"""What the interpreter and the library ask for by name while they run."""
_REACHES: Final = frozenset(
    "_ctypes _imp _posixsubprocess _signal _socket _thread _frozen_importlib_external".split()
)


class Sources:
    """A finder and loader over `{"app/domain/refusal.py": source}`."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = dict(files)

    @classmethod
    def bundled(cls) -> "Sources":
        """Those of the bundle that this process was started from."""
        archive = zipimport.zipimporter(sys.path[0])
        names = archive.get_data(_LIST).decode().splitlines()
        return cls({name: archive.get_data(name) for name in names})

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        sys.audit("import", name)  # an import by function is heard nowhere else
        found = self._file(name)
        if found is None:
            return None
        is_package = found.endswith("/__init__.py")
        loader: Any = self  # `importlib.abc` has a class for it, which loads half of the library
        return ModuleSpec(name, loader, origin=found, is_package=is_package)

    def create_module(self, spec: ModuleSpec) -> None:
        del spec  # an ordinary module will do

    def exec_module(self, module: ModuleType) -> None:
        spec = module.__spec__
        if spec is None or spec.origin is None:
            raise ImportError(f"not a module of these: {module.__name__}")
        exec(self._code(spec.origin), module.__dict__)  # noqa: S102 - what importing is

    def _code(self, file: str) -> CodeType:
        return compile(self._files[file], file, "exec", dont_inherit=True)

    def _file(self, name: str) -> str | None:
        stem = name.replace(".", "/")
        return next(
            (file for file in (f"{stem}/__init__.py", f"{stem}.py") if file in self._files), None
        )

    def take_over(self) -> None:
        """From here on: what is loaded, and what is here. No path, and nothing that is built in."""
        itself: Any = self
        sys.meta_path[:] = [itself]
        # Whoever holds a module that is built in holds its loader, which asks this for more.
        _imp.create_builtin = refuse_built_in
        sys.path[:] = []
        sys.path_hooks[:] = []
        sys.path_importer_cache.clear()


def refuse_built_in(spec: ModuleSpec) -> ModuleType:
    """In the place of what makes them. The event is told, and refused, by whoever hears it."""
    sys.audit("import", spec.name)
    raise ImportError(f"no module is built in any more: {spec.name}")


def files_loaded() -> frozenset[str]:
    """Of every module that is known by name now, this one among them."""
    files = (getattr(module, "__file__", None) for module in sys.modules.values())
    return frozenset(file for file in files if file is not None)


def forget_the_rest(importable: Callable[[str], bool]) -> None:
    """Modules go on working for those who hold them; nobody finds them by name, and none of these
    by way of the package that they are in, or of the program that was started."""
    for name in list(sys.modules):
        internal = name.startswith("_") and name not in _REACHES
        if not (internal or name in _NEEDED or importable(name)):
            del sys.modules[name]
    vars(sys.modules["app"]).pop("walled")
    sys.modules["__main__"] = ModuleType("__main__")
