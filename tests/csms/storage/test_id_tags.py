"""Id tags in the database."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import pytest

from csms.domain.model import AuthorizationStatus, IdTag
from csms.storage import id_tags
from csms.storage.store import Store

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


async def test_tag_is_found_in_any_case(store: Store) -> None:
    """Lookup folds, the tag itself stays as written (CS-DATA-04)."""
    tag = IdTag("DeadBeef", AuthorizationStatus.BLOCKED, NOW, "Fleet")
    assert await store.write(partial(id_tags.put, tag=tag)) is True

    assert await store.read(partial(id_tags.get, id_tag="DEADBEEF")) == tag
    assert await store.read(partial(id_tags.get, id_tag="deadbeef")) == tag
    assert await store.read(partial(id_tags.get, id_tag="deadbee")) is None


async def test_same_tag_in_another_case_is_replaced(store: Store) -> None:
    """There are never two tags that differ in case alone."""
    await store.write(partial(id_tags.put, tag=IdTag("ABC", expires_at=NOW, parent_id_tag="P")))

    assert await store.write(partial(id_tags.put, tag=IdTag("abc"))) is False
    assert await store.read(id_tags.page) == [IdTag("abc")]


async def test_removed_tag_is_unknown(store: Store) -> None:
    """Removing works in any case and says whether there was anything."""
    await store.write(partial(id_tags.put, tag=IdTag("ABC")))

    assert await store.write(partial(id_tags.remove, id_tag="abc")) is True
    assert await store.write(partial(id_tags.remove, id_tag="abc")) is False
    assert await store.read(partial(id_tags.get, id_tag="ABC")) is None


async def test_pages_ignore_case(store: Store) -> None:
    """The next page begins after the last tag, however it is written."""
    for name in ("c", "A", "B"):
        await store.write(partial(id_tags.put, tag=IdTag(name)))

    first = await store.read(partial(id_tags.page, limit=2))
    second = await store.read(partial(id_tags.page, after="b", limit=2))

    assert [tag.id_tag for tag in first] == ["A", "B"]
    assert [tag.id_tag for tag in second] == ["c"]


@pytest.mark.parametrize(
    "tag",
    [
        IdTag(""),
        IdTag("x" * 21),
        IdTag("A", parent_id_tag="x" * 21),
        IdTag("A", AuthorizationStatus.CONCURRENT_TX),
    ],
)
async def test_tag_no_charge_point_could_take_is_refused(store: Store, tag: IdTag) -> None:
    """Over-long tags and impossible statuses never get in (CS-DATA-05, CS-AUTH-03)."""
    with pytest.raises(ValueError, match=r"id tag|ConcurrentTx"):
        await store.write(partial(id_tags.put, tag=tag))
