"""Several people set up the same server at once: one of each thing comes of it."""

import threading
from collections.abc import Callable
from pathlib import Path

from app.authority.permissions import Permission, grant
from app.domain.refusals import Refusal
from app.evidence.vocabulary import Kind
from tests.fakes.governed import governed

AT_ONCE = 12
ADD = "yes, add this person"


def at_once(act: Callable[[], object]) -> list[str]:
    """What came of it for each: `done`, or the refusal's sentence."""
    results: list[str] = []
    barrier = threading.Barrier(AT_ONCE)

    def one() -> None:
        barrier.wait()
        try:
            act()
            results.append("done")
        except Refusal as refusal:
            results.append(refusal.message)

    threads = [threading.Thread(target=one) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_one_person_of_a_name_comes_of_many_who_name_them(tmp_path: Path) -> None:
    with governed(tmp_path / "home") as it:
        may = grant(it.owner, Permission.PERSON_NAME)
        results = at_once(lambda: it.people.add(may, "Ann Lee", ADD))
        assert results.count("done") == 1
        assert len(results) == AT_ONCE
        assert all("of that name" in said for said in results if said != "done")


async def test_one_profile_comes_of_many_who_require_it(tmp_path: Path) -> None:
    with governed(tmp_path / "home") as it:
        await it.hire("ann", "approver")
        results = at_once(lambda: it.tighten(1, "owner", "ann"))
        assert results.count("done") == 1
        assert len(results) == AT_ONCE
        assert it.profiles.current().version == 1
        assert len(it.office.ledger.events(kind=Kind.PROFILE_CHANGED)) == 1
