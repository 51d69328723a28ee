"""An advisor that tries to get at the authority's code, by every known trick: none works."""

from collections.abc import Iterator

import pytest

from tests.hostile.world import World, said, told

# name -> what it does; what is told about it (None: it found nothing to try its hands at).
TRICKS: dict[str, tuple[str, tuple[str, str] | None]] = {
    "statement": ("import app.authority.permissions\nreturn app", ("import", "app.authority")),
    "from-import": ("from app import authority\nreturn authority", ("import", "app.authority")),
    "function": ("return __import__('app.authority.ledger')", ("import", "app.authority")),
    "builtins": (
        "import builtins\nreturn builtins.__import__('app.authority')",
        ("import", "app.authority"),
    ),
    "builtins-table": (
        "return __builtins__['__import__']('app.settings')",
        ("import", "app.settings"),
    ),
    "engines": ("import app.engines.advisor_host as h\nreturn h", ("import", "app.engines")),
    "walls": ("import app.walled.kernel as k\nreturn k", ("import", "app.walled")),
    "importlib": ("import importlib\nreturn importlib", ("import", "importlib")),
    "importlib-of-others": (
        "import dataclasses\nreturn dataclasses.inspect.importlib.import_module('app.authority')",
        ("import", "app.authority"),
    ),
    "modules": ("return sys.modules['app.authority']", None),
    "modules-of-the-server": (
        "return [name for name in sys.modules if 'authority' in name or 'sqlalchemy' in name]",
        None,
    ),
    "path": (
        "sys.path.insert(0, known['repo'])\nimport app.authority\nreturn app.authority",
        ("import", "app.authority"),
    ),
    "package-path": (
        (
            "import app\napp.__path__.insert(0, known['repo'] + '/app')\n"
            "import app.authority\nreturn app.authority"
        ),
        ("import", "app.authority"),
    ),
    "site-packages": (
        "sys.path.insert(0, known['psutil'])\nimport psutil\nreturn psutil",
        ("import", "psutil"),
    ),
    "site": ("import site\nreturn site.addsitedir(known['psutil'])", ("import", "site")),
    "zipimport": ("import zipimport\nreturn zipimport", ("import", "zipimport")),
    "runpy": ("import runpy\nreturn runpy", ("import", "runpy")),
    "pkgutil": ("import pkgutil\nreturn pkgutil", ("import", "pkgutil")),
    "pickle": (
        "import pickle\nreturn pickle.loads(b'capp.authority\\nledger\\n.')",
        ("import", "pickle"),
    ),
    "ctypes": ("import ctypes\nreturn ctypes.CDLL(None)", ("import", "ctypes")),
    "exec": ("exec('import app.authority')\nreturn True", ("code", "compile")),
    "eval": ("return eval('__import__(\"app.authority\")')", ("code", "compile")),
    "compile": ("return compile('import app.authority', 'x', 'exec')", ("code", "compile")),
    "type-hints": (
        (
            "import typing\n"
            "class Lure:\n"
            "    held: \"__import__('app.authority')\"\n"
            "return typing.get_type_hints(Lure)"
        ),
        ("import", "app.authority"),
    ),
    "frames": ("return sys._getframe(1).f_back", ("reach", "sys._getframe")),
    "frames-of-an-error": (
        (
            "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n"
            "    return error.__traceback__.tb_frame"
        ),
        ("reach", "object.__getattr__ tb_frame"),
    ),
    "frames-of-a-generator": (
        "return (one for one in ()).gi_frame",
        ("reach", "object.__getattr__ gi_frame"),
    ),
    "collector": ("import gc\nreturn gc.get_objects()", ("import", "gc")),
    "subclasses": (
        (
            "for one in object.__subclasses__():\n"
            "    if one.__name__ == '_wrap_close':\n"
            "        return one.__init__.__globals__['system']('true') == 0"
        ),
        ("start", "os.system"),
    ),
    "source-loader": (
        (
            "for one in object.__subclasses__():\n"
            "    for two in one.__subclasses__():\n"
            "        if 'FileLoader' in two.__name__:\n"
            "            file = known['repo'] + '/app/authority/permissions.py'\n"
            "            return two('app.authority.permissions', file).load_module()"
        ),
        None,
    ),
    "own-loader": (
        "import app\nreturn app.domain.__spec__.loader.load_module('app.authority')",
        None,
    ),
    "bundle-loader": ("import app\nreturn app.__loader__.get_data(known['key'])", None),
    "built-in-loader": (
        (
            "posix = sys.__loader__.load_module('posix')\n"
            "return posix.open(known['repo'] + '/app/authority/permissions.py', 0)"
        ),
        ("import", "posix"),
    ),
    "reload": (
        "import dataclasses, app\nreturn dataclasses.inspect.importlib.reload(app).authority",
        None,
    ),
    "finder": (
        (
            "class Finder:\n"
            "    def find_spec(self, name, path=None, target=None):\n"
            "        raise SystemExit(name)\n"
            "sys.meta_path.insert(0, Finder())\n"
            "import app.authority\nreturn app.authority"
        ),
        ("import", "app.authority"),
    ),
    "modules-made-anew": (
        "sys.modules.clear()\nimport app.authority\nreturn app.authority",
        ("import", "app"),
    ),
    "eval-of-a-hint": (
        (
            "import typing\n"
            "class Lure:\n"
            "    held: \"__import__('sys')._getframe(0).f_back\"\n"
            "return typing.get_type_hints(Lure)"
        ),
        ("reach", "sys._getframe"),
    ),
    "by-the-hand-of-a-dataclass": (
        (
            "import dataclasses, functools\n"
            "made = functools.partial(compile, 'import sys', 'not-an-advisors', 'exec')\n"
            "@dataclasses.dataclass\n"
            "class Lure:\n"
            "    held: object = dataclasses.field(default_factory=made)\n"
            "return Lure().held"
        ),
        ("code", "compile"),
    ),
    "bytecode": (
        "return (lambda: 0).__code__.replace(co_code=b'\\x7c\\xff\\x53\\x00')",
        ("reach", "object.__getattr__ __code__"),
    ),
    "frames-by-the-library": (
        (
            "import dataclasses\n"
            "try:\n    open('/etc/passwd')\nexcept OSError as error:\n"
            "    return dataclasses.inspect.getinnerframes(error.__traceback__, 0)"
        ),
        ("reach", "object.__getattr__ tb_frame"),
    ),
    "frames-by-the-inspector": (
        "import dataclasses\nreturn dataclasses.inspect.currentframe().f_back",
        ("reach", "sys._getframe"),
    ),
    "walls-by-their-package": ("import app\nreturn app.walled", None),
    "walls-by-the-finder": (
        "return sys.meta_path[0].find_spec.__func__.__globals__['importable']",
        None,
    ),
    "walls-by-the-program": ("return sys.modules['__main__'].main", None),
    "walls-by-their-classes": (
        (
            "for one in object.__subclasses__():\n"
            "    for held in list(vars(one).values()):\n"
            "        names = getattr(held, '__globals__', {})\n"
            "        if 'telltale' in names or 'importable' in names:\n"
            "            return one"
        ),
        None,
    ),
    "builtins-of-its-own": (
        (
            "import builtins\n"
            "ran, kept = [], (builtins.map, builtins.any, builtins.max)\n"
            "builtins.map = builtins.any = builtins.max = lambda *_: ran.append(_) or ''\n"
            "try:\n    open('/etc/passwd')\n"
            "except PermissionError:\n    pass\n"
            "finally:\n    builtins.map, builtins.any, builtins.max = kept\n"
            "return ran"
        ),
        ("open", "open /etc/passwd"),
    ),
    "second-hook": ("sys.addaudithook(lambda *_: None)", ("reach", "sys.addaudithook")),
    "tracing": ("sys.settrace(lambda *_: None)\nreturn True", ("reach", "sys.settrace")),
}


# These change what those after them would meet.
ALONE = ("finder", "modules-made-anew")


def parts() -> Iterator[list[str]]:
    """So many in one process that what they tell of is not cut off."""
    together = [name for name in TRICKS if name not in ALONE]
    for begin in range(0, len(together), 6):
        yield together[begin : begin + 6]
    for name in ALONE:
        yield [name]


@pytest.mark.parametrize("names", list(parts()), ids=" ".join)
def test_the_authority_is_out_of_reach(around: World, names: list[str]) -> None:
    went = around.run_all({name: TRICKS[name][0] for name in names}, marked=True)
    for name, (how, tried) in went.items():
        assert how.startswith(("stopped: ", "got nothing")), (name, how)
        if (expected := TRICKS[name][1]) is not None:
            found = [what for what, which in tried if which.startswith(expected[1])]
            assert found == [expected[0]], (name, tried)


def test_an_import_of_what_advice_may_have_is_not_told(around: World) -> None:
    """Everything of the list, and what the library itself asks for while it is used."""
    outcome = around.run(
        "import abc, bisect, collections, dataclasses, datetime, decimal, enum, fractions\n"
        "import functools, hashlib, heapq, itertools, json, math, re, statistics, string\n"
        "import textwrap, typing\n"
        "from app.domain.advice.snapshot import Snapshot\n"
        "made = dataclasses.make_dataclass('Made', ['a', 'b'])(1, 2)\n"
        "collections.namedtuple('Named', 'a b')\n"
        "datetime.datetime.strptime('2026-01-02', '%Y-%m-%d').strftime('%A')\n"
        "statistics.quantiles([1, 2, 3], n=20)\n"
        "statistics.NormalDist(1, 2).inv_cdf(0.5)\n"
        "decimal.Decimal('1.1').sqrt()\n"
        "enum.Enum('Letters', 'A B')\n"
        "functools.singledispatch(print)\n"
        "hashlib.sha256(b'x').hexdigest()\n"
        "re.compile(r'(?i)stra.e').match('x')\n"
        "json.loads(json.dumps(dataclasses.asdict(made)))\n"
        "textwrap.wrap('a b')\n"
        "typing.get_type_hints(Snapshot)\n"
    )
    assert (said(outcome), told(outcome), outcome.ended) == ("got nothing", [], "")
