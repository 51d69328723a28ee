"""Whatever is in the log and whatever is asked: the answer is what reading every body gives."""

from collections import Counter
from contextlib import closing
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.authority.ledger import counting, questions
from app.authority.ledger.counting import BY, counts, total
from app.authority.ledger.filters import Filter
from app.authority.ledger.questions import page
from app.authority.ledger.reasons import Reasons
from tests.fakes.asked_log import START_US, Body, body, indexed, is_like

DAY = 86_400_000_000
PEOPLE = [("key:1", "p1", ["client"]), ("key:2", "p1", ["auditor", "client"])]
PEOPLE += [("key:2", None, ["operator"]), ("system", None, []), ("anonymous", None, ["client"])]
WORDS = ["", "no", "%", "_", "'", '"; DROP', "a\0b", "STRASSE", "straße", "ǅ", "no room", "\u202e"]
MODELS = ["lab/a", "lab/b", "", "key 1", "/authority/keys"]
TIMES = st.sampled_from([0, 1, DAY - 1, DAY, -DAY, 400 * DAY, -60_000 * DAY])

word = st.sampled_from(WORDS)
model = st.sampled_from(MODELS)
number = st.integers(0, 9).map(str)


@st.composite
def logs(draw: st.DrawFn) -> list[Body]:
    now, found = START_US, []
    for seq in range(1, draw(st.integers(0, 14)) + 1):
        now += draw(st.one_of(st.integers(0, 5), TIMES))
        actor, person, roles = draw(st.sampled_from(PEOPLE))
        kind = draw(st.sampled_from(["load_intent", "load_outcome", "refusal", "shutdown"]))
        data: dict[str, Any] = {}
        for name, values in (
            ("reason", word),
            ("message", word),
            ("digest", word),
            ("plan", number),
            ("model", model),
            ("run", number),
            ("permission", st.sampled_from(["model.load", "keys.manage"])),
        ):
            if draw(st.booleans()) and (value := draw(values)):
                data[name] = value
        found.append(
            body(
                seq,
                ts_utc_us=now,
                kind=kind,
                actor={"id": actor, "person": person, "roles": roles},
                subject=draw(model),
                outcome=draw(st.sampled_from([None, "done", "failed", "%"])),
                intent_seq=draw(st.integers(1, 9)) if kind == "load_outcome" else None,
                request_id=draw(st.sampled_from([None, "r1", "r2"])),
                data=data,
            )
        )
    return found


moment = st.one_of(
    st.integers(-3, 20).map(lambda step: START_US + step),
    TIMES.map(lambda step: START_US + step),
    st.sampled_from([-(2**70), 2**70, 0]),
)
filters = st.builds(
    Filter,
    since_us=st.none() | moment,
    until_us=st.none() | moment,
    kind=st.none() | st.sampled_from(["load_intent", "refusal", "shutdown", "' OR 1=1 --"]),
    action=st.none() | st.sampled_from(["model.load", "refuse", "stop", "keys.manage"]),
    actor=st.none() | st.sampled_from(["key:1", "key:2", "system", "key:%", "\ud800"]),
    person=st.none() | st.sampled_from(["p1", "p_"]),
    role=st.none() | st.sampled_from(["client", "auditor", "auditor,client", "cli", ""]),
    outcome=st.none() | st.sampled_from(["done", "failed", "%"]),
    model=st.none() | model,
    digest=st.none() | word,
    plan=st.none() | number,
    run=st.none() | number | st.sampled_from(["01", "9" * 30, "-1", "x"]),
    request_id=st.none() | st.sampled_from(["r1", "r2"]),
    subject=st.none() | model,
    text=st.none() | word | st.sampled_from(["NO", "room no", "STRASSE", "ss", "x"]),
)
few = st.builds(  # most questions have one or two filters
    lambda asked, kept: Filter(**{n: getattr(asked, n) for n in kept}),
    filters,
    st.sets(st.sampled_from(Filter.__slots__), max_size=2),
)


@pytest.mark.parametrize("newest_first", [False, True])
@given(log=logs(), wanted=few | filters, limit=st.integers(1, 5), budget=st.integers(1, 20))
def test_all_pages_together_are_what_reading_every_body_gives(
    newest_first: bool, log: list[Body], wanted: Filter, limit: int, budget: int
) -> None:
    right = [one["seq"] for one in log if is_like(wanted, one)]
    found: list[int] = []
    after, reasons = 0, Reasons()
    with (
        closing(indexed(log)) as connection,
        mock.patch.multiple(questions, IN_ORDER=budget, SCATTERED=budget),
    ):
        for _ in range(len(log) + 2):
            got = page(
                connection, wanted, reasons, after=after, limit=limit, newest_first=newest_first
            )
            assert len(got.seqs) <= limit
            assert got.span.size == len(log)
            assert all(got.span.first_seq <= seq <= got.span.last_seq for seq in got.seqs)
            found += got.seqs
            if got.next is None:
                break
            assert got.next != after
            after = got.next
        else:
            pytest.fail("the pages never end")
    assert found == (right[::-1] if newest_first else right)


@given(log=logs(), wanted=few | filters, lookups=st.sampled_from([0, 100_000]))
def test_totals_and_counts_are_what_reading_every_body_gives(
    log: list[Body], wanted: Filter, lookups: int
) -> None:
    right = [one for one in log if is_like(wanted, one)]
    said = {
        "day": lambda one: one["ts_utc_us"] // DAY,
        "outcome": lambda one: one["outcome"],
        "kind": lambda one: one["kind"],
        "actor": lambda one: one["actor"]["id"],
    }
    with closing(indexed(log)) as connection, mock.patch.object(counting, "_LOOKUPS", lookups):
        assert total(connection, wanted, Reasons()) == len(right)
        for by, names in BY.items():
            expected = Counter(tuple(said[name](one) for name in names) for one in right)
            found = counts(connection, wanted, Reasons(), by)
            assert {one.values: one.events for one in found} == expected
