"""Text pieces are whole characters, and joined they are what the tokenizer decodes at once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models

from app.engines.worker.text import ByteTextStream, TextStream, TextStreams, WindowTextStream
from tests.models import tiny_model, vocabulary

WORDS = ["▁the", "▁a", "s", "▁", "é", "世", "▁lamp", "</s>", "界", "."]


def sentencepiece() -> Tokenizer:
    """Byte tokens first, then words that begin with the visible space."""
    names = [f"<0x{byte:02X}>" for byte in range(256)] + WORDS
    vocab = {name: number for number, name in enumerate(names)}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[], byte_fallback=True))
    tokenizer.add_special_tokens(["</s>"])
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return tokenizer


SENTENCEPIECE = sentencepiece()


def stream_all(stream: TextStream, tokens: list[int]) -> list[str]:
    return [*(stream.add(token) for token in tokens), stream.flush()]


def ids_of(text: str) -> list[int]:
    """Words where there is one, bytes elsewhere."""
    known = {name: SENTENCEPIECE.token_to_id(name) for name in WORDS}
    tokens: list[int] = []
    for letter in text:
        name = letter.replace(" ", "▁")
        tokens += [known[name]] if name in known else list(letter.encode())
    return tokens


@given(st.text("ab é世界😀 .\n", max_size=40))
def test_window_pieces_join_to_the_whole_decoding(text: str) -> None:
    tokens = ids_of(text)
    pieces = stream_all(WindowTextStream(SENTENCEPIECE.decode), tokens)
    assert "".join(pieces) == SENTENCEPIECE.decode(tokens)
    assert all("\ufffd" not in piece for piece in pieces)


@given(st.lists(st.sampled_from([SENTENCEPIECE.token_to_id(word) for word in WORDS])))
def test_leading_spaces_and_special_tokens_are_as_in_the_whole(tokens: list[int]) -> None:
    pieces = stream_all(WindowTextStream(SENTENCEPIECE.decode), tokens)
    assert "".join(pieces) == SENTENCEPIECE.decode(tokens)


@given(st.lists(st.integers(128, 255), min_size=100, max_size=200))
def test_nonsense_bytes_do_not_hold_text_back_for_ever(tokens: list[int]) -> None:
    stream = WindowTextStream(SENTENCEPIECE.decode)
    assert "".join(stream.add(token) for token in tokens) != ""


@pytest.fixture(scope="module")
def hugging_face(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Callable[[], TextStream]]:
    from transformers import PreTrainedTokenizerFast

    directory: Path = tiny_model(tmp_path_factory.mktemp("model"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(directory / "tokenizer.json"))
    return tokenizer, TextStreams(tokenizer, directory)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tokens=st.lists(st.integers(0, len(vocabulary()) + 5), max_size=60))
def test_byte_pieces_join_to_the_whole_decoding(
    hugging_face: tuple[Any, Callable[[], TextStream]], tokens: list[int]
) -> None:
    tokenizer, new_stream = hugging_face
    stream = new_stream()
    assert isinstance(stream, ByteTextStream)
    known = [token for token in tokens if token < len(vocabulary())]
    whole = tokenizer.decode(known, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    # Rows that only pad the vocabulary are no text.
    assert "".join(stream_all(stream, tokens)) == whole


@given(text=st.text(max_size=40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_piece_holds_half_a_character(
    hugging_face: tuple[Any, Callable[[], TextStream]], text: str
) -> None:
    tokenizer, new_stream = hugging_face
    tokens = tokenizer.encode(text, add_special_tokens=False)
    pieces = stream_all(new_stream(), tokens)
    assert "".join(pieces) == text
    assert all(piece in text for piece in pieces)
