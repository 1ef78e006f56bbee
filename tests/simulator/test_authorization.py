"""Local list before cache before CSMS, and what is known of an idTag over time (§3.5)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from simulator.authorization import (
    AuthorizationStatus,
    Decision,
    IdTagInfo,
    IdTagStore,
    decide,
    is_same_group,
    read_id_tag_info,
)
from simulator.keys import Configuration

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)
GOOD = IdTagInfo(AuthorizationStatus.ACCEPTED)
BAD = IdTagInfo(AuthorizationStatus.BLOCKED)
OVER = IdTagInfo(AuthorizationStatus.ACCEPTED, expires_at=AT - timedelta(seconds=1))


def decision(
    *,
    is_online: bool,
    listed: IdTagInfo | None = None,
    cached: IdTagInfo | None = None,
    **keys: bool,
) -> Decision:
    """Decide on TAG with what is known of it and with these keys."""
    local_list, cache = IdTagStore(), IdTagStore()
    if listed is not None:
        local_list.put("TAG", listed, AT)
    if cached is not None:
        cache.put("TAG", cached, AT)
    overrides = {"LocalAuthListEnabled": "true"}
    overrides |= {name: str(value).lower() for name, value in keys.items()}
    return decide(
        "tag",
        is_online=is_online,
        at=AT,
        keys=Configuration(overrides, connectors=1),
        local_list=local_list,
        cache=cache,
    )[0]


@pytest.mark.parametrize("pre_authorize", [True, False])
@pytest.mark.parametrize("source", ["listed", "cached"])
def test_online_and_known(source: str, pre_authorize: bool) -> None:
    """A valid known id starts without asking only with LocalPreAuthorize."""
    known = {source: GOOD}
    result = decision(is_online=True, LocalPreAuthorize=pre_authorize, **known)  # type: ignore[arg-type]

    assert result is (Decision.START if pre_authorize else Decision.ASK)


@pytest.mark.parametrize("known", [{}, {"cached": BAD}, {"cached": OVER}, {"listed": BAD}])
def test_online_and_unknown_or_not_valid(known: dict[str, IdTagInfo]) -> None:
    """What is not known as valid is asked about."""
    assert decision(is_online=True, LocalPreAuthorize=True, **known) is Decision.ASK  # type: ignore[arg-type]


def test_list_outranks_cache() -> None:
    """The local list decides where both know the id."""
    offline = {"is_online": False, "LocalAuthorizeOffline": True}

    assert decision(listed=BAD, cached=GOOD, **offline) is Decision.REFUSE
    assert decision(listed=GOOD, cached=BAD, **offline) is Decision.START


def test_disabled_stores_know_nothing() -> None:
    """Neither a disabled list nor a disabled cache is looked into."""
    off = {"LocalAuthListEnabled": False, "AuthorizationCacheEnabled": False}

    assert (
        decision(is_online=True, listed=GOOD, cached=GOOD, LocalPreAuthorize=True, **off)
        is Decision.ASK
    )
    assert decision(is_online=False, listed=GOOD, cached=GOOD, **off) is Decision.REFUSE


@pytest.mark.parametrize(
    ("known", "local_authorize", "allow_unknown", "expected"),
    [
        ({"cached": GOOD}, True, False, Decision.START),
        ({"listed": GOOD}, True, False, Decision.START),
        ({"cached": GOOD}, False, False, Decision.REFUSE),
        ({"cached": GOOD}, False, True, Decision.REFUSE),
        ({}, True, False, Decision.REFUSE),
        ({}, True, True, Decision.START),
        ({"listed": BAD}, True, True, Decision.REFUSE),
        ({"cached": BAD}, True, True, Decision.REFUSE),
        ({"cached": OVER}, True, True, Decision.REFUSE),
    ],
)
def test_offline(
    known: dict[str, IdTagInfo], local_authorize: bool, allow_unknown: bool, expected: Decision
) -> None:
    """Offline the keys decide, and a known bad id never starts (§3.5.2)."""
    result = decision(
        is_online=False,
        LocalAuthorizeOffline=local_authorize,
        AllowOfflineTxForUnknownId=allow_unknown,
        **known,  # type: ignore[arg-type]
    )

    assert result is expected


def test_entry_expires() -> None:
    """An accepted entry past its date is Expired from that moment on."""
    store = IdTagStore()
    until = IdTagInfo(AuthorizationStatus.ACCEPTED, expires_at=AT)
    store.put("A", until, AT)

    assert store.find("a", AT - timedelta(seconds=1)) == until
    found = store.find("a", AT)
    assert found is not None
    assert found.status is AuthorizationStatus.EXPIRED


def test_full_store_drops_invalid_then_oldest() -> None:
    """Room is made by what is not valid, then by what changed longest ago (§3.5.1)."""
    store = IdTagStore(capacity=3)
    for tag, info in (("A", GOOD), ("B", BAD), ("C", GOOD)):
        store.put(tag, info, AT)
    store.put("A", GOOD, AT)

    store.put("D", GOOD, AT)
    assert "B" not in store
    store.put("E", GOOD, AT)
    assert "C" not in store
    assert {"A", "D", "E"} == {tag for tag in "ABCDE" if tag in store}
    store.clear()
    assert len(store) == 0


def test_id_tag_info_is_read() -> None:
    """All three fields, in the form any CSMS writes them."""
    info = {"status": "Expired", "parentIdTag": "P", "expiryDate": "2026-01-31T13:00:00+01:00"}

    assert read_id_tag_info({"idTagInfo": info}) == IdTagInfo(AuthorizationStatus.EXPIRED, "P", AT)


@pytest.mark.parametrize(
    "payload", [{}, {"idTagInfo": None}, {"idTagInfo": {}}, {"idTagInfo": {"status": ["x"]}}]
)
def test_unusable_id_tag_info_is_none(payload: dict[str, object]) -> None:
    """What has no known status is no information."""
    assert read_id_tag_info(payload) is None


def test_groups() -> None:
    """Same parent, whatever the case; no parent is no group (§3.10)."""
    assert is_same_group("Group", "GROUP")
    assert not is_same_group(None, None)
    assert not is_same_group("A", "B")
