"""Local lists: what raw commands and kills leave known (CS-LAL)."""

from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from csms.domain.local_lists import LocalList, UpdateStatus
from csms.domain.model import AuthorizationStatus, BootInformation, IdTag
from csms.ocppj.commands import InvalidCommand
from csms.ocppj.outcomes import (
    Answered,
    CommandOutcome,
    Disconnected,
    Malformed,
    Offline,
    Refused,
    TimedOut,
)
from csms.operations.local_lists import (
    GetLocalListVersionEffect,
    ListTooLong,
    LocalLists,
    SendLocalListEffect,
    UnknownTags,
)
from csms.operations.locks import Locks
from csms.storage import capabilities, charge_points, id_tags, local_lists
from tests.csms.operations.rig import ACCEPTED, Rig


@pytest.fixture
def lists(rig: Rig) -> LocalLists:
    """Lists over the rig."""
    locks = Locks()
    rig.effects["SendLocalList"] = SendLocalListEffect(rig.store, locks, rig.now)
    rig.effects["GetLocalListVersion"] = GetLocalListVersionEffect(rig.store, locks, rig.now)
    return LocalLists(rig.store, rig.commanding, rig.now)


def _update(version: int, *tags: str, kind: str = "Full", **fields: Any) -> dict[str, Any]:
    entries = [{"idTag": tag, "idTagInfo": {"status": "Accepted"}} for tag in tags]
    return {"listVersion": version, "updateType": kind, "localAuthorizationList": entries} | fields


async def _known(rig: Rig) -> LocalList:
    return await rig.store.read(partial(local_lists.get, identity="CP1"))


async def _entries(rig: Rig) -> set[str]:
    found = await rig.store.read(partial(local_lists.entries, identity="CP1"))
    return {one.id_tag for one in found.values()}


async def _issue(rig: Rig, *tags: str) -> None:
    for tag in tags:
        await rig.store.write(partial(id_tags.put, tag=IdTag(tag)))


async def _report(rig: Rig, version: int) -> None:
    rig.wire.outcomes = [Answered({"listVersion": version})]
    await rig.send("GetLocalListVersion", {})


@pytest.mark.parametrize(
    ("outcome", "status", "is_known"),
    [
        (ACCEPTED, UpdateStatus.ACCEPTED, True),
        (Answered({"status": "Failed"}), UpdateStatus.FAILED, True),
        (Answered({"status": "NotSupported"}), UpdateStatus.NOT_SUPPORTED, True),
        # The charge point holds a higher version than ours.
        (Answered({"status": "VersionMismatch"}), UpdateStatus.VERSION_MISMATCH, False),
        (Answered({"status": "Whatever"}), UpdateStatus.UNKNOWN, False),
        (Answered({}), UpdateStatus.UNKNOWN, False),
        (Refused("InternalError", "", {}), UpdateStatus.REFUSED, True),
        (Malformed("?"), UpdateStatus.UNKNOWN, False),
        (TimedOut(30.0), UpdateStatus.UNKNOWN, False),
        (Disconnected(), UpdateStatus.UNKNOWN, False),
    ],
)
async def test_raw_update_makes_true_what_its_answer_says(
    rig: Rig, lists: LocalLists, outcome: CommandOutcome, status: UpdateStatus, is_known: bool
) -> None:
    """Accepted changes the list, a refusal does not, no answer leaves it unknown."""
    await rig.send("SendLocalList", _update(1, "A"))
    rig.wire.outcomes = [outcome]

    assert await rig.send("SendLocalList", _update(2, "B", kind="Differential")) == outcome

    known = await _known(rig)
    assert known.is_known is is_known
    assert known.version == (2 if outcome == ACCEPTED else 1)
    assert await _entries(rig) == ({"A", "B"} if outcome == ACCEPTED else {"A"})
    updates = await rig.store.read(partial(local_lists.update_page, identity="CP1"))
    assert updates[0].status is status


async def test_update_that_was_never_sent_leaves_no_trace(rig: Rig, lists: LocalLists) -> None:
    """Offline: nobody was asked for anything."""
    rig.wire.outcomes = [Offline()]

    await rig.send("SendLocalList", _update(1, "A"))

    assert (await _known(rig)).unconfirmed is None
    assert await rig.store.read(partial(local_lists.update_page, identity="CP1")) == []


@pytest.mark.parametrize(
    "payload",
    [
        _update(0, "A"),
        _update(-1, "A"),
        _update(1, "A", "a"),
        _update(1, localAuthorizationList=[{"idTag": "A"}]),
        _update(
            1, localAuthorizationList=[{"idTag": "A", "idTagInfo": {"status": "ConcurrentTx"}}]
        ),
        {"listVersion": 1},
    ],
)
async def test_forbidden_update_is_neither_sent_nor_kept(
    rig: Rig, lists: LocalLists, payload: dict[str, Any]
) -> None:
    """Version 0 or -1, a tag twice, no idTagInfo in a full list, ConcurrentTx (CS-LAL-02 … 04)."""
    with pytest.raises(InvalidCommand):
        await rig.send("SendLocalList", payload)

    assert rig.wire.sent == []
    assert await rig.store.read(partial(local_lists.update_page, identity="CP1")) == []


async def test_raw_full_list_without_entries_empties_it(rig: Rig, lists: LocalLists) -> None:
    """Absent and empty mean the same (CS-LAL-03)."""
    await rig.send("SendLocalList", _update(1, "A"))
    await rig.send("SendLocalList", {"listVersion": 2, "updateType": "Full"})

    assert await _entries(rig) == set()
    assert (await _known(rig)).is_known


@pytest.mark.parametrize(
    ("reported", "version", "is_known", "tags"),
    [
        (2, 2, True, {"A", "B"}),  # it was applied
        (1, 1, True, {"A"}),  # it was not
        (7, 1, False, {"A"}),  # somebody else was here
        (0, 1, False, {"A"}),  # says nothing
        (-1, 1, False, {"A"}),
    ],
)
async def test_reported_version_settles_an_open_update(
    rig: Rig, lists: LocalLists, reported: int, version: int, is_known: bool, tags: set[str]
) -> None:
    """The version tells whether an update with a lost answer came to be."""
    await rig.send("SendLocalList", _update(1, "A"))
    rig.wire.outcomes = [TimedOut(1.0)]
    await rig.send("SendLocalList", _update(2, "B", kind="Differential"))

    await _report(rig, reported)

    known = await _known(rig)
    assert (known.version, known.is_known) == (version, is_known)
    assert known.reported_version == reported
    assert await _entries(rig) == tags


@pytest.mark.parametrize("reported", [0, -1])
async def test_station_that_never_tells_its_version_is_believed(
    rig: Rig, lists: LocalLists, reported: int
) -> None:
    """Some report 0 or -1 whatever they accepted; their list is known all the same."""
    await _report(rig, reported)
    for version in (1, 2):
        await rig.send("SendLocalList", _update(version, f"T{version}", kind="Full"))
        await _report(rig, reported)

    known = await _known(rig)
    assert (known.version, known.is_known, known.reported_version) == (2, True, reported)
    await _issue(rig, "X")
    delivery = await lists.send_differential("CP1", ["X"], None)
    assert [(one.version, one.update_type) for one in delivery.updates] == [(3, "Differential")]


@pytest.mark.parametrize("how", ["it told better before", "it booted since"])
async def test_lost_list_is_noticed(rig: Rig, lists: LocalLists, how: str) -> None:
    """A version of 0 means something where the charge point told its version, or booted."""
    await rig.store.write(partial(charge_points.register, identity="CP1", at=rig.now()))
    await rig.send("SendLocalList", _update(1, "A"))
    if how == "it told better before":
        await _report(rig, 1)
    else:
        rig.now.move(timedelta(minutes=1))
        await rig.store.write(
            partial(charge_points.record_boot, identity="CP1", boot=BootInformation(), at=rig.now())
        )

    await _report(rig, 0)

    assert not (await _known(rig)).is_known
    await _issue(rig, "B")
    delivery = await lists.send_differential("CP1", ["B"], None)
    assert [one.update_type for one in delivery.updates] == ["Full"]


async def test_empty_list_is_a_known_beginning(rig: Rig, lists: LocalLists) -> None:
    """0 before anything was sent: the list is empty, and a change is enough."""
    await _report(rig, 0)
    await _issue(rig, "A")

    delivery = await lists.send_differential("CP1", ["A"], None)

    assert [one.update_type for one in delivery.updates] == ["Differential"]
    assert (await _known(rig)).is_known
    assert await _entries(rig) == {"A"}


async def test_change_of_a_list_that_is_not_ours_stays_unknown(rig: Rig, lists: LocalLists) -> None:
    """What another system put there is still there, whatever it is; and is not wiped unasked."""
    await _report(rig, 9)
    await _issue(rig, "A")

    deliveries = [await lists.send_differential("CP1", ["A"], None) for _ in range(2)]

    sent = [(one.version, one.update_type) for each in deliveries for one in each.updates]
    assert sent == [(10, "Differential"), (11, "Differential")]
    assert not (await _known(rig)).is_known


async def test_versions_rise_over_refused_and_lost_updates(rig: Rig, lists: LocalLists) -> None:
    """No version is used twice, whoever used it."""
    await _issue(rig, "A")
    await rig.send("SendLocalList", _update(41, "A"))
    rig.wire.outcomes = [Answered({"status": "Failed"}), TimedOut(1.0), ACCEPTED]

    for _ in range(3):
        await lists.send_full("CP1", ["A"])

    assert [payload["listVersion"] for _, payload in rig.wire.sent] == [41, 42, 43, 44]


async def test_versions_begin_anew_when_they_are_used_up(rig: Rig, lists: LocalLists) -> None:
    """A full list is compared with nothing; 32 bit are never exceeded."""
    await _issue(rig, "A")
    await rig.send("SendLocalList", _update(2**31 - 1))

    delivery = await lists.send_differential("CP1", ["A"], None)

    assert [(one.version, one.update_type) for one in delivery.updates] == [(1, "Full")]


async def test_entries_say_what_an_authorize_would(rig: Rig, lists: LocalLists) -> None:
    """An expired tag is Expired on the list, a blocked one Blocked (CS-LAL-07)."""
    over = IdTag("OVER", expires_at=rig.now() - timedelta(days=1))
    blocked = IdTag("STOP", status=AuthorizationStatus.BLOCKED, parent_id_tag="GROUP")
    for tag in (over, blocked):
        await rig.store.write(partial(id_tags.put, tag=tag))

    await lists.send_full("CP1", None)

    _, payload = rig.wire.sent[0]
    assert payload["localAuthorizationList"] == [
        {
            "idTag": "OVER",
            "idTagInfo": {"status": "Expired", "expiryDate": "2026-01-30T12:00:00.000Z"},
        },
        {"idTag": "STOP", "idTagInfo": {"status": "Blocked", "parentIdTag": "GROUP"}},
    ]


async def test_tags_differ_only_where_they_differ_on_the_wire(rig: Rig, lists: LocalLists) -> None:
    """Microseconds are not sent, so they change nothing."""
    expiry = rig.now() + timedelta(days=1, microseconds=123_456)
    await rig.store.write(partial(id_tags.put, tag=IdTag("A", expires_at=expiry)))
    await lists.send_full("CP1", None)

    delivery = await lists.send_differential("CP1", None, None)

    assert delivery.updates == ()


async def test_unknown_tag_and_too_long_list_are_not_sent(rig: Rig, lists: LocalLists) -> None:
    """What cannot work is said before anything leaves."""
    await _issue(rig, "A", "B")
    answer = {"configurationKey": [{"key": "LocalAuthListMaxLength", "value": "1"}]}
    await rig.store.write(partial(capabilities.record, identity="CP1", answer=answer, at=rig.now()))

    with pytest.raises(UnknownTags, match="nobody"):
        await lists.send_full("CP1", ["A", "nobody"])
    with pytest.raises(ListTooLong, match="at most 1"):
        await lists.send_full("CP1", None)
    assert rig.wire.sent == []


@pytest.mark.parametrize("value", ["0", "-5", "many", ""])
async def test_nonsense_length_splits_nothing(rig: Rig, lists: LocalLists, value: str) -> None:
    """A key without meaning is no limit."""
    await _issue(rig, "A", "B")
    answer = {"configurationKey": [{"key": "SendLocalListMaxLength", "value": value}]}
    await rig.store.write(partial(capabilities.record, identity="CP1", answer=answer, at=rig.now()))

    assert len((await lists.send_full("CP1", None)).updates) == 1


async def test_kill_at_any_point_of_an_update(rig: Rig, lists: LocalLists) -> None:
    """Before, during and after: what a restarted CSMS says is true, or unknown."""
    await rig.send("SendLocalList", _update(1, "A"))
    seen: list[tuple[int | None, bool, int | None]] = []

    async def look() -> None:
        known = await rig.after_kill(partial(local_lists.get, identity="CP1"))
        doubt = None if known.unconfirmed is None else known.unconfirmed.version
        seen.append((known.version, known.is_known, doubt))

    await look()
    rig.wire.meanwhile = look
    await rig.send("SendLocalList", _update(2, "B", kind="Differential"))
    await look()

    assert seen == [(1, True, None), (1, False, 2), (2, True, None)]


async def test_kill_at_any_point_of_a_split(rig: Rig, lists: LocalLists) -> None:
    """A list half sent is never taken for a whole one, and the next update is full."""
    await _issue(rig, "A", "B", "C")
    await rig.store.write(partial(charge_points.register, identity="CP1", at=rig.now()))
    await rig.store.write(
        partial(charge_points.change, identity="CP1", at=rig.now(), send_local_list_max_length=1)
    )
    seen: list[tuple[bool, bool, int, bool]] = []

    async def look() -> None:
        known = await rig.after_kill(partial(local_lists.get, identity="CP1"))
        seen.append((known.is_known, known.is_complete, known.entry_count, known.needs_full))

    rig.wire.meanwhile = look
    await lists.send_full("CP1", None)
    await look()

    assert seen == [
        (False, True, 0, True),
        (False, False, 1, True),
        (False, False, 2, True),
        (True, True, 3, False),
    ]


async def test_lost_portion_ends_the_delivery(rig: Rig, lists: LocalLists) -> None:
    """Nothing more is sent to who does not answer; what is known is half, and says so."""
    await _issue(rig, "A", "B", "C")
    answer = {"configurationKey": [{"key": "SendLocalListMaxLength", "value": "1"}]}
    await rig.store.write(partial(capabilities.record, identity="CP1", answer=answer, at=rig.now()))
    rig.wire.outcomes = [ACCEPTED, TimedOut(1.0)]

    delivery = await lists.send_full("CP1", None)

    assert delivery.outcome == TimedOut(1.0)
    assert len(rig.wire.sent) == 2
    known = await _known(rig)
    assert (known.is_known, known.is_complete, known.needs_full) == (False, False, True)


async def test_forgotten_charge_point_has_no_list(rig: Rig, lists: LocalLists) -> None:
    """Who is registered again is a new charge point, also for open updates of before."""
    await rig.store.write(partial(charge_points.register, identity="CP1", at=rig.now()))
    await rig.send("SendLocalList", _update(1, "A"))
    rig.wire.outcomes = [TimedOut(1.0)]
    await rig.send("SendLocalList", _update(2, "B"))
    await rig.store.write(partial(charge_points.remove, identity="CP1"))

    await _report(rig, 2)

    known = await _known(rig)
    assert (known.version, known.is_known, known.unconfirmed) == (None, False, None)
    assert await _entries(rig) == set()
