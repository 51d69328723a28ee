"""An in-memory stand-in for the use cases of advice; grants are real, answers are given."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.authority.advice.limits import A_POST
from app.authority.advice.plain import listed, mapping
from app.authority.advice.untrusted import read_digest
from app.authority.permissions import Permission, grant
from app.domain.actors import Actor

Json = dict[str, Any]

READ, DECIDE, RUN = Permission.ADVICE_READ, Permission.ADVICE_DECIDE, Permission.ADVICE_RUN
SNAPSHOT = b'{"digest":"%s","snapshot":{"version":1}}' % (b"ab" * 32)


@dataclass
class FakeAdvising:
    """`asked`: what was allowed, by name and arguments. It answers with `answers`, or with that."""

    asked: list[tuple[str, Json]] = field(default_factory=list)
    answers: Mapping[str, Json] = field(default_factory=dict)

    async def snapshot(self, actor: Actor) -> bytes:
        self._answer(actor, Permission.SNAPSHOT_READ, "snapshot")
        return SNAPSHOT

    async def propose(self, actor: Actor, body: object, request_id: str) -> Json:
        assert len(request_id) == 32
        grant(actor, Permission.PROPOSE)
        given = mapping(body, "body", required=("proposals",), optional=("snapshot",))
        listed(given["proposals"], "proposals", 1, A_POST)
        if given.get("snapshot") is not None:
            read_digest(given["snapshot"])
        return self._answer(actor, Permission.PROPOSE, "propose", body=body)

    async def list(self, actor: Actor, **how: Any) -> Json:
        return self._answer(actor, READ, "list", **how)

    async def show(self, actor: Actor, id: str) -> Json:  # noqa: A002
        return self._answer(actor, READ, "show", id=id)

    async def accept(self, actor: Actor, id: str, *, request_id: str, **how: Any) -> Json:  # noqa: A002
        assert len(request_id) == 32
        return self._answer(actor, DECIDE, "accept", id=id, **how)

    async def dismiss(self, actor: Actor, id: str, **how: Any) -> Json:  # noqa: A002
        return self._answer(actor, DECIDE, "dismiss", id=id, **how)

    async def advisors(self, actor: Actor) -> Json:
        return self._answer(actor, READ, "advisors")

    async def run(self, actor: Actor, name: str) -> Json:
        return self._answer(actor, RUN, "run", name=name)

    async def replay(self, actor: Actor, name: str, **how: Any) -> Json:
        return self._answer(actor, RUN, "replay", name=name, **how)

    async def scorecard(self, actor: Actor) -> Json:
        return self._answer(actor, READ, "scorecard")

    def _answer(self, actor: Actor, needed: Permission, act: str, /, **given: Any) -> Json:
        grant(actor, needed, subject=act)
        self.asked.append((act, given))
        return dict(self.answers.get(act, {"asked": act}))
