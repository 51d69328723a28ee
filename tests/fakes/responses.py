"""Kept responses in memory, for the keys whose names are given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.domain.actors import Actor
from app.domain.refusals import ResponseNotFound


@dataclass(frozen=True)
class Kept:
    body: Mapping[str, Any]
    input: Sequence[Mapping[str, Any]]
    messages: Sequence[Mapping[str, Any]]


@dataclass
class FakeResponses:
    """Implements `app.routers.inference_ports.Responses`."""

    keys: set[str] = field(default_factory=set)
    kept: dict[tuple[str, str], Kept] = field(default_factory=dict)

    def keeps_for(self, actor: Actor) -> bool:
        return actor.name in self.keys

    def keep(
        self,
        actor: Actor,
        response_id: str,
        body: Mapping[str, Any],
        sent: Sequence[Mapping[str, Any]],
        messages: Sequence[Mapping[str, Any]],
    ) -> None:
        self.kept[actor.id, response_id] = Kept(body, sent, messages)

    def get(self, actor: Actor, response_id: str) -> Kept:
        self._allowed(actor)
        found = self.kept.get((actor.id, response_id))
        if found is None:
            raise ResponseNotFound("No such response.", param="previous_response_id")
        return found

    def delete(self, actor: Actor, response_id: str) -> None:
        self.get(actor, response_id)
        del self.kept[actor.id, response_id]

    def _allowed(self, actor: Actor) -> None:
        if not self.keeps_for(actor):
            raise ResponseNotFound("Responses are not kept.", param="previous_response_id")
