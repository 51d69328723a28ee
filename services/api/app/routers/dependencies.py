"""What routes are given: the use cases behind them and who asks, as types in a signature."""

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NoReturn, Protocol

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from starlette.requests import HTTPConnection
from starlette.responses import Response

from app.domain.actors import ANONYMOUS, Actor
from app.domain.refusals import Refusal
from app.routers.advice_ports import Advising
from app.routers.guardrails_ports import Guarding
from app.routers.inference_ports import Computing, Inference, Responses
from app.routers.metrics import Metrics
from app.routers.store_ports import Housekeeping, Pulling, Repairs

Json = dict[str, Any]


class Keys(Protocol):
    def identify(self, secret: str | None) -> Actor: ...
    def identify_strict(self, secret: str | None) -> Actor: ...


class Execution(Protocol):
    async def load(
        self, actor: Actor, model_id: str, *, context: int | None, slots: int | None, pinned: bool
    ) -> Json: ...
    async def unload(self, actor: Actor, model_id: str) -> Json: ...
    async def verify(self, actor: Actor, model_id: str) -> Json: ...
    def verify_all(self, actor: Actor) -> AsyncIterator[Json]: ...
    def import_model(self, actor: Actor, path: str, name: str | None) -> AsyncIterator[Json]: ...


class Reading(Protocol):
    async def described_models(self, actor: Actor) -> list[Json]: ...
    async def models(self, actor: Actor) -> list[Json]: ...
    async def model(self, actor: Actor, model_id: str) -> Json: ...
    async def fit(
        self,
        actor: Actor,
        *,
        model: str | None,
        path: str | None,
        context: int | None,
        slots: int | None,
    ) -> Json: ...
    async def keys(self, actor: Actor) -> Any: ...
    async def rules(self, actor: Actor) -> Json: ...
    async def status(self, actor: Actor) -> Json: ...


class Questions(Protocol):
    async def events(
        self,
        actor: Actor,
        asked: Mapping[str, str | None],
        *,
        after: int,
        limit: int,
        newest_first: bool,
        total: bool,
    ) -> Json: ...
    async def counts(self, actor: Actor, asked: Mapping[str, str | None], *, by: str) -> Json: ...
    async def event(self, actor: Actor, seq: int) -> Json: ...
    async def reindex(self, actor: Actor) -> Json: ...


class Runs(Protocol):
    async def list(
        self,
        actor: Actor,
        asked: Mapping[str, str | None],
        *,
        cursor: int,
        limit: int,
        total: bool,
    ) -> Json: ...
    async def show(self, actor: Actor, name: str) -> Json: ...
    async def diff(self, actor: Actor, a: str, b: str) -> Json: ...


class Reports(Protocol):
    async def names(self, actor: Actor) -> list[Json]: ...
    async def report(
        self,
        actor: Actor,
        name: str,
        *,
        subject: str | None,
        since: str | None,
        until: str | None,
        after: int,
        limit: int,
        through: int | None,
    ) -> Json: ...


class Exports(Protocol):
    async def begin(
        self, actor: Actor, *, since: int | str | None, purpose: str | None
    ) -> Json: ...
    async def checkpoint(self, actor: Actor) -> str: ...
    async def tile(self, actor: Actor, path: str) -> bytes: ...
    async def stream(
        self, actor: Actor, *, leaves: bool, first: int, count: int, size: int | None
    ) -> AsyncIterator[bytes]: ...
    async def blob(self, actor: Actor, digest: str) -> bytes: ...


class Proofs(Protocol):
    async def log_keys(self, actor: Actor) -> Json: ...
    async def bundle_for_witness(self, actor: Actor, old: int) -> str: ...
    async def inclusion(self, actor: Actor, seq: int, size: int | None) -> Json: ...
    async def consistency(self, actor: Actor, old: int, new: int | None) -> Json: ...
    async def cosigned(self, actor: Actor, note: str) -> Json: ...


class Custody(Protocol):
    async def rotate(self, actor: Actor, confirmation: str | None) -> Json: ...
    async def everybody(self, actor: Actor) -> list[Json]: ...
    async def erase_name(self, actor: Actor, person: str, confirmation: str | None) -> Json: ...
    async def prune(self, actor: Actor, before_us: int) -> Json: ...
    async def recover(self, actor: Actor) -> Json: ...


class Backups(Protocol):
    async def record(
        self, actor: Actor, *, name: str, manifest: str, size: int, root: str, size_bytes: int
    ) -> Json: ...


class Configuring(Protocol):
    async def standing(self, actor: Actor) -> Json: ...
    async def reload(self, actor: Actor, request_id: str | None) -> Json: ...


class Approvers(Protocol):
    """Who there is, who holds which key, and how many must agree."""

    async def add_person(self, actor: Actor, name: str, confirmation: str | None) -> Json: ...
    async def profile(self, actor: Actor) -> Json: ...
    async def change_profile(
        self,
        actor: Actor,
        kind: str,
        groups: Sequence[Mapping[str, Any]],
        confirmation: str | None,
        request_id: str | None,
    ) -> Json: ...
    async def create_key(
        self,
        actor: Actor,
        name: str,
        roles: Sequence[str],
        person: str | None,
        request_id: str | None,
    ) -> NoReturn: ...
    async def revoke_key(self, actor: Actor, key_id: str, request_id: str | None) -> NoReturn: ...


class Governance(Protocol):
    """Acts that need a person's yes: asked for, shown, decided on, executed."""

    async def ask(
        self,
        actor: Actor,
        act: str,
        params: Mapping[str, Any],
        reason: str = "",
        request_id: str | None = None,
    ) -> Json: ...
    async def list(
        self,
        actor: Actor,
        *,
        state: str | None,
        act: str | None,
        subject: str | None,
        cursor: str | None,
        limit: int,
    ) -> Json: ...
    async def show(self, actor: Actor, ask_id: str, *, width: int, whole: bool) -> Json: ...
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
        reason: str,
    ) -> Json: ...
    async def withdraw(self, actor: Actor, ask_id: str) -> Json: ...
    async def execute(self, actor: Actor, ask_id: str) -> Json: ...
    async def again(self, actor: Actor, ask_id: str) -> Json: ...
    async def acts(self, actor: Actor) -> Sequence[Json]: ...


class RefusalRecorder(Protocol):
    def record(
        self, actor: Actor, refusal: Refusal, subject: str, request_id: str | None
    ) -> object: ...


@dataclass(frozen=True, kw_only=True)
class Services:
    """Everything behind the edge, filled by `app.wiring`.

    `ready` answers /readyz: a name and whether that part can be used.
    """

    keys: Keys
    inference: Inference
    computing: Computing
    responses: Responses
    execution: Execution
    reading: Reading
    questions: Questions
    runs: Runs
    reports: Reports
    exports: Exports
    proofs: Proofs
    custody: Custody
    backups: Backups
    configuring: Configuring
    housekeeping: Housekeeping
    pulling: Pulling
    repairs: Repairs
    governance: Governance
    approvers: Approvers
    guarding: Guarding
    advising: Advising
    refusals: RefusalRecorder
    ready: Callable[[], Awaitable[Mapping[str, bool]]]
    metrics: Metrics
    version: str
    allowed_hosts: frozenset[str]
    max_body_bytes: int
    inference_needs_key: bool


def services_of(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


def request_id_of(request: Request) -> str:
    request_id: str = request.state.request_id
    return request_id


def actor_of(request: Request) -> Actor:
    """Who asks, or anonymous where the request was refused before that was known."""
    return getattr(request.state, "actor", ANONYMOUS)


def name_subject(request: Request, subject: str) -> None:
    """What a refusal of this request is about, for the ledger."""
    request.state.subject = subject


def presented_key(request: HTTPConnection) -> str | None:
    """The key in `Authorization: Bearer` or, without that, in `x-api-key`."""
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and secret.strip():
        return secret.strip()
    return request.headers.get("x-api-key", "").strip() or None


class _IdentifiedRoute(APIRoute):
    """A route that knows its caller before anything else, the body included, is looked at.

    Routers are made of these, so that no new route can forget to ask who it is.
    """

    @staticmethod
    def identify(request: Request) -> Actor:
        raise NotImplementedError

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_identified(request: Request) -> Response:
            request.state.actor = self.identify(request)
            return await handle(request)

        return handle_identified


class ClientRoute(_IdentifiedRoute):
    """On /v1: anonymous without a key or with an unknown one, unless inference is closed."""

    @staticmethod
    def identify(request: Request) -> Actor:
        services = services_of(request)
        keys = services.keys
        identify = keys.identify_strict if services.inference_needs_key else keys.identify
        return identify(presented_key(request))


class KeyedRoute(_IdentifiedRoute):
    """On /authority: always the holder of an active key."""

    @staticmethod
    def identify(request: Request) -> Actor:
        return services_of(request).keys.identify_strict(presented_key(request))


async def _services(request: Request) -> Services:
    return services_of(request)


async def _caller(request: Request) -> Actor:
    return actor_of(request)


UseCases = Annotated[Services, Depends(_services)]
Keyholder = Annotated[Actor, Depends(_caller)]
"""Who asks on /authority."""
