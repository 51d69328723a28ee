"""Each advisor runs without the others: none can act as another, and a broken one hides none."""

from pathlib import Path

from app.domain.advice.contained import Order, Outcome
from app.engines.advisor_bundle import bundle
from app.engines.advisor_host import AdvisorHost
from tests.hostile.world import APP, SNAPSHOT, no_answer

REGISTRY = (APP / "_experimental" / "registry.py").read_text("utf-8")
TAKES_OVER = """\
from app._experimental import routing
from app._experimental.residency import Residency


def advise(self, snapshot):
    raise ValueError("somebody else's words")
    yield


Residency.advise = routing.Routing.advise = advise
RESIDENCY = routing.ROUTING
"""
WITH_ONE_MORE = f"""\
{REGISTRY}

def hostile():
    from app._experimental import hostile
    return hostile.RESIDENCY


ADVISORS = {{"hostile": hostile, **ADVISORS}}
"""


async def outcome(tmp_path: Path, order: Order, hostile: str = TAKES_OVER) -> Outcome:
    extra = {"registry": WITH_ONE_MORE, "hostile": hostile}
    made = bundle(tmp_path, {f"app/_experimental/{name}.py": one for name, one in extra.items()})
    return await AdvisorHost(bundle=made).run(order, no_answer)


async def test_what_one_does_to_the_others_nobody_meets(tmp_path: Path) -> None:
    for name in ("residency", "routing"):
        ran = await outcome(tmp_path, Order(do="advise", advisor=name, snapshot=SNAPSHOT))
        assert (ran.ended, ran.tried) == ("", ())


async def test_one_that_calls_itself_by_anothers_name_is_not_run(tmp_path: Path) -> None:
    ran = await outcome(tmp_path, Order(do="advise", advisor="hostile", snapshot=SNAPSHOT))
    assert "'hostile' calls itself 'routing'" in ran.ended
    assert ran.proposals == ()


async def test_one_that_cannot_be_imported_does_not_hide_the_others(tmp_path: Path) -> None:
    look = await outcome(tmp_path, Order(do="look"), hostile="raise ImportError('gone')")
    assert "residency" in [name for name, _, _ in look.described]
    assert "hostile" not in [name for name, _, _ in look.described]
    assert "gone" in look.ended
