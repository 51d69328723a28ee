"""The fake use cases of approvals behind the fake authority, for one person's key."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from app.domain.actors import Actor, Role
from tests.fakes.authority_http import OPERATOR, Asked
from tests.fakes.governance import FakeGovernance

PERSON = Actor("key:0123abcd", "me", frozenset({Role.OPERATOR, Role.APPROVER}), person="p-00000001")


def _governance() -> FakeGovernance:
    return FakeGovernance(secrets={PERSON.id: OPERATOR})


@dataclass
class ServedGovernance:
    """Answers what is asked below /authority/approvals. `answer`: what executing hands over."""

    governance: FakeGovernance = field(default_factory=_governance)
    actor: Actor = PERSON
    answer: dict[str, Any] = field(default_factory=dict)

    def __call__(self, asked: Asked) -> Any:
        steps = asked.path.removeprefix("/authority/approvals").strip("/").split("/")
        return asyncio.run(self._answer(asked, steps))

    def _answer(self, asked: Asked, steps: list[str]) -> Coroutine[Any, Any, Any]:
        governance, actor = self.governance, self.actor
        match asked.method, steps:
            case "GET", [""]:
                return governance.list(actor, **{"state": None, **asked.query})
            case "GET", ["acts"]:
                return self._acts()
            case "GET", [ask]:
                width = int(asked.query["width"])
                return governance.show(actor, ask, width=width, whole="whole" in asked.query)
            case "POST", [""]:
                body = asked.body
                return governance.ask(actor, body["act"], body["params"], body["reason"])
        ask, act = steps
        return self._act(asked, ask, act)

    def _act(self, asked: Asked, ask: str, act: str) -> Coroutine[Any, Any, Any]:
        plain = {"withdraw": self.governance.withdraw, "again": self.governance.again}
        if act in plain:
            return plain[act](self.actor, ask)
        if act == "execute":
            return self._execute(ask)
        said = {"confirmation": None, **asked.body}
        return self.governance.decide(self.actor, ask, act, **said)

    async def _acts(self) -> Any:
        return {"acts": await self.governance.acts(self.actor)}

    async def _execute(self, ask: str) -> Any:
        done = await self.governance.execute(self.actor, ask)
        return done | {"answer": self.answer}
