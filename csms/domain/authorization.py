"""What an id tag may do. Spec: OCPP 1.6 ed. 2 §3.10, §4.1, §7.2, §7.27 (CS-AUTH, CS-DATA-04)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from csms.domain.model import AuthorizationStatus, IdTag, IdTagInfo


def fold(id_tag: str) -> str:
    """Return the form in which id tags are compared: they are case-insensitive (§7.28)."""
    return id_tag.lower()


def authorize(tag: IdTag | None, *, at: datetime) -> IdTagInfo:
    """Return what to tell a charge point of a tag at a moment; None is an unknown tag.

    An accepted tag whose time is over is Expired. The group is always told; a date only where
    it says something: with Accepted (in the future, CS-AUTH-05) and with Expired.
    """
    if tag is None:
        return IdTagInfo(AuthorizationStatus.INVALID)
    return refreshed(IdTagInfo(tag.status, tag.expires_at, tag.parent_id_tag), at=at)


def authorize_start(
    tag: IdTag | None, *, at: datetime, has_other_transaction: bool, allow_concurrent: bool
) -> IdTagInfo:
    """Return what a StartTransaction is answered; the only place for ConcurrentTx (§7.2)."""
    info = authorize(tag, at=at)
    is_refused = has_other_transaction and not allow_concurrent
    if info.status is AuthorizationStatus.ACCEPTED and is_refused:
        return replace(info, status=AuthorizationStatus.CONCURRENT_TX, expires_at=None)
    return info


def refreshed(info: IdTagInfo, *, at: datetime) -> IdTagInfo:
    """Return an earlier answer as it may be given now: Accepted never with a past date."""
    status = info.status
    if status is AuthorizationStatus.ACCEPTED and info.expires_at and info.expires_at <= at:
        status = AuthorizationStatus.EXPIRED
    has_date = status in (AuthorizationStatus.ACCEPTED, AuthorizationStatus.EXPIRED)
    return replace(info, status=status, expires_at=info.expires_at if has_date else None)


def is_same_group(one: IdTag | None, other: IdTag | None) -> bool:
    """Say whether two tags have the same parent (CS-DATA-10)."""
    if one is None or other is None or not one.parent_id_tag or not other.parent_id_tag:
        return False
    return fold(one.parent_id_tag) == fold(other.parent_id_tag)
