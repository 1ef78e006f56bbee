"""Limits as charge points told them."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from csms.storage import capabilities, charge_points
from csms.storage.store import Store

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)


async def _record(store: Store, answer: dict[str, Any], identity: str = "CP1") -> None:
    await store.write(partial(capabilities.record, identity=identity, answer=answer, at=AT))


async def _get(store: Store, identity: str = "CP1") -> dict[str, str]:
    return await store.read(partial(capabilities.get, identity=identity))


async def test_newest_answer_counts(store: Store) -> None:
    """Names are the standard's, however they are written; each charge point has its own."""
    for value in ("10", "20"):
        key = {"key": "sendLOCALlistMaxLength", "readonly": True, "value": value}
        await _record(store, {"configurationKey": [key]})

    assert await _get(store) == {"SendLocalListMaxLength": "20"}
    assert await _get(store, "CP2") == {}


async def test_key_that_became_unknown_is_forgotten(store: Store) -> None:
    """A charge point that says that it does not know the key has no such limit."""
    key = {"key": "LocalAuthListMaxLength", "readonly": True, "value": "9"}
    await _record(store, {"configurationKey": [key]})

    await _record(store, {"unknownKey": ["localauthlistmaxlength", "Other"]})

    assert await _get(store) == {}


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"configurationKey": None, "unknownKey": None},
        {"configurationKey": "odd", "unknownKey": 5},
        {"configurationKey": [None, "odd", {}, {"key": "SendLocalListMaxLength"}]},
        {"configurationKey": [{"key": "SendLocalListMaxLength", "value": 5}]},
        {"configurationKey": [{"key": "SendLocalListMaxLength", "value": "9" * 501}]},
        {"configurationKey": [{"key": "AuthorizationKey", "value": "secret"}]},
        {"configurationKey": [{"key": "HeartbeatInterval", "value": "5"}]},
    ],
)
async def test_odd_answers_and_other_keys_are_not_kept(
    store: Store, answer: dict[str, Any]
) -> None:
    """Neither nonsense, nor what can be changed, nor secrets."""
    await _record(store, answer)

    assert await _get(store) == {}


async def test_forgotten_charge_point_told_nothing(store: Store) -> None:
    """Who is registered again may be another one."""
    await store.write(partial(charge_points.register, identity="CP1", at=AT))
    key = {"key": "SendLocalListMaxLength", "value": "9"}
    await _record(store, {"configurationKey": [key]})

    await store.write(partial(charge_points.remove, identity="CP1"))

    assert await _get(store) == {}
