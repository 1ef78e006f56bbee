"""A fresh database for every test, and commands over it."""

import pytest

from csms.storage.store import Store
from tests.csms.operations.rig import Rig
from tests.csms.storage.conftest import store, template, url

__all__ = ["rig", "store", "template", "url"]


@pytest.fixture
def rig(store: Store, url: str) -> Rig:  # how pytest shares fixtures
    """Commands over the test's database."""
    return Rig(store, url)
