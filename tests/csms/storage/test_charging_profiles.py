"""What is written of charging profiles is true at every moment, also after a sudden end."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from csms.domain.charging_profiles import HeldProfile, ProfileState
from csms.domain.model import IdTag
from csms.domain.transactions import read_start
from csms.storage import charging_profiles, id_tags, transactions
from csms.storage.charging_profiles import OFFERED_FOR, Asked
from csms.storage.store import Store
from tests.csms.domain.test_charging_profiles import profile

NOW = datetime(2026, 5, 1, 10, tzinfo=UTC)


async def ask(
    store: Store,
    *,
    replaces: bool = True,
    id_tag: str | None = None,
    transaction_id: int | None = None,
    at: datetime = NOW,
    **fields: Any,
) -> Asked:
    """Write down that a profile is about to be sent to CP1."""
    return await store.write(
        partial(
            charging_profiles.ask_to_install,
            identity="CP1",
            connector_id=1,
            transaction_id=transaction_id,
            id_tag=id_tag,
            payload=profile(**fields),
            replaces=lambda _: replaces,
            at=at,
        )
    )


async def settle(
    store: Store,
    asked: Asked,
    *,
    is_accepted: bool = True,
    state: ProfileState = ProfileState.INSTALLED,
) -> None:
    """Write down what was answered."""
    await store.write(
        partial(charging_profiles.settle, asked=asked, is_accepted=is_accepted, state=state, at=NOW)
    )


async def held(store: Store, identity: str = "CP1") -> list[HeldProfile]:
    """Return what a charge point holds."""
    return await store.read(partial(charging_profiles.held, identity=identity))


async def known(store: Store) -> list[tuple[int, str]]:
    """Return ids and states of what CP1 holds."""
    return [(one.charging_profile_id, one.state.value) for one in await held(store)]


async def start(store: Store, tag: str, *, at: datetime, connector_id: int = 1) -> int:
    """Begin a transaction on CP1."""
    payload = {"connectorId": connector_id, "idTag": tag, "meterStart": 0, "timestamp": f"{at}"}
    begun = read_start("CP1", payload, received_at=at)
    started = await store.write(partial(transactions.start, begun=begun, allow_concurrent=True))
    return started.transaction_id


async def test_sudden_end_leaves_what_was_under_way_unknown(store: Store, url: str) -> None:
    """Between sending and answer the database claims neither the old nor the new profile."""
    await settle(store, await ask(store, chargingProfileId=1))
    await ask(store, chargingProfileId=2)
    await store.close()

    opened = Store.open(url)
    after = await known(opened)
    await opened.close()

    assert after == [(1, "Unknown"), (2, "Unknown")]


async def test_sudden_end_after_the_answer_keeps_it(store: Store, url: str) -> None:
    """What was accepted is there after a restart, and what it replaced is not."""
    await settle(store, await ask(store, chargingProfileId=1))
    await settle(store, await ask(store, chargingProfileId=2))
    await store.close()

    opened = Store.open(url)
    after = await held(opened)
    await opened.close()

    assert [(one.charging_profile_id, one.state) for one in after] == [(2, ProfileState.INSTALLED)]
    assert (after[0].requested_at, after[0].answered_at) == (NOW, NOW)
    assert after[0].payload == profile(chargingProfileId=2)


async def test_refusal_restores_only_what_was_known(store: Store) -> None:
    """What was unknown before stays unknown."""
    await settle(store, await ask(store, chargingProfileId=1))
    await ask(store, replaces=False, chargingProfileId=2)

    await settle(store, await ask(store, chargingProfileId=3), is_accepted=False)

    assert await known(store) == [(1, "Installed"), (2, "Unknown")]


async def test_charge_points_keep_apart(store: Store) -> None:
    """The profiles of one are none of another's business."""
    await settle(store, await ask(store))

    assert await held(store, "CP2") == []


async def test_remote_start_takes_the_first_transaction_of_its_tag(store: Store) -> None:
    """Not one that was there before, and letter case does not matter."""
    await start(store, "Tag", at=NOW - timedelta(minutes=5))
    asked = await ask(store, id_tag="TAG", purpose="TxProfile")
    await settle(store, asked, state=ProfileState.OFFERED)
    before = await held(store)
    other = await start(store, "OTHER", at=NOW + timedelta(minutes=1), connector_id=2)
    begun = await start(store, "tag", at=NOW + timedelta(minutes=2))
    later = await held(store)

    assert [(one.transaction_id, one.state) for one in before] == [(None, ProfileState.OFFERED)]
    assert [(one.transaction_id, one.state) for one in later] == [(begun, ProfileState.INSTALLED)]
    assert other != begun


async def test_offer_that_nobody_took_is_dropped(store: Store) -> None:
    """A day later no start can come of it; the next profile sweeps it away."""
    asked = await ask(store, id_tag="TAG", purpose="TxProfile")
    await settle(store, asked, state=ProfileState.OFFERED)
    later = NOW + OFFERED_FOR + timedelta(seconds=1)

    await settle(store, await ask(store, replaces=False, chargingProfileId=2, at=later))

    assert await known(store) == [(2, "Installed")]


async def test_refused_start_leaves_the_running_transaction_alone(store: Store) -> None:
    """Only an accepted start on the connector tells that the one before is over."""
    await store.write(partial(id_tags.put, tag=IdTag("GOOD")))
    running = await start(store, "GOOD", at=NOW)
    await settle(store, await ask(store, transaction_id=running, purpose="TxProfile"))

    await start(store, "STRANGER", at=NOW + timedelta(minutes=1))
    after_refused = await known(store)
    await start(store, "GOOD", at=NOW + timedelta(minutes=2))

    assert after_refused == [(1, "Installed")]
    assert await known(store) == []
