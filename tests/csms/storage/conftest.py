"""A fresh database for every test."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from csms.storage.database import open_engines
from csms.storage.migrate import migrate
from csms.storage.store import Store


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Where the test's database is, or will be."""
    return f"sqlite:///{tmp_path / 'csms.sqlite3'}"


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database that was migrated once for all tests."""
    path = tmp_path_factory.mktemp("template") / "csms.sqlite3"
    writer, _ = open_engines(f"sqlite:///{path}")
    migrate(writer)
    return path


@pytest_asyncio.fixture
async def store(url: str, template: Path) -> AsyncIterator[Store]:
    """An open, empty database."""
    shutil.copy(template, url.removeprefix("sqlite:///"))
    opened = Store.open(url)
    yield opened
    await opened.close()
