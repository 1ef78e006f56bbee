"""What id tags may do."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from csms.domain.authorization import authorize, authorize_start, fold, is_same_group, refreshed
from csms.domain.model import AuthorizationStatus, IdTag, IdTagInfo

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
EARLIER = NOW - timedelta(days=1)

Status = AuthorizationStatus


def test_unknown_tag_is_invalid() -> None:
    """A tag nobody issued is Invalid, with nothing else said (CS-AUTH-02)."""
    assert authorize(None, at=NOW) == IdTagInfo(Status.INVALID)


@pytest.mark.parametrize(
    ("tag", "info"),
    [
        (IdTag("T"), IdTagInfo(Status.ACCEPTED)),
        (IdTag("T", expires_at=LATER), IdTagInfo(Status.ACCEPTED, LATER)),
        (IdTag("T", expires_at=EARLIER), IdTagInfo(Status.EXPIRED, EARLIER)),
        (IdTag("T", expires_at=NOW), IdTagInfo(Status.EXPIRED, NOW)),
        (IdTag("T", Status.EXPIRED), IdTagInfo(Status.EXPIRED)),
        (IdTag("T", Status.EXPIRED, LATER), IdTagInfo(Status.EXPIRED, LATER)),
        (IdTag("T", Status.BLOCKED, LATER), IdTagInfo(Status.BLOCKED)),
        (IdTag("T", Status.BLOCKED, EARLIER), IdTagInfo(Status.BLOCKED)),
        (IdTag("T", Status.INVALID), IdTagInfo(Status.INVALID)),
    ],
)
def test_status_follows_from_tag_and_time(tag: IdTag, info: IdTagInfo) -> None:
    """Blocked stays Blocked, accepted ends with its date (CS-AUTH-02, CS-AUTH-05)."""
    assert authorize(tag, at=NOW) == info


@pytest.mark.parametrize(
    "status", [Status.ACCEPTED, Status.BLOCKED, Status.EXPIRED, Status.INVALID]
)
def test_group_is_always_told(status: Status) -> None:
    """Group stop needs the parent whatever the status is (CS-AUTH-04)."""
    assert authorize(IdTag("T", status, parent_id_tag="P"), at=NOW).parent_id_tag == "P"


def test_concurrent_tx_takes_another_transaction_and_a_rule_against_it() -> None:
    """Both are needed for ConcurrentTx (CS-START-08)."""
    tag = IdTag("T", expires_at=LATER, parent_id_tag="P")

    def answer(*, has_other: bool, allow: bool) -> IdTagInfo:
        return authorize_start(tag, at=NOW, has_other_transaction=has_other, allow_concurrent=allow)

    accepted = IdTagInfo(Status.ACCEPTED, LATER, "P")
    assert answer(has_other=True, allow=False) == IdTagInfo(Status.CONCURRENT_TX, None, "P")
    assert answer(has_other=True, allow=True) == accepted
    assert answer(has_other=False, allow=False) == accepted


@pytest.mark.parametrize(
    ("tag", "status"),
    [
        (None, Status.INVALID),
        (IdTag("T", Status.BLOCKED), Status.BLOCKED),
        (IdTag("T", expires_at=EARLIER), Status.EXPIRED),
    ],
)
def test_concurrent_tx_hides_no_other_refusal(tag: IdTag | None, status: Status) -> None:
    """Only a tag that would be accepted can be ConcurrentTx."""
    info = authorize_start(tag, at=NOW, has_other_transaction=True, allow_concurrent=False)

    assert info.status is status


def test_stored_answer_is_never_accepted_with_a_past_date() -> None:
    """An answer given again after its date says Expired (CS-AUTH-05)."""
    accepted = IdTagInfo(Status.ACCEPTED, LATER, "P")

    assert refreshed(accepted, at=NOW) == accepted
    assert refreshed(accepted, at=LATER) == replace(accepted, status=Status.EXPIRED)


def test_tags_are_compared_without_case() -> None:
    """IdToken is case-insensitive (CS-DATA-04)."""
    assert fold("DeadBeef") == fold("dEADbEEF")
    assert fold("A1") != fold("A2")


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        (IdTag("A", parent_id_tag="Fleet"), IdTag("B", parent_id_tag="FLEET"), True),
        (IdTag("A", parent_id_tag="Fleet"), IdTag("B", parent_id_tag="Other"), False),
        (IdTag("A"), IdTag("B"), False),
        (IdTag("A", parent_id_tag="Fleet"), IdTag("Fleet"), False),
        (IdTag("A", parent_id_tag="Fleet"), None, False),
        (None, None, False),
    ],
)
def test_group_is_the_same_parent(one: IdTag | None, other: IdTag | None, is_same: bool) -> None:
    """Equal parents make a group; no parent makes none (CS-DATA-10)."""
    assert is_same_group(one, other) is is_same
