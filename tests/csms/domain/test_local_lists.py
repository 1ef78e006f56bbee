"""Local lists: updates read and written, changes found, portions planned (CS-LAL)."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from csms.domain.authorization import fold
from csms.domain.local_lists import (
    Entry,
    LocalList,
    LocalListUpdate,
    Update,
    UpdateStatus,
    UpdateType,
    difference,
    entry_of,
    plan,
    read_status,
    read_update,
    write_update,
)
from csms.domain.model import AuthorizationStatus, IdTag, IdTagInfo
from csms.ocppj import command_rules

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)
INFOS = (
    IdTagInfo(AuthorizationStatus.ACCEPTED),
    IdTagInfo(AuthorizationStatus.BLOCKED, AT, "GROUP"),
)

lists = st.dictionaries(st.sampled_from("abcde"), st.sampled_from(INFOS)).map(
    lambda tags: {tag: Entry(tag.upper(), info) for tag, info in tags.items()}
)


def applied(entries: Mapping[str, Entry], update: Update) -> dict[str, Entry]:
    """Return a list, by folded tag, after an update."""
    after = {} if update.update_type is UpdateType.FULL else dict(entries)
    for entry in update.entries:
        if entry.info is None:
            after.pop(fold(entry.id_tag), None)
        else:
            after[fold(entry.id_tag)] = entry
    return after


@given(before=lists, after=lists)
def test_difference_makes_one_list_of_another(
    before: dict[str, Entry], after: dict[str, Entry]
) -> None:
    """And is empty only where nothing changed."""
    changes = difference(before, after)

    update = Update(2, UpdateType.DIFFERENTIAL, tuple(changes))
    assert applied(before, update) == after
    assert (changes == []) == (before == after)


@given(
    target=lists,
    kind=st.sampled_from(UpdateType),
    after_version=st.integers(-1, 100),
    max_length=st.one_of(st.none(), st.integers(1, 6)),
)
def test_plan_brings_every_entry_once(
    target: dict[str, Entry], kind: UpdateType, after_version: int, max_length: int | None
) -> None:
    """Only the first may be full, none is too long, versions rise by one and may all be sent."""
    updates = plan(list(target.values()), kind, after_version=after_version, max_length=max_length)

    held: dict[str, Entry] = {}
    for number, update in enumerate(updates):
        assert update.version == max(after_version, 0) + 1 + number
        assert update.update_type is (kind if number == 0 else UpdateType.DIFFERENTIAL)
        assert len(update.entries) <= (max_length or len(target))
        assert command_rules.problems("SendLocalList", write_update(update)) == ()
        assert read_update(write_update(update)) == update
        held = applied(held, update)
    assert held == target


def test_plan_of_nothing_is_one_empty_update() -> None:
    """An empty full list empties the charge point's."""
    assert plan([], UpdateType.FULL, after_version=4, max_length=1) == [
        Update(5, UpdateType.FULL, ())
    ]


@pytest.mark.parametrize("after_version", [2**31 - 1, 2**31 - 2])
def test_plan_never_leaves_32_bit(after_version: int) -> None:
    """A full list begins anew; a change cannot."""
    entries = [Entry(tag, INFOS[0]) for tag in "AB"]

    full = plan(entries, UpdateType.FULL, after_version=after_version, max_length=1)

    assert [one.version for one in full] == [1, 2]
    with pytest.raises(ValueError, match="full list"):
        plan(entries, UpdateType.DIFFERENTIAL, after_version=after_version, max_length=1)


def test_update_without_list_is_read() -> None:
    """Absent and empty mean the same; an entry without info leaves the list."""
    assert read_update({"listVersion": 1, "updateType": "Full"}).entries == ()
    removal = {"listVersion": 1, "updateType": "Differential"} | {
        "localAuthorizationList": [{"idTag": "A"}]
    }
    assert read_update(removal).entries == (Entry("A", None),)


@pytest.mark.parametrize(
    ("payload", "status"),
    [
        ({"status": "Accepted"}, UpdateStatus.ACCEPTED),
        ({"status": "VersionMismatch"}, UpdateStatus.VERSION_MISMATCH),
        ({"status": "accepted"}, UpdateStatus.UNKNOWN),
        ({"status": "Requested"}, UpdateStatus.UNKNOWN),  # our word, not theirs
        ({"status": 1}, UpdateStatus.UNKNOWN),
        ({"status": []}, UpdateStatus.UNKNOWN),
        ({}, UpdateStatus.UNKNOWN),
    ],
)
def test_only_the_standards_words_are_answers(
    payload: dict[str, object], status: UpdateStatus
) -> None:
    """Nonsense accepts nothing and refuses nothing."""
    assert read_status(payload) is status


def test_entry_is_what_an_authorize_says_to_the_millisecond() -> None:
    """Expired tags are Expired, and times are as they will be sent."""
    expiry = AT + timedelta(microseconds=1_999)
    tag = IdTag("A", expires_at=expiry)

    before = entry_of(tag, at=AT)
    after = entry_of(tag, at=AT + timedelta(days=1))

    rounded = AT + timedelta(milliseconds=1)
    assert before == Entry("A", IdTagInfo(AuthorizationStatus.ACCEPTED, rounded))
    assert after == Entry("A", IdTagInfo(AuthorizationStatus.EXPIRED, rounded))


OPEN = LocalListUpdate(1, "CP1", 1, UpdateType.FULL, 0, UpdateStatus.UNKNOWN, AT, AT)


@pytest.mark.parametrize(
    ("known", "needs_full"),
    [
        (LocalList("CP1"), False),
        (LocalList("CP1", unconfirmed=OPEN), True),
        (LocalList("CP1", version=1, is_known=True, is_ours=True), False),
        (LocalList("CP1", version=1, is_known=False, is_ours=True), True),
        (LocalList("CP1", version=1, is_known=True, is_ours=True, is_complete=False), True),
        (LocalList("CP1", version=1, is_known=False, is_ours=False), False),
    ],
)
def test_unknown_and_half_lists_need_a_full_one(known: LocalList, needs_full: bool) -> None:
    """But not those that were never ours."""
    assert known.needs_full is needs_full


@pytest.mark.parametrize(
    ("known", "version"),
    [
        (LocalList("CP1"), 0),
        (LocalList("CP1", reported_version=-1), 0),
        (LocalList("CP1", version=3, highest_version=5, reported_version=4), 5),
        (LocalList("CP1", version=3, highest_version=5, reported_version=9), 9),
    ],
)
def test_last_version_is_the_highest_heard_of(known: LocalList, version: int) -> None:
    """Whoever used or told it."""
    assert known.last_version == version
