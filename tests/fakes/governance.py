"""An in-memory stand-in for the use cases of approvals; grants, plans, proofs, states are real."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.authority.approvals.plans import Asked, Drawn, Plan, plan
from app.authority.approvals.rendering import render
from app.authority.approvals.transitions import (
    ENDED,
    MEANINGS,
    OPEN,
    OWNERS,
    Cause,
    State,
    after,
)
from app.authority.permissions import Permission, grant
from app.domain.actors import Actor, Role
from app.domain.refusals import (
    AskNotFound,
    AskNotOpen,
    ConfirmationRequired,
    Forbidden,
    InvalidRequest,
    PlanMismatch,
    ProofRequired,
    Refusal,
)
from app.evidence.decision_proof import decision_proof

Json = dict[str, Any]

KIND = "model_delete"
PULL = "model_pull"
PULL_BYTES = 1_000
KINDS = {KIND: Permission.MODEL_DELETE, PULL: Permission.MODEL_PULL}
NOW_US = 1_790_000_000_000_000
DAY_US = 86_400_000_000
_CAUSES = {"approve": Cause.QUORUM, "reject": Cause.REJECT, "veto": Cause.VETO}


def plan_of(subject: str, nonce: str, reason: str = "", **changed: Any) -> Plan:
    asker = Actor("key:operator", "operator", frozenset({Role.OPERATOR}), "p-00000001")
    asked = Asked(
        act=KIND,
        actor=asker,
        reason=reason,
        policy_hash="cd" * 32,
        nonce=nonce,
        created_us=NOW_US,
        approve_by_us=NOW_US + DAY_US,
        execute_by_us=NOW_US + 2 * DAY_US,
    )
    known: dict[str, Any] = {
        "subject": subject,
        "verb": "delete",
        "phrase": f"yes, delete {subject}",
        "irreversible": True,
        "targets": ({"kind": "model", "id": subject, "digest": "ab" * 32},),
        "bytes_freed": 5_242_880,
        "grace_s": 86_400,
    }
    return plan(asked, Drawn(**known | changed))


@dataclass
class FakeGovernance:
    """One person decides (solo). `secrets` are the keys' by actor id; `done`: what was executed."""

    secrets: Mapping[str, str] = field(default_factory=dict)
    asks: dict[str, Json] = field(default_factory=dict)
    plans: dict[str, Plan] = field(default_factory=dict)
    challenges: set[tuple[str, str, str]] = field(default_factory=set)
    done: list[str] = field(default_factory=list)
    effect: Json = field(
        default_factory=lambda: {
            "outcome": "done",
            "freed_bytes": 5_242_880,
            "files": 3,
            "failed": [],
            "reason": "",
            "data": {},
        }
    )

    def add(
        self,
        ask_id: str,
        state: State,
        reason: str = "",
        subject: str = "lab/echo",
        *,
        act: str = KIND,
        params: Mapping[str, Any] | None = None,
    ) -> Json:
        changed = {"effects": {"fetch_bytes": PULL_BYTES}} if act == PULL else {}
        made = plan_of(subject, ask_id, reason, **changed)
        self.plans[ask_id] = made
        self.asks[ask_id] = {
            "id": ask_id,
            "act": act,
            "subject": subject,
            "params": dict(params or {"model": subject}),
            "state": str(state),
            "reason": reason,
            "plan_hash": made.hash,
            "phrase": made.body["phrase"],
            "asker": {"id": "key:operator", "person": "p-00000001"},
            "created_us": NOW_US,
            "approve_by_us": NOW_US + DAY_US,
            "execute_by_us": NOW_US + 2 * DAY_US,
            "meaning": MEANINGS[state],
            "waits_for": OWNERS[state],
            "ended_us": None,
            "run": None,
            "again_of": None,
            "why": None,
        }
        return self.asks[ask_id]

    async def ask(
        self,
        actor: Actor,
        act: str,
        params: Mapping[str, Any],
        reason: str = "",
        request_id: str | None = None,
    ) -> Json:
        grant(actor, KINDS.get(act, Permission.MODEL_DELETE), subject=act)
        if act not in KINDS:
            raise InvalidRequest(f"There is no act called {act}.", param="act")
        ask_id = f"{len(self.asks) + 1:08x}"
        subject = str(params.get("name", params.get("model", "lab/echo")))
        self.add(ask_id, State.PENDING, reason, subject, act=act, params=params)
        return self._shown(actor, ask_id)

    async def list(self, actor: Actor, *, state: str | None = None, **how: Any) -> Json:
        grant(actor, Permission.ASK_READ)
        try:
            going = set(State) - ENDED
            wanted = going if state == "open" else set(State) if state is None else {State(state)}
        except ValueError:
            raise InvalidRequest("There is no such state.", param="state") from None
        found = [ask for ask in self.asks.values() if ask["state"] in wanted]
        kept = {name: value for name, value in how.items() if name in ("act", "subject") and value}
        rows = [{**self._risk(a), **a} for a in found if kept.items() <= a.items()]
        return {"asks": rows, "next": None}

    async def show(
        self, actor: Actor, ask_id: str, *, width: int = 60, whole: bool = False
    ) -> Json:
        grant(actor, Permission.ASK_READ, subject=ask_id)
        return self._shown(actor, ask_id, width=width, whole=whole)

    async def decide(
        self,
        actor: Actor,
        ask_id: str,
        decision: str,
        *,
        plan_hash: str,
        confirmation: str | None,
        challenge: str,
        proof: str,
        reason: str = "",
    ) -> Json:
        ask = self._get(ask_id)
        self._check_decider(actor, ask)
        if ask["state"] != (State.APPROVED if decision == "veto" else State.PENDING):
            raise AskNotOpen(f"Ask {ask['id']} is {ask['state']}.")
        if plan_hash != ask["plan_hash"]:
            raise PlanMismatch("That is another plan. Read it again.")
        if decision == "approve" and confirmation != self.plans[ask["id"]].typed:
            raise ConfirmationRequired("To approve, type the phrase and the end of the hash.")
        if decision != "approve" and not reason.strip():
            raise InvalidRequest("Say why.", param="reason")
        self._check_proof(actor, ask, decision, challenge, proof)
        ask["state"] = str(after(State(ask["state"]), _CAUSES[decision]))
        ask["why"] = reason or None
        return self._shown(actor, ask["id"])

    async def withdraw(self, actor: Actor, ask_id: str) -> Json:
        grant(actor, Permission.ASK_WITHDRAW, subject=ask_id)
        ask = self._get(ask_id)
        if ask["state"] not in OPEN:
            raise AskNotOpen(f"Ask {ask['id']} is {ask['state']}.")
        ask["state"] = str(after(State(ask["state"]), Cause.WITHDRAW))
        return self._shown(actor, ask["id"])

    async def execute(self, actor: Actor, ask_id: str) -> Json:
        grant(actor, Permission.ASK_EXECUTE, subject=ask_id)
        ask = self._get(ask_id)
        if ask["state"] != State.APPROVED:
            raise AskNotOpen(f"Ask {ask['id']} is {ask['state']}.")
        self.done.append(ask["id"])
        ask["state"] = self.effect["outcome"]
        return {"ask": dict(ask), "effect": dict(self.effect), "answer": {}}

    async def again(self, actor: Actor, ask_id: str) -> Json:
        ask = self._get(ask_id)
        grant(actor, Permission.MODEL_DELETE, subject=ask["subject"])
        if ask["state"] not in ENDED:
            raise AskNotOpen(f"Ask {ask['id']} is {ask['state']}.")
        return await self.ask(actor, ask["act"], ask["params"], ask["reason"])

    async def acts(self, actor: Actor) -> Sequence[Json]:
        grant(actor, Permission.ASK_READ)
        named = {"act": KIND, "meaning": "Delete a model.", "phrase": "yes, delete NAME"}
        return [named | {"permission": str(Permission.MODEL_DELETE)}]

    # --- private ----------------------------------------------------------------------------

    def _get(self, ask_id: str) -> Json:
        found = [ask for known, ask in self.asks.items() if known.startswith(ask_id)]
        if len(found) != 1 or len(ask_id) < 3:
            raise AskNotFound(f"No ask is called {ask_id}.")
        return found[0]

    def _shown(self, actor: Actor, ask_id: str, *, width: int = 60, whole: bool = False) -> Json:
        ask = self._get(ask_id)
        known = self.plans[ask["id"]]
        why_not = self._why_not(actor, ask)
        shown = {
            **ask,
            "plan": dict(known.body),
            "rendered": list(render(known.bytes, width=width, whole=whole)),
            "typed_hint": known.typed,
            "decisions": [],
            "needed": [],
            "drift": [],
            "you": {
                "may_approve": not why_not and ask["state"] == State.PENDING,
                "why_not": why_not,
                "may_execute": True,
                "asked": actor.person == ask["asker"]["person"],
            },
        }
        if not why_not and ask["state"] in OPEN:
            shown["challenge"] = f"{len(self.challenges):032x}"
            self.challenges.add((shown["challenge"], actor.id, ask["id"]))
        return shown

    def _risk(self, ask: Json) -> Json:
        body = self.plans[ask["id"]].body
        facts = {name: body[name] for name in ("irreversible", "bytes_freed")}
        return facts if ask["state"] not in ENDED else {}

    def _why_not(self, actor: Actor, ask: Json) -> str:
        try:
            self._check_decider(actor, ask)
        except Refusal as refusal:
            return refusal.message
        return ""

    def _check_decider(self, actor: Actor, ask: Json) -> None:
        grant(actor, Permission.ASK_DECIDE, subject=ask["id"])
        if actor.person is None:
            raise Forbidden("A decision is a person's.")

    def _check_proof(
        self, actor: Actor, ask: Json, decision: str, challenge: str, proof: str
    ) -> None:
        given = (challenge, actor.id, ask["id"])
        digest = hashlib.sha256(self.secrets.get(actor.id, "").encode()).digest()
        right = decision_proof(
            digest, decision=decision, plan_hash=ask["plan_hash"], challenge=challenge
        )
        if given not in self.challenges or proof != right.hex():
            raise ProofRequired("Fetch the ask again and answer its challenge.")
        self.challenges.remove(given)
