"""Puts the use cases together that routes ask and that accepting advice calls, each made once."""

from dataclasses import dataclass
from pathlib import Path

from app.authority.computing import Computing
from app.authority.execution import Execution
from app.authority.guarding import Guarding
from app.authority.housekeeping import Housekeeping
from app.authority.inference import Inference
from app.authority.leasing import InferencePorts
from app.authority.lifecycle.serving import Serving
from app.authority.limits import Limits
from app.authority.permissions import Access
from app.configuration.current import Current
from app.wiring.governing import Governing
from app.wiring.guarding import Guarded
from app.wiring.keeping import housekeeping
from app.wiring.opening import Authority


@dataclass(frozen=True, slots=True)
class Cases:
    inference: Inference
    computing: Computing
    execution: Execution
    housekeeping: Housekeeping
    guarding: Guarding


def cases(
    current: Current,
    authority: Authority,
    serving: Serving,
    governed: Governing,
    guards: Guarded,
    *,
    home: Path,
    limits: Limits,
) -> Cases:
    settings = current.settings
    asked_of_models = InferencePorts(
        catalog=authority.catalog,
        routing=authority.routing,
        serving=serving,
        usage=authority.usage,
        refusals=authority.refusals,
        clock=authority.clock,
        access=Access(inference_needs_key=settings.inference_requires_key),
        timeout_now=lambda: current.settings.request_timeout_s,
        asks=governed.ask_instead,
        isolate_cache=settings.inference.isolate_cache,
        limits=limits,
    )
    policy = governed.parts.policy
    return Cases(
        inference=Inference(asked_of_models),
        computing=Computing(asked_of_models),
        execution=Execution(
            catalog=authority.catalog,
            serving=serving,
            policy=policy,
            asks=governed.ask_instead,
        ),
        housekeeping=housekeeping(
            authority, serving, home, asks=governed.governance, policy=policy
        ),
        guarding=Guarding(guards.changing, guards.decisions, governed.governance, authority.clock),
    )
