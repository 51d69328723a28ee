"""The quick look at a tile says yes exactly where the long one finds nothing."""

import json
from hashlib import sha256
from typing import Any

import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from app.evidence.indexing import TEXTS, index_row
from app.evidence.verification import quick
from app.evidence.verification.bodies import BodyInvalid, examined
from app.evidence.verification.quick import leaves_if_canonical, leaves_if_whole
from app.evidence.vocabulary import Kind

SEQ = 7
TEXT = st.text('ab,:{}[]"\\ \x00\x1f\x7fä𝄞/', max_size=6)
PLAIN = st.one_of(TEXT, st.none(), st.booleans(), st.integers(-(2**53) + 1, 2**53 - 1))
KEY = st.one_of(st.sampled_from(["a", "digests", "zz", *TEXTS]), TEXT)
VALUE = st.one_of(
    PLAIN, st.lists(PLAIN, max_size=3), st.dictionaries(KEY, st.one_of(PLAIN, st.just({})))
)
FRAGMENTS = (
    '"', ",", ":", "{", "}", "[", "]", "\\", "\n", " ", "\x00", "0", "1", "-", "-0", "01", ".0",
    "e1", "9007199254740993", "null", "true", "{}", "[]", '"a":1,', '"zz":1,', '"run":"x",',
    ',"a":1', '"person":null,', "\\u0061", "\\n", "v", "ä",
)  # fmt: skip


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), strategy)


EVENT = st.fixed_dictionaries(
    {
        "actor": st.one_of(
            st.fixed_dictionaries({"id": TEXT, "roles": st.lists(TEXT, max_size=2)}),
            st.fixed_dictionaries(
                {"id": TEXT, "person": maybe(TEXT), "roles": st.lists(TEXT, max_size=2)}
            ),
        ),
        "boot_id": st.just("b" * 99),  # where most of what is put in ends up
        "data": st.dictionaries(KEY, VALUE, max_size=4),
        "event_id": TEXT,
        "intent_seq": maybe(st.integers(0, 2**53 - 1)),
        "kind": st.sampled_from([str(kind) for kind in Kind]),
        "mono_us": st.integers(0, 2**53 - 1),
        "outcome": maybe(TEXT),
        "request_id": maybe(TEXT),
        "seq": st.just(SEQ),
        "subject": st.one_of(TEXT, st.sampled_from(["key 1", "publisher/model"])),
        "ts_utc_us": st.integers(0, 2**53 - 1),
    }
).map(lambda event: {**event, "v": len(event["actor"]) - 1})


def first_of_its_shape(event: dict[str, Any]) -> bytes:
    """Return the body, after which nothing is known of any event before it."""
    quick._shapes.clear()
    return rfc8785.dumps(event)


def is_right(body: bytes) -> bool:
    try:
        examined(body, SEQ, None)
    except BodyInvalid:
        return False
    return True


@given(EVENT)
def test_the_quick_look_derives_the_index_row_as_everybody_does(event: dict[str, Any]) -> None:
    body = first_of_its_shape(event)
    leaf = sha256(b"\x00" + body).digest()
    expected = tuple(index_row(json.loads(body)))
    rows = [(SEQ, event["event_id"], body, leaf)]
    for _ in range(2):  # the second time its shape is known
        assert leaves_if_whole(SEQ, rows, [expected], SEQ) == [leaf]
    for column in range(len(expected)):
        altered = (*expected[:column], "altered", *expected[column + 1 :])
        assert leaves_if_whole(SEQ, rows, [altered], SEQ) is None


@given(
    EVENT,
    st.lists(
        st.tuples(st.integers(0, 600), st.integers(0, 12), st.sampled_from(FRAGMENTS)),
        min_size=1,
        max_size=2,
    ),
)
def test_what_the_quick_look_takes_is_what_the_long_one_takes(
    event: dict[str, Any], edits: list[tuple[int, int, str]]
) -> None:
    body = first_of_its_shape(event)
    leaves_if_canonical(SEQ, [body])
    text = body.decode()
    for at, length, put in edits:
        place = at % (len(text) + 1)
        text = text[:place] + put + text[place + length :]
    changed = text.encode()
    assert (leaves_if_canonical(SEQ, [changed]) is not None) is is_right(changed)


@given(EVENT, st.sampled_from(["other", 0]))
def test_the_quick_look_sees_another_id_and_another_number(
    event: dict[str, Any], other: str | int
) -> None:
    body = first_of_its_shape(event)
    leaf = sha256(b"\x00" + body).digest()
    expected = tuple(index_row(json.loads(body)))
    for _ in range(2):
        if other == 0:
            assert (
                leaves_if_whole(SEQ + 1, [(SEQ + 1, event["event_id"], body, leaf)], [], 0) is None
            )
        else:
            assert leaves_if_whole(SEQ, [(SEQ, other, body, leaf)], [expected], SEQ) is None


def test_no_edit_of_a_body_is_taken_quickly_that_the_long_look_would_not_take() -> None:
    """Every fragment at every place, put in and put over what was there."""
    body = first_of_its_shape(
        {
            "actor": {"id": "key:1", "person": None, "roles": ["client", "operator"]},
            "boot_id": "b",
            "data": {"a": 1, "digest": "d", "files": ["x", 2], "found": {"b": 3, "c": False}},
            "event_id": "e",
            "intent_seq": 3,
            "kind": "load_outcome",
            "mono_us": 10,
            "outcome": None,
            "request_id": "r",
            "seq": SEQ,
            "subject": "publisher/model",
            "ts_utc_us": 20,
            "v": 2,
        }
    )
    assert leaves_if_canonical(SEQ, [body]) is not None
    for fragment in map(str.encode, FRAGMENTS):
        for place in range(len(body)):
            for over in (0, 1):
                changed = body[:place] + fragment + body[place + over :]
                quickly = leaves_if_canonical(SEQ, [changed]) is not None
                assert quickly is is_right(changed), changed
