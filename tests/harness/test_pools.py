"""Leases: exclusive, waited for, given back, families together."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.drivers.driver import Credentials
from harness.pools import PoolError, Pools, roles_used, share, variable_of
from tests.harness.small_runs import BOOT, scenario

ONE = frozenset({"valid"})
TAGS = {"valid": ["V1", "V2"], "valid_2": ["W1", "W2"], "parent": ["P1", "P2"], "blocked": ["B1"]}


def identities(count: int) -> list[Credentials]:
    return [Credentials(f"CP{number}") for number in range(count)]


async def test_lease_holds_what_the_case_uses() -> None:
    """A case gets an identity and its tags, and nothing it does not use."""
    pools = Pools(identities(1), TAGS)
    async with pools.lease(frozenset({"valid", "blocked"})) as lease:
        assert lease.credentials.identity == "CP0"
        assert lease.id_tags == {"valid": "V1", "blocked": "B1"}


async def test_family_members_belong_together() -> None:
    """Two cards and their parent come from the same place of their lists."""
    pools = Pools(identities(2), TAGS)
    family = frozenset({"valid", "valid_2", "parent"})
    async with pools.lease(ONE) as first, pools.lease(family) as second:
        assert first.id_tags == {"valid": "V1"}
        assert second.id_tags == {"valid": "V2", "valid_2": "W2", "parent": "P2"}


async def test_second_card_takes_its_family() -> None:
    """A case with only the second card keeps its first card from others."""
    pools = Pools(identities(2), TAGS)
    async with pools.lease(frozenset({"valid_2"})), pools.lease(ONE) as second:
        assert second.id_tags == {"valid": "V2"}


async def test_exhausted_pool_is_waited_for() -> None:
    """With one blocked card, the second case runs when the first gave it back."""
    pools = Pools(identities(2), TAGS)
    order: list[str] = []

    async def use(name: str, gate: asyncio.Event) -> None:
        async with pools.lease(frozenset({"blocked"})):
            order.append(f"{name} begins")
            await gate.wait()
            order.append(f"{name} ends")

    first_gate, second_gate = asyncio.Event(), asyncio.Event()
    second_gate.set()
    async with asyncio.TaskGroup() as group:
        group.create_task(use("first", first_gate))
        group.create_task(use("second", second_gate))
        await asyncio.sleep(0)
        async with pools.lease(ONE):  # somebody who needs other things is not held up
            order.append("third")
        first_gate.set()

    assert order == ["first begins", "third", "first ends", "second begins", "second ends"]


async def test_cancelled_waiter_and_holder_leak_nothing() -> None:
    """Whoever is cancelled leaves the pools whole."""
    pools = Pools(identities(1), TAGS)

    async def hold() -> None:
        async with pools.lease(ONE):
            await asyncio.Event().wait()

    holder = asyncio.create_task(hold())
    await asyncio.sleep(0)
    waiter = asyncio.create_task(hold())
    await asyncio.sleep(0)
    for task in (waiter, holder):
        task.cancel()
    await asyncio.gather(waiter, holder, return_exceptions=True)

    async with asyncio.timeout(1), pools.lease(frozenset({"valid", "valid_2"})) as lease:
        assert lease.credentials.identity == "CP0"


async def test_longest_unused_goes_first() -> None:
    """An identity rests as long as possible before it is used again."""
    pools = Pools(identities(3), TAGS)
    seen = []
    for _ in range(4):
        async with pools.lease(frozenset()) as lease:
            seen.append(lease.credentials.identity)

    assert seen == ["CP0", "CP1", "CP2", "CP0"]


async def test_role_without_tags_is_an_error_at_once() -> None:
    """Waiting for what does not exist would never end."""
    with pytest.raises(PoolError, match=r"\$expired_id_tag.*id_tags: \{expired: \[\.\.\.\]\}"):
        async with Pools(identities(1), TAGS).lease(frozenset({"expired"})):
            pytest.fail("leased")


async def test_family_that_can_never_be_complete_is_an_error() -> None:
    """Lists without a common place cannot be waited for either."""
    tags: dict[str, list[str]] = {"valid": ["V1"], "valid_2": []}
    with pytest.raises(PoolError):
        async with Pools(identities(1), tags).lease(frozenset({"valid", "valid_2"})):
            pytest.fail("leased")


@given(st.lists(st.sets(st.sampled_from(sorted(TAGS)), max_size=4), max_size=12))
def test_no_two_running_cases_ever_share(cases: list[set[str]]) -> None:
    """Whatever the cases need, nothing is in two hands at once and all of them run."""

    async def run() -> int:
        pools = Pools(identities(2), TAGS)
        held: list[str] = []
        done = 0

        async def one(roles: set[str]) -> None:
            nonlocal done
            async with pools.lease(frozenset(roles)) as lease:
                mine = [lease.credentials.identity, *lease.id_tags.values()]
                assert not set(mine) & set(held)
                held.extend(mine)
                await asyncio.sleep(0)
                for thing in mine:
                    held.remove(thing)
                done += 1

        async with asyncio.timeout(5):
            await asyncio.gather(*(one(roles) for roles in cases))
        return done

    assert asyncio.run(run()) == len(cases)


@pytest.mark.parametrize(
    ("role", "variable"),
    [
        ("valid", "valid_id_tag"),
        ("valid_2", "valid_id_tag_2"),
        ("local_list_2", "local_list_id_tag_2"),
    ],
)
def test_variable_of_a_role(role: str, variable: str) -> None:
    """The catalogue numbers the variable at its end."""
    assert variable_of(role) == variable


def test_roles_of_a_scenario(tmp_path: Path) -> None:
    """Roles are found wherever a scenario names them; what it captures itself is its own."""
    steps = BOOT + (
        "- send: Authorize\n"
        "  payload: {idTag: $valid_id_tag_2}\n"
        "  expect: {idTagInfo: {parentIdTag: {capture: own_id_tag}}}\n"
        "- send: Authorize\n"
        "  payload: {idTag: $own_id_tag}\n"
        "  warn: {idTagInfo: {parentIdTag: {absent_or: $parent_id_tag}}}\n"
    )

    assert roles_used(scenario(tmp_path, steps)) == {"valid_2", "parent"}


def of_profiles(*profiles: int, role: str = "") -> list[Credentials]:
    return [
        Credentials(f"{role}{number}", security_profile=profile, role=role)
        for number, profile in enumerate(profiles)
    ]


async def test_an_identity_of_the_profile_is_given() -> None:
    """A case gets what it asks for, and special ones are kept for who asks for them."""
    pools = Pools([*of_profiles(1, role="special"), *of_profiles(2, 1)], TAGS)

    async with (
        pools.lease(ONE, profile=1) as plain,
        pools.lease(ONE, profile=1, role="special") as special,
    ):
        assert plain.credentials.identity == "1"
        assert special.credentials.identity == "special0"


@pytest.mark.parametrize(("profile", "role"), [(3, ""), (1, "special")])
async def test_what_is_not_there_is_not_waited_for(profile: int, role: str) -> None:
    """Nobody will ever give back an identity that the file has not."""
    pools = Pools(of_profiles(1, 2), TAGS)

    with pytest.raises(PoolError, match="no identity with"):
        async with pools.lease(ONE, profile=profile, role=role):
            pytest.fail("leased")


async def test_a_changed_identity_comes_back_changed() -> None:
    """Who raised its profile is not given out for the old one any more; waiting ends then."""
    pools = Pools(of_profiles(1), TAGS)
    async with pools.lease(ONE, profile=1) as lease:
        waiting = asyncio.create_task(_lease_once(pools, 1))
        await asyncio.sleep(0)
        pools.change(Credentials(lease.credentials.identity, b"new", security_profile=2))

    with pytest.raises(PoolError, match="security_profile 1"):
        await waiting
    async with pools.lease(ONE, profile=2) as lease:
        assert lease.credentials.password == b"new"


async def _lease_once(pools: Pools, profile: int) -> None:
    async with pools.lease(ONE, profile=profile):
        pytest.fail("leased")


def test_workers_share_everything_and_nothing_twice() -> None:
    """Tags at the same place of two lists go to the same worker."""
    tags, partners = ["a", "b", "c", "d", "e"], ["A", "B", "C", "D", "E"]
    shares = [share(tags, worker=worker, workers=2) for worker in (0, 1)]

    assert shares == [("a", "c", "e"), ("b", "d")]
    assert share(partners, worker=1, workers=2) == ("B", "D")
