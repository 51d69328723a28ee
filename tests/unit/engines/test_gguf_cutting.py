"""No text is too long for llama.cpp's tokenizers, and cutting it changes none of its tokens."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from app.domain.shapes import Format
from app.engines.protocol import VERSION, Load
from app.engines.worker.gguf import language
from app.engines.worker.gguf.cutting import pieces
from tests.gguf_models import STARTER_CUTS, tiny_gguf
from tests.workers import opened_gguf

WORDS = (
    "the",
    "rain",
    "don't",
    "12",
    "x",
    "漢字",
    "été",
    "🙂",
    "a,",
    "(b)",
    "<|im_end|>",
    "\n",
    "  ",
)


def test_pieces_join_to_the_text_and_are_short() -> None:
    draw = random.Random(2)
    for _ in range(200):
        text = " ".join(draw.choice(WORDS) for _ in range(draw.randint(0, 60)))
        cut = list(pieces(text, 20))
        assert "".join(cut) == text
        assert all(len(piece) <= 20 for piece in cut)


def test_a_text_is_cut_before_a_word() -> None:
    assert list(pieces("one two three four", 9)) == ["one two", " three", " four"]
    assert list(pieces("x" * 7, 3)) == ["xxx", "xxx", "x"]


def test_a_cut_text_has_the_tokens_of_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tiny_gguf(tmp_path / "m", cuts=STARTER_CUTS, chat_template=None)
    spec = Load(VERSION, "m", str(directory), 256, 1, 2**32, 0, Format.GGUF)
    known = opened_gguf(spec).language
    draw = random.Random(3)
    text = " ".join(draw.choice(("the rain", *WORDS)) for _ in range(600))
    whole = known.encode(text, special=True)
    monkeypatch.setattr(language, "LONGEST", 300)
    monkeypatch.setattr(language, "pieces", lambda text: pieces(text, 300))
    assert known.encode(text, special=True) == whole


READ = """
import sys, threading
from app.domain.shapes import Format
from app.engines.protocol import VERSION, Load
from app.engines.worker.gguf.backend import open_model

language = open_model(Load(VERSION, "m", sys.argv[1], 256, 1, 2**32, 0, Format.GGUF)).language

def read():
    for one in ("a", " ", "1", "\\n", "!", chr(0x1F600), "ab 12!\\n"):
        text = one * 60_000
        assert language.decode(language.encode(text, special=True)) == text

thread = threading.Thread(target=read)
thread.start()
thread.join()
print("read")
"""


@pytest.mark.parametrize("cuts", ["bloom", "tekken", "gpt-4o"])
def test_a_poison_text_does_not_overflow_the_stack(tmp_path: Path, cuts: str) -> None:
    directory = tiny_gguf(tmp_path / "m", cuts=cuts, chat_template=None)
    command = [sys.executable, "-c", READ, str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stdout) == (0, "read\n"), done.stderr[-500:]
