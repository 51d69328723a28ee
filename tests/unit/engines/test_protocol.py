"""Frames survive any cutting; anything that is no frame is a FrameError and nothing else."""

import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.generation import (
    CallArguments,
    CallBegun,
    ChatPrompt,
    Constraint,
    Delta,
    FinishReason,
    Form,
    Reasoning,
    Sampling,
    TextPrompt,
    TokenLogprob,
    TokenPrompt,
    ToolMode,
    ToolUse,
)
from app.domain.shapes import Format
from app.domain.work import Detokenize, Embed, Rerank, Scores, Text, Tokenize, Tokens, Vectors
from app.engines import protocol
from app.engines.protocol import (
    MAX_FRAME_BYTES,
    MESSAGES,
    Cancel,
    Compute,
    Computed,
    Decoder,
    Deltas,
    FrameError,
    FrameTooLarge,
    Generate,
    Hello,
    Load,
    Loaded,
    LoadFailed,
    Message,
    Ping,
    Pong,
    SequenceEchoed,
    SequenceFinished,
    SequencePieces,
    SequenceRejected,
    SequenceStarted,
    TextDelta,
    encode,
)

whole = st.integers()
# Lone surrogates too: a client can send them in JSON, and they must not end a worker.
text = st.text(st.characters(exclude_categories=()))
json_values = st.recursive(
    st.none() | st.booleans() | whole | text,
    lambda inner: st.lists(inner) | st.dictionaries(text, inner),
    max_leaves=5,
)
number = st.floats(allow_nan=False, allow_infinity=False)
names = st.dictionaries(text, json_values)
calls = st.builds(
    ToolUse,
    st.lists(names).map(tuple),
    st.sampled_from(ToolMode),
    st.none() | text,
    st.booleans(),
)
prompts = (
    st.builds(TextPrompt, text)
    | st.builds(TokenPrompt, st.lists(whole).map(tuple))
    | st.builds(ChatPrompt, st.lists(names).map(tuple), calls, names)
)
samplings = st.builds(
    Sampling,
    temperature=st.none() | number,
    top_p=st.none() | number,
    seed=st.none() | whole,
    max_tokens=st.none() | whole,
    stop=st.lists(text).map(tuple),
    presence_penalty=number,
    logit_bias=st.lists(st.tuples(whole, number)).map(tuple),
    logprobs=st.none() | whole,
    constraint=st.none() | st.builds(Constraint, st.sampled_from(Form), json_values),
)
logprobs = st.builds(
    TokenLogprob,
    whole,
    st.binary(),
    st.none() | number,
    st.lists(st.tuples(whole, st.binary(), number)).map(tuple),
)
pieces = (
    st.builds(Delta, text, whole, st.lists(logprobs, max_size=2).map(tuple))
    | st.builds(Reasoning, text, whole)
    | st.builds(CallBegun, whole, text, text)
    | st.builds(CallArguments, whole, text, whole)
)
works = (
    st.builds(Tokenize, prompts, st.booleans())
    | st.builds(Detokenize, st.lists(whole).map(tuple))
    | st.builds(Embed, st.lists(prompts, max_size=2).map(tuple), st.none() | whole)
    | st.builds(Rerank, text, st.lists(text).map(tuple))
)
results = (
    st.builds(Tokens, st.lists(whole).map(tuple), st.lists(st.binary()).map(tuple))
    | st.builds(Text, text)
    | st.builds(Vectors, st.lists(st.binary()).map(tuple), st.lists(whole).map(tuple))
    | st.builds(Scores, st.lists(number).map(tuple), st.lists(whole).map(tuple))
)
messages: st.SearchStrategy[Message] = st.one_of(
    st.builds(Hello, whole, whole),
    st.builds(Load, whole, text, text, whole, whole, whole, whole, st.sampled_from(Format)),
    st.builds(Loaded, whole, whole, whole, whole),
    st.builds(LoadFailed, text, st.booleans()),
    st.builds(Generate, whole, prompts, samplings, text),
    st.builds(Compute, whole, works),
    st.builds(Computed, whole, results),
    st.builds(Cancel, whole),
    st.builds(SequenceStarted, whole, whole),
    st.builds(SequenceEchoed, whole, text, st.lists(logprobs, max_size=2).map(tuple)),
    st.builds(Deltas, st.lists(st.builds(TextDelta, whole, text, whole)).map(tuple)),
    st.builds(SequencePieces, whole, st.lists(pieces, max_size=3).map(tuple)),
    st.builds(
        SequenceFinished,
        whole,
        st.sampled_from(FinishReason),
        whole,
        whole,
        whole,
        whole,
        st.none() | text,
    ),
    st.builds(SequenceRejected, whole, text, text, st.none() | text),
    st.builds(Ping, whole),
    st.builds(Pong, whole, whole, whole),
)


def frame(tag: int, body: bytes) -> bytes:
    return struct.pack(">IB", len(body) + 1, tag) + body


@given(st.lists(messages, max_size=5), st.lists(st.integers(1, 40), min_size=1))
def test_frames_survive_any_cutting(sent: list[Message], cuts: list[int]) -> None:
    stream = b"".join(map(encode, sent))
    decoder, received, at = Decoder(), [], 0
    for cut in (cuts * (len(stream) + 1))[: len(stream)]:
        received += decoder.feed(stream[at : at + cut])
        at += cut
    assert received == sent
    assert decoder.pending_bytes == 0


@given(st.binary(max_size=200))
def test_garbage_is_a_frame_error_or_waits_for_more(garbage: bytes) -> None:
    decoder = Decoder()
    try:
        assert list(decoder.feed(garbage)) == []
    except FrameError:
        return
    assert decoder.pending_bytes == len(garbage)


@given(st.sampled_from(sorted(MESSAGES)), json_values)
def test_any_json_in_any_message_is_a_message_or_a_frame_error(tag: int, value: Any) -> None:
    try:
        (message,) = Decoder().feed(frame(tag, json.dumps(value).encode()))
    except FrameError:
        return
    assert isinstance(message, MESSAGES[tag])


@given(messages, st.data())
def test_a_truncated_frame_is_no_message(message: Message, data: st.DataObject) -> None:
    whole_frame = encode(message)
    cut = data.draw(st.integers(0, len(whole_frame) - 1))
    assert list(Decoder().feed(whole_frame[:cut])) == []


def test_an_oversized_length_is_refused_before_its_bytes_come() -> None:
    with pytest.raises(FrameTooLarge):
        list(Decoder().feed(struct.pack(">I", MAX_FRAME_BYTES + 1)))


def test_an_oversized_message_is_refused_by_the_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MAX_FRAME_BYTES", 100)
    with pytest.raises(FrameTooLarge):
        encode(LoadFailed("x" * 100, out_of_memory=False))


def test_what_came_before_garbage_is_still_a_message() -> None:
    messages = Decoder().feed(encode(Ping(1)) + encode(Ping(2)) + b"\xff" * 64)
    assert next(messages) == Ping(1)
    assert next(messages) == Ping(2)
    with pytest.raises(FrameError):
        next(messages)


def test_an_empty_frame_is_refused() -> None:
    with pytest.raises(FrameError):
        list(Decoder().feed(struct.pack(">I", 0)))


@pytest.mark.parametrize(
    ("tag", "body"),
    [
        (99, b"{}"),
        (11, b"not json"),
        (11, b"[]"),
        (11, b"{}"),
        (11, b'{"serial": 1, "more": 2}'),
        (11, b'{"serial": true}'),
        (11, b'{"serial": 1.0}'),
        (11, b'{"serial": "\xff"}'),
        (11, b"[" * 100_000),
        (8, b'{"items": [[1, "a"]]}'),
        (8, b'{"items": [[1, 2, 3]]}'),
        (
            9,
            (
                b'{"handle":1,"reason":"tired","prompt_tokens":1,"completion_tokens":1,'
                b'"cached_tokens":0,"reasoning_tokens":0,"stop":null}'
            ),
        ),
        (15, b'{"handle":1,"pieces":[["Finished","a",1]]}'),
        (15, b'{"handle":1,"pieces":[["Reasoning","a"]]}'),
        (15, b'{"handle":1,"pieces":[["Delta","a",1,[["TokenLogprob",1,"?","x",[]]]]]}'),
        (13, b'{"handle":1,"work":["Generate"]}'),
    ],
)
def test_a_body_that_does_not_fit_its_message_is_a_frame_error(tag: int, body: bytes) -> None:
    with pytest.raises(FrameError):
        list(Decoder().feed(frame(tag, body)))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "true", '"1"'])
def test_sampling_takes_finite_numbers_or_nothing(number: str) -> None:
    asked = Generate(1, TextPrompt("a"), Sampling(temperature=0.5))
    body = encode(asked)[5:].replace(b"0.5", number.encode())
    with pytest.raises(FrameError):
        list(Decoder().feed(frame(5, body)))


def test_what_json_cannot_carry_is_refused_by_the_sender() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    for content in (deep, object(), float("nan")):
        prompt = ChatPrompt(({"role": "user", "content": content},))
        with pytest.raises(FrameError):
            encode(Generate(1, prompt, Sampling()))


def test_every_message_has_a_number_of_its_own() -> None:
    assert len(set(MESSAGES.values())) == len(MESSAGES)
    assert set(MESSAGES.values()) == set(Message.__args__)
