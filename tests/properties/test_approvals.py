"""Whatever persons, clocks, drift, lost keys and restarts do in whatever order: nothing is executed
twice, and nothing without enough words of those who may give them at that moment.
"""

import asyncio
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from app.authority.approvals.parts import Limits
from app.authority.approvals.profiles import SOLO, Group, Profile, ProfileKind
from app.authority.approvals.transitions import State
from app.authority.approvals.values import Ask
from app.authority.warrants import Warrant
from app.domain.actors import Role
from app.domain.refusals import Refusal
from tests.fakes.asks import Office, Toy, open_office
from tests.fakes.database import connections_closed
from tests.fakes.offices import asks_of, recovered, states, verified, whole

HOUR_S = 3600
PEOPLE = ("owner", "ann", "bob", "ann2", "advisor", "operator")
PERSONS = {"ann2": "ann"}

some = st.integers(min_value=0, max_value=30)
person = st.sampled_from(PEOPLE)


class Checked(Toy):
    """A toy that looks, at the moment it is performed, whether it was to be.

    What it finds is kept: an exception would be one of the act's failures, which are no defects.
    """

    office: Office

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    async def perform(self, warrant: Warrant) -> Any:
        ask = self.office.parts.asks.get(warrant.ask)
        if ask.state is not State.CLAIMED or warrant.plan_hash != ask.plan:
            self.found.append("nobody claimed it")
        if not allowed(self.office, ask):
            self.found.append("nobody who may has approved it")
        if self.office.parts.clock.utc_us() >= ask.execute_by_us:
            self.found.append("its time was over")
        return await super().perform(warrant)


def allowed(office: Office, ask: Ask) -> bool:
    """The rule, said anew: who approved and still may, and whether they are enough."""
    with office.engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT approval.person FROM approval WHERE ask = ? AND plan = ?"
            " AND decision = 'approve' AND EXISTS (SELECT 1 FROM access_key JOIN key_person"
            " ON key_person.key_id = access_key.id WHERE key_person.person = approval.person"
            " AND access_key.revoked_us IS NULL AND access_key.roles LIKE '%approver%')",
            (ask.id, ask.plan),
        ).scalars()
        persons = set(rows)
    if office.profile.kind is ProfileKind.SOLO:
        return bool(persons)
    (group,) = office.profile.groups
    return len((persons - {ask.asker_person}) & group.persons) >= group.quorum


class Approvals(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.scratch = Path(tempfile.mkdtemp())
        self.closing = connections_closed()
        self.closing.__enter__()
        toy = Checked()
        self.office = toy.office = open_office(self.scratch / "home", toy=toy)
        self.office.limits = Limits(a_minute=10**6)
        hire = self.office.hire
        hire("ann", "approver")
        hire("bob", "approver", "operator")
        hire("ann2", "approver", person=self.office.actor("ann").person)
        hire("advisor", "advisor")
        hire("operator", "operator")
        self.gone: set[str] = set()
        self.asked: list[str] = []

    # --- what anybody may do ----------------------------------------------------------------

    @rule(who=person, name=st.sampled_from(["x", "y"]))
    def only_ask(self, who: str, name: str) -> None:
        self.ask(who, name)

    def ask(self, who: str, name: str) -> None:
        if who not in self.gone:
            made = self._try(lambda: self.office.ask(self.office.actor(who), name=name))
            if made is not None:
                self.asked.append(made.id)

    @rule(who=st.sampled_from(["owner", "bob", "operator"]))
    def ask_and_approve(self, who: str) -> None:
        self.ask(who, "z")
        for other in ("owner", "ann", "bob"):
            self.decide(other, 0, "approve")

    @rule(who=person, which=some, decision=st.sampled_from(["approve"] * 4 + ["reject", "veto"]))
    def decide(self, who: str, which: int, decision: str) -> None:
        found = self._ask(which)
        if found is not None and who not in self.gone:
            self._try(lambda: self.office.decide(who, found, decision))

    @rule(who=st.sampled_from(["owner", "owner", "bob", "operator", "advisor"]), which=some)
    def execute(self, who: str, which: int) -> None:
        found = self._ask(which)
        if found is not None and who not in self.gone:
            actor = self.office.actor(who)
            self._try(lambda: asyncio.run(self.office.execute(found, actor)))

    @rule(who=person, which=some, again=st.booleans())
    def take_back(self, who: str, which: int, again: bool) -> None:
        found = self._ask(which)
        if found is None or who in self.gone:
            return
        asking, actor = self.office.governance.asking, self.office.actor(who)
        made = self._try(lambda: (asking.again if again else asking.withdraw)(actor, found.id))
        if made is not None and made.id not in self.asked:
            self.asked.append(made.id)

    # --- what happens meanwhile -------------------------------------------------------------

    @rule(hours=st.sampled_from([1, 1, 10, 30]), jump=st.sampled_from([0, 0, -30, 30]))
    def time_passes(self, hours: int, jump: int) -> None:
        self.office.parts.clock.utc_us()
        self.office.clock.jump(jump * HOUR_S)
        self.office.clock.advance(hours * HOUR_S)
        self.office.parts.expire_due()

    @rule(more=st.booleans(), stuck=st.booleans(), broken=st.booleans())
    def the_world_changes(self, more: bool, stuck: bool, broken: bool) -> None:
        toy = self.office.toy
        if more:
            toy.state[f"f{len(toy.state)}"] = 1
        toy.stuck = {"a"} if stuck else set()
        toy.fails = ValueError("broken") if broken else None

    @rule(who=st.sampled_from(PEOPLE[1:]))
    def lose_a_key(self, who: str) -> None:
        if who not in self.gone:
            self.office.revoke(who)
            self.gone.add(who)

    @rule(quorum=st.sampled_from([0, 1, 2]))
    def change_the_rule(self, quorum: int) -> None:
        if not quorum:
            self.office.profile = SOLO
            return
        with self.office.engine.connect() as connection:
            rows = connection.exec_driver_sql("SELECT id FROM person").scalars()
            everybody = frozenset(rows)
        group = Group("keepers", everybody, quorum)
        self.office.profile = Profile(ProfileKind.DUAL, (group,), 1)

    @rule(
        quorum=st.sampled_from([None, 0, 2, 3]),
        drift=st.booleans(),
        who=st.sampled_from(["owner", "bob"]),
    )
    def much_changes_between_approving_and_executing(
        self, quorum: int | None, drift: bool, who: str
    ) -> None:
        if who not in self.gone:
            self.ask_and_approve(who)
            if quorum is not None:
                self.change_the_rule(quorum)
            self.the_world_changes(drift, stuck=False, broken=False)
            self.execute(who, 0)

    @rule(claimed=st.booleans(), intended=st.booleans(), which=some)
    def restart(self, claimed: bool, intended: bool, which: int) -> None:
        """At rest, or after a claim, or after an intent that nothing followed."""
        found = self._ask(which)
        if claimed and found is not None and found.state is State.APPROVED:
            executing = self.office.governance.executing
            taken = self._try(lambda: executing._claim(self.office.owner, found))
            if taken is not None and intended:
                self._try(lambda: executing._begin(taken, self.office.owner))
        limits, toy = self.office.limits, self.office.toy
        self.office = self.office.reopened()
        self.office.limits = limits
        assert isinstance(toy, Checked)
        toy.office = self.office
        recovered(self.office)

    # --- what always holds ------------------------------------------------------------------

    @invariant()
    def nothing_was_done_that_was_not_allowed(self) -> None:
        assert self.office.toy.found == []  # type: ignore[attr-defined]

    @invariant()
    def no_plan_is_done_twice(self) -> None:
        done = Counter(w.plan_hash for w in self.office.toy.performed)
        for plan, times in done.items():
            (ask,) = [one for one in asks_of(self.office) if one.plan == plan]
            walked = states(self.office, ask)
            assert times <= walked.count(State.CLAIMED)
            assert walked.count(State.DONE) <= 1

    @invariant()
    def everything_is_recorded_and_along_the_table(self) -> None:
        whole(self.office)

    def teardown(self) -> None:
        self.office.close()
        verified(self.scratch / "home")
        self.closing.__exit__(None, None, None)
        shutil.rmtree(self.scratch)

    def _ask(self, which: int) -> Ask | None:
        if not self.asked:
            return None
        return self.office.parts.asks.get(self.asked[-1 - which % min(len(self.asked), 3)])

    def _try(self, act: Any) -> Any:
        """What a refusal stops is stopped; anything else is a defect."""
        try:
            return act()
        except Refusal:
            return None


Approvals.TestCase.settings = settings(
    max_examples=15, stateful_step_count=30, suppress_health_check=list(HealthCheck)
)


@pytest.mark.timeout(600)  # fifteen machines of thirty steps, on a busy machine
class TestApprovals(Approvals.TestCase):  # type: ignore[misc,valid-type]
    pass


def test_the_machines_rules_lead_to_every_end_of_an_execution() -> None:
    """A machine that never executes anything proves nothing; which rules it draws is chance."""
    machine = Approvals()
    machine.ask_and_approve("bob")
    machine.execute("owner", 0)
    changes = machine.much_changes_between_approving_and_executing
    changes(quorum=None, drift=True, who="bob")
    changes(quorum=3, drift=False, who="bob")
    seen = Counter(ask.state for ask in asks_of(machine.office))
    assert seen == {State.DONE: 1, State.STALE: 1, State.BLOCKED: 1}
    machine.nothing_was_done_that_was_not_allowed()
    machine.no_plan_is_done_twice()
    machine.everything_is_recorded_and_along_the_table()
    machine.teardown()


def test_the_rule_is_told_apart_from_its_absence(tmp_path: Path) -> None:
    """The machine's own judge says no where nobody approved: it could fail."""
    office = open_office(tmp_path / "home")
    ask = office.ask()
    assert not allowed(office, ask)
    assert allowed(office, office.decide("owner", ask))
    assert Role.APPROVER in office.owner.roles
    office.close()
