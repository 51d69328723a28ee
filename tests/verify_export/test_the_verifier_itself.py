"""verify.py is one file of Python 3.9 that shares nothing with what wrote the export."""

import ast
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from app.evidence import merkle
from app.evidence.tiles import Tile
from tests.verify_export.exported import VERIFIER

# RFC 6962's tree over the inputs that Certificate Transparency's own tests use.
INPUTS = [
    bytes.fromhex(text)
    for text in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
# c2sp.org/signed-note's own example.
EXAMPLE_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE_NOTE = (
    "This is an example message.\n\n"
    "\u2014 example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2"
    "ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)


@pytest.fixture(scope="module")
def verifier() -> ModuleType:
    spec = importlib.util.spec_from_file_location("the_verifier", VERIFIER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["the_verifier"] = module
    spec.loader.exec_module(module)
    return module


def test_it_is_python_3_9_and_imports_the_standard_library_and_cryptography_alone() -> None:
    tree = ast.parse(VERIFIER.read_text("utf-8"), feature_version=(3, 9))
    named = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert named <= sys.stdlib_module_names | {"cryptography"}
    assert not named & {"importlib", "runpy", "ctypes", "subprocess", "socket", "pickle", "marshal"}
    calls = {
        n.func.id
        for n in ast.walk(tree)
        if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
    }
    assert not calls & {"__import__", "exec", "eval", "compile"}


def test_without_cryptography_it_says_how_to_get_it(made: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(made / "verify.py"), str(made)],
        cwd="/", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "pip install cryptography" in done.stderr


def test_it_runs_where_only_cryptography_is_installed(made: Path, tmp_path: Path) -> None:
    """Python without this environment, and a folder with the one package and what that needs."""
    import cryptography

    site = Path(cryptography.__file__).parents[1]
    for name in ("cryptography", "cffi", *(f.name for f in site.glob("_cffi_backend*"))):
        (tmp_path / name).symlink_to(site / name)
    run = f"import sys, runpy; sys.path.append({str(tmp_path)!r}); "
    run += "sys.argv = ['verify.py', *sys.argv[1:]]; "
    run += f"runpy.run_path({str(made / 'verify.py')!r}, run_name='__main__')"
    base = getattr(sys, "_base_executable", sys.executable)
    done = subprocess.run(
        [base, "-I", "-S", "-c", run, str(made)],
        cwd="/", env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_both_sides_agree_with_rfc_6962s_vectors(verifier: ModuleType, tmp_path: Path) -> None:
    leaves = [merkle.leaf_hash(entry) for entry in INPUTS]
    assert leaves == [verifier.leaf_hash(entry) for entry in INPUTS]
    for size, expected in enumerate(ROOTS, 1):
        file = tmp_path / str(size) / Tile(0, 0, size).path
        file.parent.mkdir(parents=True)
        file.write_bytes(b"".join(leaves[:size]))
        tree = verifier.Tree(tmp_path / str(size), size)
        assert tree.root(0, size).hex() == merkle.root(leaves[:size]).hex() == expected
        for index in range(size):
            proof = tree.inclusion_proof(index, size)
            root = bytes.fromhex(expected)
            assert verifier.verify_inclusion(leaves[index], index, size, proof, root)
            merkle.verify_inclusion(leaves[index], index, size, proof, root)
            assert not verifier.verify_inclusion(leaves[index], index, size, [*proof, root], root)
            assert not verifier.verify_inclusion(leaves[index] + b"", size, size, proof, root)
            if proof:
                assert not verifier.verify_inclusion(leaves[index], index, size, proof[:-1], root)


def test_it_reads_the_specifications_own_note(verifier: ModuleType) -> None:
    key = verifier.parse_key(EXAMPLE_KEY)
    note = verifier.parse_note(EXAMPLE_NOTE.encode())
    assert verifier.vouching(note, [key]) == [key]
    changed = note._replace(text="This is an example message!\n")
    with pytest.raises(verifier.Wrong, match="does not hold"):
        verifier.vouching(changed, [key])


@pytest.mark.parametrize("index", [0, 5, 999, 1000, 1234067, 999_999_999, 10**9])
def test_both_sides_put_a_tile_in_the_same_place(verifier: ModuleType, index: int) -> None:
    assert verifier.tile_path(0, index, 256) == Tile(0, index).path
    assert verifier.tile_path("entries", index, 7) == Tile(None, index, 7).path
    assert verifier.tile_path(1, 1234067, 256) == "tile/1/x001/x234/067"


def test_a_log_of_70_000_has_the_tiles_that_the_specification_counts(verifier: ModuleType) -> None:
    widths = [[width for _, width in verifier.row(count)] for _, count in verifier.levels(70_000)]
    assert widths == [[256] * 273 + [112], [256, 17], [1]]
    assert [list(verifier.row(n)) for _, n in verifier.levels(256)] == [[(0, 256)], [(0, 1)]]


def test_a_known_shape_takes_no_body_that_reading_and_writing_it_would_not(
    verifier: ModuleType,
) -> None:
    """Every edit at every place of a body whose shape was learned."""
    body = (
        b'{"actor":{"id":"k","roles":["a","b"]},"data":{"a":1,"b":{"c":-2,"d":null},"e":[3,"x"]},'
        b'"kind":"boot","mono_us":1750278012269274,"seq":7,"subject":"s","v":2}'
    )
    verifier.learn_shape(body, verifier.parse_canonical(body))
    edits = '" , : { } [ ] \\ \n \x00 0 1 - -0 01 .0 e1 9007199254740993 null "a":1, ,"a":1 \\n ä'
    taken = 0
    for edit in map(str.encode, (*edits.split(" "), " ")):
        for place in range(len(body)):
            for over in (0, 1):
                changed = body[:place] + edit + body[place + over :]
                if not verifier.is_of_known_shape(changed, 7):
                    continue
                taken += 1
                assert verifier.parse_canonical(changed)["seq"] == 7, changed
    assert taken > 300
    assert not verifier.is_of_known_shape(body, 8)
