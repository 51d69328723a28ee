"""An accepted pull, from the hub's answer to the model that is here: nothing in between is a fake
but the hub, and that speaks as the real one does."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from unittest.mock import patch

import pytest

from app.domain.refusals import ModelExists, Refusal
from app.engines.hub import HuggingFaceHub
from app.evidence.vocabulary import Kind as Event
from app.settings import HubSettings
from app.wiring.pulling import hub_of
from tests.fakes.advised import SETTINGS, Advised, open_advised
from tests.fakes.hub import COMMIT, KNOWN_REPO, FakeHub, serving_hub
from tests.models import tiny_model


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[FakeHub]:
    with serving_hub(FakeHub(repo=KNOWN_REPO).holds(tiny_model(tmp_path / "model"))) as serving:
        yield serving


@pytest.fixture
async def pulling(tmp_path: Path, hub: FakeHub) -> AsyncIterator[Advised]:
    settings = SETTINGS.model_copy(update={"hub": HubSettings(endpoint=hub.url, hosts=())})
    clients: list[HuggingFaceHub] = []

    def client(of: HubSettings, version: str) -> HuggingFaceHub:
        made = hub_of(of, version)
        assert isinstance(made, HuggingFaceHub)
        clients.append(made)
        return made

    with patch("app.wiring.governing.hub_of", client):
        made = open_advised(tmp_path / "home", settings=settings)
    yield made
    await made.close()
    for one in clients:
        one.close()


async def test_looking_asks_no_hub_accepting_asks_it_and_approval_pulls(
    pulling: Advised, hub: FakeHub
) -> None:
    kept = await pulling.kept("pull", KNOWN_REPO)
    assert (await pulling.previews.would(pulling.person, kept))["what"] == "asked"
    assert hub.heard == []

    kept = await pulling.accept(kept, reason="We want it.")
    assert (kept.outcome, kept.refusal) == ("asked", None)
    parts = pulling.governed.parts
    ask = parts.asks.get(str(kept.ask))
    assert (ask.act, ask.asker, ask.reason) == ("model_pull", pulling.person.id, "We want it.")
    assert not any(KNOWN_REPO in model for model in pulling.authority.catalog.ids())

    hub.moves_on("badcab" + "0" * 34, {"model.safetensors": b"other"})  # not what is approved
    await pulling.approve_and_execute(ask.id)
    ended = parts.asks.get(ask.id)
    assert str(ended.state) == "done"
    model = pulling.authority.catalog.get(KNOWN_REPO)
    assert COMMIT in str(model)
    (outcome,) = pulling.events(Event.PULL_OUTCOME)
    assert (outcome.outcome, outcome.subject) == ("done", KNOWN_REPO)

    again = await pulling.kept("unpin", KNOWN_REPO)
    assert (await pulling.accept(again)).outcome == "done"


async def test_what_came_meanwhile_is_not_pulled_again(pulling: Advised, hub: FakeHub) -> None:
    first = await pulling.kept("pull", KNOWN_REPO)
    other = await pulling.kept("pull", KNOWN_REPO, revision=COMMIT)
    await pulling.approve_and_execute(str((await pulling.accept(first)).ask))
    heard = len(hub.heard)
    assert (await pulling.previews.would(pulling.person, other))["code"] == "model_exists"
    with pytest.raises(ModelExists):
        await pulling.accept(other)
    assert len(hub.heard) == heard


@pytest.mark.parametrize("repo", ["mlx-community/absent", "acme/unknown"])
async def test_what_the_hub_or_a_guardrail_refuses_is_the_outcome(
    pulling: Advised, repo: str
) -> None:
    kept = await pulling.kept("pull", repo)
    with pytest.raises(Refusal) as refused:
        await pulling.accept(kept)
    now = pulling.proposals.get(kept.id)
    assert (now.outcome, now.refusal) == ("refused", refused.value.code)
    assert pulling.governed.parts.asks.page(limit=10) == []
