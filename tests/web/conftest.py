"""Fixtures for the HTTP surface over fakes: no port, no worker, no database."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.fakes.house import BASE, House


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
async def client(house: House) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(house.app(), raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        yield client
