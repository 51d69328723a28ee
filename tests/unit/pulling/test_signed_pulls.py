"""A signature that comes with a model is checked before it is published, and can be demanded."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from app.authority.catalog.signatures import MAX_BYTES, Signer
from app.authority.policy.hard import HardPolicy
from app.authority.pulling import Pulling
from app.domain.refusals import HubRefused, PolicyDenied, SignatureInvalid
from tests.fakes.hub import REPO
from tests.fakes.signed_models import Publisher
from tests.unit.pulling.conftest import OPERATOR, Station
from tests.unit.pulling.test_pulls import run_of

ACME = Publisher()
SIGNATURE = "model.sig"


async def pulled(
    station: Station, signers: Sequence[Signer], *, demanded: bool = False
) -> dict[str, Any]:
    policy = HardPolicy(require_signature=demanded)
    pulling = Pulling(replace(station.ports, signers=lambda: signers, policy=policy))
    plan = await pulling.plan(OPERATOR, REPO, None, None)
    assert (plan["signature"] is None) == (SIGNATURE not in station.hub.files)
    assert SIGNATURE not in plan["left_out"]
    done: dict[str, Any] = [step async for step in pulling.pull(OPERATOR, plan["plan"])][-1]["done"]
    return done


def signed(station: Station, publisher: Publisher = ACME) -> None:
    station.hub.files[SIGNATURE] = publisher.signature(station.hub.files)


@pytest.mark.parametrize("demanded", [False, True])
async def test_a_signature_that_holds_is_shown_with_who_signed(
    station: Station, demanded: bool
) -> None:
    signed(station)
    done = await pulled(station, [ACME.signer], demanded=demanded)
    assert (done["signature"], done["signer"]) == ("verified", "acme")
    view = station.catalog.verify(REPO, full=True)
    assert SIGNATURE not in {path.name for path in view.iterdir()}
    with station.ledger.readers.connect() as connection:
        found = connection.execute(text("SELECT signer FROM model")).scalar_one()
    assert found == "acme"


async def test_a_signature_over_other_bytes_refuses_the_model(station: Station) -> None:
    signed(station)
    station.hub.files["tokenizer.json"] += b"\n"
    with pytest.raises(SignatureInvalid, match=r"tokenizer\.json"):
        await pulled(station, [ACME.signer])
    assert station.catalog.list() == []
    assert station.last("pull_outcome").outcome == "refused"


@pytest.mark.parametrize("how", ["nobody is trusted", "another key", "none"])
async def test_what_nobody_vouches_for_is_taken_unless_a_signature_is_demanded(
    station: Station, how: str
) -> None:
    if how != "none":
        signed(station)
    signers = [replace(Publisher("other").signer)] if how == "another key" else []
    with pytest.raises(PolicyDenied, match="signature"):
        await pulled(station, signers, demanded=True)
    assert station.catalog.list() == []
    if how == "none":  # nothing is fetched in order to be refused
        assert station.quarantine() == []
    else:
        assert run_of(station, station.last("pull_outcome"))["policy"]["outcome"] == "deny"
    done = await pulled(station, signers)
    assert done["signature"] == ("absent" if how == "none" else "unknown_signer")


async def test_a_broken_signature_is_no_signature(station: Station) -> None:
    station.hub.files[SIGNATURE] = b"{}"
    with pytest.raises(SignatureInvalid):
        await pulled(station, [ACME.signer])


async def test_a_signature_without_end_is_not_fetched(station: Station) -> None:
    signed(station)
    station.hub.listed = {SIGNATURE: {"size": MAX_BYTES + 1}}
    with pytest.raises(HubRefused, match="signature"):
        await station.plan()
