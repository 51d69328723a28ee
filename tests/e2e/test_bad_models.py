"""No file of a model, at import or later in the store, gets past the authority or hurts it."""

import json
import os
import pickle
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.asking import (
    TINY,
    a_problem,
    chat,
    command_refused,
    complete,
    edit,
    post,
    problem,
    recorded,
    refused,
    still_answers,
    stored_weights,
)
from tests.e2e.server import RunningServer, running_server
from tests.model_files import claims_500_gb
from tests.models import tiny_model

LOOP = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
REACH = "{{ messages.__class__.__mro__[1].__subclasses__() }}"

Damage = Callable[[Path], None]


def empty(model: Path) -> None:
    (model / "model.safetensors").write_bytes(b"")


def truncated(model: Path) -> None:
    os.truncate(model / "model.safetensors", (model / "model.safetensors").stat().st_size - 1000)


def _with_header(model: Path, change: Callable[[dict[str, dict[str, list[int]]]], None]) -> None:
    """Rewrite the header of the weights, which then lies about the bytes that follow."""
    weights = (model / "model.safetensors").read_bytes()
    end = 8 + struct.unpack("<Q", weights[:8])[0]
    header = json.loads(weights[8:end])
    change(header)
    body = json.dumps(header).encode()
    (model / "model.safetensors").write_bytes(struct.pack("<Q", len(body)) + body + weights[end:])


def lying_about_a_shape(model: Path) -> None:
    _with_header(model, lambda header: header["model.norm.weight"]["shape"].append(2))


def lying_about_an_offset(model: Path) -> None:
    def beyond_the_file(header: dict[str, dict[str, list[int]]]) -> None:
        header["lm_head.weight"]["data_offsets"][1] += 10**12

    _with_header(model, beyond_the_file)


def overlapping(model: Path) -> None:
    def same_bytes(header: dict[str, dict[str, list[int]]]) -> None:
        first, second = "input_layernorm", "post_attention_layernorm"
        offsets = header[f"model.layers.0.{first}.weight"]["data_offsets"]
        header[f"model.layers.0.{second}.weight"]["data_offsets"] = offsets

    _with_header(model, same_bytes)


def header_longer_than_the_file(model: Path) -> None:
    (model / "model.safetensors").write_bytes(struct.pack("<Q", 2**63) + b"{}")


def config_not_json(model: Path) -> None:
    (model / "config.json").write_text("model_type: llama", "utf-8")


def config_too_deep(model: Path) -> None:
    (model / "config.json").write_text('{"a":' * 50_000, "utf-8")


def link_out(model: Path) -> None:
    (model / "notes.json").symlink_to("/etc/passwd")


def pickled(model: Path) -> None:
    (model / "pytorch_model.bin").write_bytes(pickle.dumps({"weights": [1]}))


def pickle_by_another_name(model: Path) -> None:
    (model / "model-extra.safetensors").write_bytes(pickle.dumps({"weights": [1]}))


def code(model: Path) -> None:
    (model / "modeling_tiny.py").write_text("import os\n", "utf-8")


BAD: dict[Damage, str] = {
    empty: "model.safetensors",
    truncated: "model.safetensors",
    lying_about_a_shape: "model.safetensors",
    lying_about_an_offset: "model.safetensors",
    overlapping: "model.safetensors",
    header_longer_than_the_file: "model.safetensors",
    config_not_json: "config.json",
    config_too_deep: "config.json",
    link_out: "notes.json",
    pickled: "pytorch_model.bin",
    pickle_by_another_name: "model-extra.safetensors",
    code: "modeling_tiny.py",
}


def entries_of(store: Path) -> set[Path]:
    return set(store.rglob("*"))


@pytest.mark.parametrize(("damage", "path"), BAD.items(), ids=[d.__name__ for d in BAD])
def test_bad_files_are_refused_on_record_and_nothing_of_them_is_kept(
    tiny: RunningServer, tmp_path: Path, damage: Damage, path: str
) -> None:
    model = tiny_model(tmp_path / "model", seed=3)
    damage(model)
    before = entries_of(tiny.home / "store")
    name = f"bad/{damage.__name__}"
    answer = import_over_http(tiny, model, name)
    assert path in a_problem(answer, 400, "intake_refused")["detail"]
    assert path in recorded(tiny, "intake_refused", name)["body"]["data"]["message"]
    assert entries_of(tiny.home / "store") == before
    refused(chat(tiny, "hello", model=name), 404, "model_not_found")


def import_over_http(server: RunningServer, model: Path, name: str) -> dict[str, object]:
    """The last word on an import that is refused, before its first line or after."""
    with server.authority() as authority:
        response = authority.post("/models/import", json={"path": str(model), "name": name})
    last = json.loads(response.text.splitlines()[-1])
    found: dict[str, object] = last.get("error", last)
    return found


def test_the_command_line_says_the_same_in_a_sentence(tiny: RunningServer, tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "model")
    truncated(model)
    done = tiny.lmx("models", "import", str(model), "--name", "bad/truncated-here")
    command_refused(done, 3, "model.safetensors", "[intake_refused]")
    missing = tiny.lmx("models", "import", str(tmp_path / "nowhere"))
    command_refused(missing, 2, "neither a directory nor a .gguf file")


@pytest.mark.parametrize("path", ["/nowhere/at/all", "/proc/self", "/", "/a\0b", "/dev/null"])
def test_a_path_that_holds_no_model_is_refused_on_record(tiny: RunningServer, path: str) -> None:
    with tiny.authority() as authority:
        problem(authority.post("/models/fit", json={"path": path}), 400, "intake_refused")
        answer = authority.post("/models/import", json={"path": path, "name": "bad/path"})
    problem(answer, 400, "intake_refused")
    recorded(tiny, "intake_refused", "bad/path")


def test_other_bytes_under_a_name_that_is_taken_are_refused(
    tiny: RunningServer, tmp_path: Path
) -> None:
    done = tiny.lmx("models", "import", str(tiny_model(tmp_path / "m", seed=4)), "--name", TINY)
    command_refused(done, 3, TINY, "[model_exists]")
    recorded(tiny, "model_exists", TINY)


@pytest.mark.parametrize(("template", "words"), [(LOOP, "longer than 1 s"), (REACH, "template")])
def test_a_hostile_chat_template_costs_its_own_request_only(
    tiny: RunningServer, tmp_path: Path, template: str, words: str
) -> None:
    name = f"tests/template-{len(template)}"
    tiny.import_model(tiny_model(tmp_path / "model", chat_template=template, seed=5), name)
    complete(tiny, "load it first", model=name, max_tokens=1)
    began = time.monotonic()
    error = refused(chat(tiny, "hello", model=name), 400, "invalid_prompt")
    assert time.monotonic() - began < 60  # rendered to its end it would take days
    assert words in error["message"]
    assert "subclass" not in error["message"]
    still_answers(tiny, name)


def test_edited_bytes_are_found_at_load_and_put_the_model_in_quarantine(
    tiny: RunningServer, tmp_path: Path
) -> None:
    name = "tests/edited-in-the-store"
    source = tiny_model(tmp_path / "model", seed=6)
    tiny.import_model(source, name)
    complete(tiny, "it loads", model=name, max_tokens=1)
    assert tiny.lmx("models", "unload", name).returncode == 0
    edit(stored_weights(tiny, name))
    found = post(tiny, "/v1/completions", {"model": name, "prompt": "a"})
    assert "model.safetensors" in refused(found, 409, "digest_mismatch")["message"]
    recorded(tiny, "digest_mismatch", name)
    verified = tiny.events(kind="model_verified", subject=name)[0]
    assert verified["outcome"] == "digest_mismatch"
    with tiny.authority() as authority:
        assert authority.get(f"/models/{name}").json()["trust"] == "quarantined"
        problem(authority.post(f"/models/{name}/load", json={}), 403, "model_not_verified")
    refused(chat(tiny, "hello", model=name), 403, "model_not_verified")
    # The bytes put back by another import, it answers again.
    tiny.import_model(source, name)
    complete(tiny, "it loads", model=name, max_tokens=1)


def test_a_directory_that_claims_500_gb_does_not_fit_and_costs_no_time(
    tiny: RunningServer, tmp_path: Path
) -> None:
    claimed = claims_500_gb(tmp_path / "huge")
    done = tiny.lmx("models", "fit", str(claimed), "--json")
    command_refused(done, 3, "GiB too much", "choose a smaller one")
    answer = json.loads(done.stdout)
    assert answer["verdict"] == "does_not_fit"
    assert answer["need"]["weights_bytes"] == 500 * 10**9
    assert (
        sum(v for k, v in answer["need"].items() if k != "total_bytes")
        == (answer["need"]["total_bytes"])
    )
    with tiny.authority() as authority:
        authority.get("/status")
        began = time.monotonic()
        verdict = authority.post("/models/fit", json={"path": str(claimed)}).json()["verdict"]
        assert time.monotonic() - began < 30  # to read them takes minutes
    assert verdict == "does_not_fit"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 80 MiB; the store keeps 64 MiB of it free."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=80m,mode=0700", "tmpfs", str(place)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only an account that may mount can have a small disk of its own")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.timeout(600)  # a server of its own, imports of 55 MB, and a disk to fill
def test_an_import_on_a_full_disk_leaves_nothing_behind_and_the_server_serves(
    small_disk: Path, tmp_path: Path, tiny_directory: Path
) -> None:
    big = tiny_model(tmp_path / "big", hidden=512, layers=6)
    home = small_disk / "home"
    with running_server(home) as server:
        server.import_model(tiny_directory, TINY)
        before = entries_of(home / "store")
        problem_found = import_over_http(server, big, "tests/big")
        a_problem(problem_found, 507, "disk_full")
        assert entries_of(home / "store") == before
        recorded(server, "disk_full", "tests/big")
        done = server.lmx("models", "import", str(big), "--name", "tests/big")
        command_refused(done, 1, "free", "[disk_full]")
        still_answers(server)
        # The ledger cannot be written any more: no act, but an answer that says why.
        (small_disk / "filler").write_bytes(b"")
        fill(small_disk / "filler")
        refused(chat(server, "hi", model="lmx/starter"), 503, "audit_unavailable")
        still_answers(server)
        (small_disk / "filler").unlink()
        assert server.lmx("models", "load", "lmx/starter").returncode == 0


def fill(file: Path) -> None:
    with file.open("ab", buffering=0) as opened:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    opened.write(b"\0" * size)
            except OSError:
                continue
