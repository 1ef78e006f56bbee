"""A fresh database for every test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from csms.storage.store import Store


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Where the test's database is, or will be."""
    return f"sqlite:///{tmp_path / 'csms.sqlite3'}"


@pytest_asyncio.fixture
async def store(url: str) -> AsyncIterator[Store]:
    """An open, empty database."""
    opened = Store.open(url)
    yield opened
    await opened.close()
