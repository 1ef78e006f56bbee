"""Charge points in the database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

from csms.domain.model import BootInformation, ChargePoint, RegistrationStatus
from csms.domain.statuses import read_status
from csms.storage import charge_points, statuses
from csms.storage.store import Store

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)


async def test_registered_charge_point_is_known(store: Store) -> None:
    """What is registered is found again, unchanged."""
    registered = await store.write(
        partial(
            charge_points.register,
            identity="CP/1 ä",
            at=NOW,
            registration=RegistrationStatus.PENDING,
            credential="verifier",
            heartbeat_interval_s=15,
        )
    )

    assert registered == ChargePoint(
        "CP/1 ä",
        RegistrationStatus.PENDING,
        "verifier",
        15,
        registered_at=NOW,
        updated_at=NOW,
        security_profile=1,
    )
    assert await store.read(partial(charge_points.get, identity="CP/1 ä")) == registered


async def test_identities_are_case_sensitive(store: Store) -> None:
    """Unlike id tags, identities differ in case."""
    await store.write(partial(charge_points.register, identity="CP1", at=NOW))

    assert await store.read(partial(charge_points.get, identity="cp1")) is None


async def test_registering_again_changes_nothing(store: Store) -> None:
    """Automatic registration never overrides what the operator decided (CS-BOOT-03)."""
    rejected = partial(
        charge_points.register, identity="CP1", at=NOW, registration=RegistrationStatus.REJECTED
    )
    first = await store.write(rejected)

    again = await store.write(partial(charge_points.register, identity="CP1", at=LATER))

    assert again == first


async def test_change_touches_what_is_given(store: Store) -> None:
    """A credential can be set, and taken away, without touching the rest."""
    await store.write(
        partial(charge_points.register, identity="CP1", at=NOW, heartbeat_interval_s=15)
    )

    changed = await store.write(
        partial(
            charge_points.change,
            identity="CP1",
            at=LATER,
            registration=RegistrationStatus.REJECTED,
            credential="v",
        )
    )
    opened = await store.write(
        partial(charge_points.change, identity="CP1", at=LATER, credential=None)
    )

    assert changed == ChargePoint("CP1", RegistrationStatus.REJECTED, "v", 15, NOW, LATER)
    assert opened == ChargePoint("CP1", RegistrationStatus.REJECTED, None, 15, NOW, LATER)


async def test_unknown_charge_point_cannot_be_changed(store: Store) -> None:
    """There is nothing to change, and nothing is made."""
    change = partial(charge_points.change, identity="CP1", at=NOW, credential="v")

    assert await store.write(change) is None
    assert await store.read(charge_points.page) == []


async def test_boot_is_kept_and_makes_statuses_stale(store: Store) -> None:
    """After a boot the last statuses say nothing any more (CS-BOOT-09)."""
    await store.write(partial(charge_points.register, identity="CP1", at=NOW))
    report = read_status(
        {"connectorId": 1, "errorCode": "NoError", "status": "Charging"}, received_at=NOW
    )
    for identity in ("CP1", "CP2"):
        await store.write(partial(statuses.record, identity=identity, report=report))
    boot = BootInformation("Vendor", "Model", firmware_version="1.0")

    charge_point = await store.write(
        partial(charge_points.record_boot, identity="CP1", boot=boot, at=LATER)
    )

    assert charge_point is not None
    assert (charge_point.boot, charge_point.booted_at) == (boot, LATER)
    [own] = await store.read(partial(statuses.connector_states, identity="CP1"))
    [other] = await store.read(partial(statuses.connector_states, identity="CP2"))
    assert (own.is_stale, other.is_stale) == (True, False)


async def test_acceptance_is_what_a_boot_was_answered(store: Store) -> None:
    """The operator's decision reaches the charge point with its next boot, and stays told."""
    pending = RegistrationStatus.PENDING
    await store.write(partial(charge_points.register, identity="CP1", at=NOW, registration=pending))

    async def boot(at: datetime) -> datetime | None:
        operation = partial(
            charge_points.record_boot, identity="CP1", boot=BootInformation(), at=at
        )
        charge_point = await store.write(operation)
        assert charge_point is not None
        assert charge_point.booted_at == at
        return charge_point.accepted_at

    async def decide(registration: RegistrationStatus) -> datetime | None:
        change = partial(charge_points.change, identity="CP1", at=NOW, registration=registration)
        charge_point = await store.write(change)
        assert charge_point is not None
        return charge_point.accepted_at

    assert await boot(NOW) is None
    assert await decide(RegistrationStatus.ACCEPTED) is None
    assert await boot(LATER) == LATER
    assert await decide(RegistrationStatus.REJECTED) == LATER
    assert await boot(LATER + timedelta(hours=1)) == LATER


async def test_boot_of_an_unknown_charge_point_is_none(store: Store) -> None:
    """One that was removed meanwhile does not come back by itself."""
    boot = partial(charge_points.record_boot, identity="X", boot=BootInformation(), at=NOW)

    assert await store.write(boot) is None


async def test_removed_charge_point_is_gone_with_its_connectors(store: Store) -> None:
    """Removing says whether there was anything."""
    await store.write(partial(charge_points.register, identity="CP1", at=NOW))
    report = read_status(
        {"connectorId": 1, "errorCode": "NoError", "status": "Charging"}, received_at=NOW
    )
    await store.write(partial(statuses.record, identity="CP1", report=report))

    assert await store.write(partial(charge_points.remove, identity="CP1")) is True
    assert await store.write(partial(charge_points.remove, identity="CP1")) is False
    assert await store.read(partial(statuses.connector_states, identity="CP1")) == []


async def test_pages_go_by_identity(store: Store) -> None:
    """The next page begins after the last identity."""
    for identity in ("C", "A", "B"):
        await store.write(partial(charge_points.register, identity=identity, at=NOW))

    first = await store.read(partial(charge_points.page, limit=2))
    second = await store.read(partial(charge_points.page, after="B", limit=2))

    assert [one.identity for one in first] == ["A", "B"]
    assert [one.identity for one in second] == ["C"]


async def test_connection_history_is_kept(store: Store) -> None:
    """Every event is there, newest first, and tells when the station was last seen."""
    await store.write(partial(charge_points.register, identity="CP1", at=NOW))
    for event, at in (("connected", NOW), ("replaced", LATER)):
        await store.write(
            partial(
                charge_points.record_connection,
                identity="CP1",
                event=event,
                at=at,
                detail="from 127.0.0.1",
            )
        )

    newest, oldest = await store.read(partial(charge_points.connection_events, identity="CP1"))
    page = await store.read(
        partial(charge_points.connection_events, identity="CP1", before_id=newest.record_id)
    )
    charge_point = await store.read(partial(charge_points.get, identity="CP1"))

    assert (newest.event, newest.at, newest.detail) == ("replaced", LATER, "from 127.0.0.1")
    assert (oldest.event, page) == ("connected", [oldest])
    assert charge_point is not None
    assert charge_point.last_seen_at == LATER


async def test_settled_credential_loses_what_it_accepted_besides(store: Store) -> None:
    """Only a credential that is still the open one is settled (CS-WS-12)."""
    for identity, credential in (("CP1", "old new"), ("CP2", "changed meanwhile")):
        await store.write(
            partial(charge_points.register, identity=identity, at=NOW, credential=credential)
        )

    await store.write(partial(charge_points.settle_credential, either="old new", proven="new"))

    found = await store.read(charge_points.page)
    assert [one.credential for one in found] == ["new", "changed meanwhile"]
