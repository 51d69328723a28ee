"""A request's body of proposals: what no post is, and who records what is refused of one."""

from typing import Any

import pytest

from app.authority.advice.limits import A_POST
from app.domain.refusals import ProposalInvalid, TooManyProposals
from app.evidence.vocabulary import Kind as Event
from tests.fakes.advice import BOT, Desk, raw
from tests.fakes.tampering import unguarded


async def posted(desk: Desk, body: object) -> Any:
    return await desk.proposing.posted(BOT, body, request_id=None)


async def test_a_post_of_which_something_is_kept_says_what_was_not(desk: Desk) -> None:
    told = await posted(desk, {"proposals": [raw(), {}], "snapshot": None})
    assert (told["kept"], told["refused"]) == (1, 1)
    assert len(desk.events(Event.REFUSAL)) == 1


async def test_a_post_of_which_nothing_is_kept_raises_the_first_and_records_the_others(
    desk: Desk,
) -> None:
    with pytest.raises(ProposalInvalid, match="no/such") as caught:
        await posted(desk, {"proposals": [raw(target="no/such"), {}, raw(target="no/other")]})
    assert caught.value.act == "advice.propose"
    assert [one.subject for one in desk.events(Event.REFUSAL)] == ["", "no/other"], (
        "the first is recorded where it is answered"
    )


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "proposals",
        {},
        {"proposals": []},
        {"proposals": {}},
        {"proposals": [raw()], "author": "key:0"},
        {"proposals": [raw()], "snapshot": "ab"},
        {"proposals": [raw()], "snapshot": ["ab" * 32]},
        {"proposals": [raw()], "snapshot": "AB" * 32},
    ],
)
async def test_a_body_that_is_no_post_is_refused(desk: Desk, body: object) -> None:
    with pytest.raises(ProposalInvalid):
        await posted(desk, body)
    assert not desk.proposals.page()


async def test_a_post_has_so_many_at_most(desk: Desk) -> None:
    with pytest.raises(TooManyProposals):
        await posted(desk, {"proposals": [raw()] * (A_POST + 1)})
    assert (await posted(desk, {"proposals": [raw()] * A_POST}))["kept"] == A_POST


async def test_a_bot_that_repeats_itself_is_written_down_once_a_minute(desk: Desk) -> None:
    kept = await desk.kept()
    began = desk.clock.utc_us()
    for _ in range(130):  # one a second
        desk.clock.advance(1)
        assert (await desk.proposing.propose(BOT, [raw()], snapshot=None))["kept"] == 1
    now = desk.proposals.get(kept.id)
    assert (now.seen, now.seen_us - began) == (3, 120_000_000)


async def test_of_a_post_the_one_that_meets_a_damaged_row_is_refused_and_no_other(
    desk: Desk,
) -> None:
    kept = await desk.kept()
    with unguarded(desk.home) as connection:
        connection.execute("UPDATE advice_proposal SET body = x'00'")
    told = await desk.proposing.propose(BOT, [raw(), raw(target="lab/two")], snapshot=None)
    assert [one.get("new") for one in told["proposals"]] == [None, True]
    assert kept.id in told["proposals"][0]["refused"]["message"]
