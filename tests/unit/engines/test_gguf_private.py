"""A GGUF worker can be reached over its supervisor's socket and in no other way."""

import socket
import sys
from pathlib import Path

import psutil
import pytest

from app.domain.engine import LoadFailure, LoadSpec
from app.domain.generation import Sampling, Sequence, TextPrompt
from app.domain.shapes import Format
from app.engines.supervisor import WorkerHost
from tests.gguf_models import tiny_gguf


def spec(directory: Path) -> LoadSpec:
    return LoadSpec("tests/tiny", "0" * 64, directory, 256, 2, 2**32, format=Format.GGUF)


async def test_a_worker_listens_nowhere_and_holds_one_engine_only(tmp_path: Path) -> None:
    host = WorkerHost()
    engine = await host.start(None, spec(tiny_gguf(tmp_path / "model")))
    sequence = Sequence("one", TextPrompt("hello"), Sampling(max_tokens=4))
    assert [event async for event in engine.generate(None, sequence)]
    worker = psutil.Process(engine.facts.pid)
    try:
        for process in [worker, *worker.children(recursive=True)]:
            listening = [
                c for c in process.net_connections("all") if c.status == psutil.CONN_LISTEN
            ]
            internet = process.net_connections("inet")
            named = [c for c in process.net_connections("unix") if c.laddr or c.raddr]
            assert (listening, internet, named) == ([], [], [])
        if sys.platform == "linux":
            mapped = Path(f"/proc/{worker.pid}/maps").read_text(encoding="utf-8")
            assert "xllamacpp" in mapped
            assert "libmlx" not in mapped
            assert ".gguf" not in mapped  # read, not mapped: nobody can change it any more
    finally:
        await host.close()


def test_what_this_looks_for_would_be_found() -> None:
    own = psutil.Process()
    with socket.create_server(("127.0.0.1", 0)) as server:
        found = [c for c in own.net_connections("inet") if c.status == psutil.CONN_LISTEN]
        assert server.getsockname() in [tuple(c.laddr) for c in found]


@pytest.mark.parametrize("kept", [50, 5000])
async def test_a_file_that_was_cut_fails_the_load_with_a_reason(tmp_path: Path, kept: int) -> None:
    directory = tiny_gguf(tmp_path / "model")
    file = directory / "model.gguf"
    file.write_bytes(file.read_bytes()[:kept])
    host = WorkerHost()
    with pytest.raises(LoadFailure) as failed:
        await host.start(None, spec(directory))
    await host.close()
    assert failed.value.reason.startswith("llama.cpp cannot load model.gguf: ")
    assert not failed.value.out_of_memory
