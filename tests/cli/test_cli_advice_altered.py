"""`lmx advice ls` of a row that another program changed."""

from app.authority.advice.kept import Damaged
from tests.cli.runs import Run
from tests.fakes.authority_http import FakeAuthority


def test_one_that_was_altered_is_said_to_be_whatever_its_state(
    lmx: Run, authority: FakeAuthority
) -> None:
    altered = Damaged(
        id="0badcafe",
        author="key:1",
        kind="delete",
        target="lab/\x1b[2Jone",
        state="dismissed",
        created_us=1,
        why="its bytes have another hash",
    ).as_plain()
    authority.scripted["/authority/proposals"] = {"proposals": [altered], "next": None}
    ended = lmx("advice", "ls", "--state", "all")
    assert "ALTERED: Proposal 0badcafe in the database" in ended.out
    assert "\x1b" not in ended.out
