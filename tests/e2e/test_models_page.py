"""Every command that docs/models.md shows works as shown, one after the other."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import gguf
import pytest

from tests.e2e.asking import until
from tests.e2e.conversation import governed
from tests.e2e.server import ROOT, RunningServer, running_server, type_to_lmx
from tests.encoder_models import tiny_bert
from tests.fakes.caches import hub_cache
from tests.fakes.hub import KNOWN_REPO as REPO
from tests.fakes.hub import FakeHub, serving_hub
from tests.fakes.signed_models import Publisher
from tests.gguf_models import tiny_gguf
from tests.models import tiny_model

PAGE = (ROOT / "docs" / "models.md").read_text("utf-8")
FENCED = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
COMMANDS = [line for block in FENCED.findall(PAGE) for line in block.splitlines()]
WEIGHTS = "model.safetensors"
ADOPTED = "models--org--model"
GGUF_REPO = "mlx-community/tiny-GGUF"
ACME = Publisher()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the reader is: a directory with models, and with the key of somebody who signs."""
    made = tmp_path_factory.mktemp("reader")
    tiny_model(made / "my-model", seed=1)
    tiny_bert(made / "all-MiniLM-L6-v2")
    named_gguf(made, "tiny-Q4_K_M", seed=5)
    named_gguf(made, "tiny-embedding-Q8_0", seed=6, pooling=gguf.PoolingType.MEAN)
    hub_cache(made, tiny_model(made / "adopted", seed=2))
    (made / "acme.pub").write_bytes(ACME.pem)
    signed = tiny_model(made / "signed", seed=4)
    files = {path.name: path.read_bytes() for path in signed.iterdir()}
    (signed / "model.sig").write_bytes(ACME.signature(files))
    return made


def named_gguf(place: Path, name: str, **model: Any) -> Path:
    """A file of that name beside the others."""
    made = tiny_gguf(place / f"{name}-made", **model) / "model.gguf"
    return made.rename(place / f"{name}.gguf")


@contextmanager
def offering(hub: FakeHub, place: Path) -> Iterator[None]:
    """The hub has the repository of GGUF files meanwhile."""
    repo, files = hub.repo, hub.files
    hub.repo = GGUF_REPO
    hub.files = {
        f"tiny-{kind}.gguf": named_gguf(place, f"hub-{kind}", seed=seed).read_bytes()
        for kind, seed in (("Q4_K_M", 7), ("Q8_0", 8))
    }
    try:
        yield
    finally:
        hub.repo, hub.files = repo, files


@pytest.fixture(scope="module")
def hub(place: Path) -> Iterator[FakeHub]:
    with serving_hub(FakeHub(repo=REPO).holds(tiny_model(place / "pulled", seed=3))) as serving:
        yield serving


@pytest.fixture(scope="module")
def server(place: Path, hub: FakeHub) -> Iterator[RunningServer]:
    with running_server(place / "home", hub={"endpoint": hub.url, "hosts": []}) as running:
        yield running


def damage(server: RunningServer) -> None:
    """Other bytes in the pulled model's weights."""
    with server.authority() as authority:
        digest = authority.get(f"/models/{REPO}").json()["digest"]
    view = server.home / "store" / "models" / digest
    view.chmod(0o700)
    path = view / WEIGHTS
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1] + b"!")


def run(server: RunningServer, place: Path, shown: str) -> tuple[int, str]:
    """How the command ends and what it says; whoever has to type types what they are asked."""
    here = shown.replace("~/models", str(place)).replace("hf org/model", f"hf {place / ADOPTED}")
    words = shlex.split(here)
    match words[:3]:
        case ["lmx", "models", "rm"]:
            phrase = f"yes, delete {words[3]}"
            return governed(*words[1:], phrase=phrase, environment=server.environment)
        case ["lmx", "models", "confirm"]:
            with server.authority() as authority:
                digest = authority.get(f"/models/{words[3]}").json()["digest"]
            typed = f"yes, confirm {words[3]} {digest[-6:]}"
            return type_to_lmx(*words[1:], typed=typed, environment=server.environment)
        case ["lmx", "models", "pull"] if "--yes" not in words:
            return type_to_lmx(*words[1:], typed="y", environment=server.environment)
        case ["lmx", *_]:
            done = server.lmx(*words[1:])
            return done.returncode, done.stdout + done.stderr
    ran = subprocess.run(
        ["bash", "-c", shown],
        cwd=place,
        env=server.environment | {"LMX_HOME": str(server.home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return ran.returncode, ran.stdout + ran.stderr


def test_the_page_shows_every_command_about_getting_and_keeping_models() -> None:
    shown = {" ".join(shlex.split(line)[1:3]) for line in COMMANDS if line.startswith("lmx")}
    models = "fit import pull confirm adopt show verify alias pin unpin note rm"
    models += " set load unload"
    assert shown == {f"models {m}" for m in models.split()} | {
        *("store trash", "store restore", "store ls"),
    }


@pytest.mark.timeout(600)  # thirty commands, each a process of its own
def test_the_commands_of_the_page_work_in_the_order_they_are_shown(
    server: RunningServer, place: Path, hub: FakeHub
) -> None:
    for shown in COMMANDS:
        before = hub.content_bytes
        if "--repair" in shown:
            damage(server)
            assert server.lmx("models", "verify", "--all").returncode == 1
        with offering(hub, place) if GGUF_REPO in shown else nullcontext():
            code, said = run(server, place, shown)
        assert code == 0, f"{shown}\n{said}"
        if "--repair" in shown:
            until(lambda before=before: hub.content_bytes - before >= len(hub.files[WEIGHTS]))
            assert hub.content_bytes - before == len(hub.files[WEIGHTS])
            assert REPO in said
            with server.authority() as authority:
                assert authority.get(f"/models/{REPO}").json()["trust"] == "verified"


def test_the_starter_is_repaired_from_the_files_that_came_with_it(server: RunningServer) -> None:
    with server.authority() as authority:
        digest = authority.get("/models/lmx/starter").json()["digest"]
    view = server.home / "store" / "models" / digest
    view.chmod(0o700)
    (view / "config.json").chmod(0o600)
    (view / "config.json").write_text("{}")
    assert server.lmx("models", "verify", "lmx/starter").returncode != 0
    done = server.lmx("models", "verify", "lmx/starter", "--repair", "--yes")
    assert done.returncode == 0, done.stderr
    assert "the files that came with LMX Authority" in done.stderr
    assert "verified" in done.stdout


def test_a_signed_model_says_whose_signature_it_has(server: RunningServer, place: Path) -> None:
    signed = str(place / "signed")
    signers = server.home / "signers"
    signers.mkdir(mode=0o700, exist_ok=True)
    trusted = signers / "acme.pub"
    trusted.unlink(missing_ok=True)
    trusted.symlink_to(place / "acme.pub")
    taken = server.lmx("models", "import", signed, "--name", "me/linked")
    assert "by a key that nobody here trusts" in taken.stdout
    assert "is a link" in (server.home / "logs" / "server.log").read_text()
    trusted.unlink()
    trusted.write_bytes(ACME.pem)
    trusted.chmod(0o600)
    taken = server.lmx("models", "import", signed, "--name", "me/signed")
    assert "holds, by acme" in taken.stdout, taken.stderr
    assert "holds, by acme" in server.lmx("models", "show", "me/signed").stdout
    (place / "signed" / "config.json").write_bytes(
        (place / "signed" / "config.json").read_bytes() + b"\n"
    )
    refused = server.lmx("models", "import", signed, "--name", "me/changed")
    assert refused.returncode == 3
    assert "config.json" in refused.stderr
    assert server.lmx("models", "show", "me/changed").returncode == 1
