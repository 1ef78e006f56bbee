"""Charge points: registered by the operator, with what is known of each."""

from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Response
from sqlalchemy import Connection

from csms import credentials
from csms.credentials import CredentialError, TooBusy
from csms.domain.admission import OVER_TLS, WITH_PASSWORD
from csms.domain.model import ChargePoint
from csms.storage import charge_points, meter_values, statuses
from csms.storage.charge_points import Changes
from csms.web.models import (
    BootView,
    ChargePointBody,
    ChargePointView,
    ConnectionEventView,
    ConnectorView,
    MeterValuesView,
    Page,
    StatusView,
)
from csms.web.paging import DEFAULT_LIMIT, Cursor, Limit, cut, read_cursor
from csms.web.parameters import Identity
from csms.web.problems import invalid
from csms.web.services import Services, ServicesOf, known_charge_point, unknown_charge_point
from csms.web.transactions import meter_values_page

router = APIRouter(prefix="/charge-points", tags=["charge points"])

ConnectorFilter = Annotated[
    int | None, Query(ge=-(2**31), lt=2**31, description="Only of this connector.")
]


@router.put(
    "/{identity}",
    summary="Register a charge point, or change what was decided about it",
    responses={201: {"model": ChargePointView, "description": "It is new."}},
)
async def put_charge_point(
    identity: Identity, body: ChargePointBody, services: ServicesOf, response: Response
) -> ChargePointView:
    """Answer 201 for a new charge point, 200 for a known one; what is left out stays as it was."""
    charge_point, is_new = await _decide(identity, body, services, may_create=True)
    if is_new:
        response.status_code = HTTPStatus.CREATED
    return _view(charge_point, services)


@router.patch("/{identity}", summary="Change what was decided about a known charge point")
async def patch_charge_point(
    identity: Identity, body: ChargePointBody, services: ServicesOf
) -> ChargePointView:
    """Change what the body names; a live connection obeys at once."""
    charge_point, _ = await _decide(identity, body, services, may_create=False)
    return _view(charge_point, services)


@router.get("", summary="List charge points, in the order of their identities")
async def list_charge_points(
    services: ServicesOf, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[ChargePointView]:
    """Return one page."""
    after = read_cursor(cursor, str)
    found = await services.store.read(partial(charge_points.page, after=after, limit=limit + 1))
    page, following = cut(found, limit, lambda one: one.identity)
    return Page(items=[_view(one, services) for one in page], next=following)


@router.get("/{identity}", summary="Show a charge point")
async def get_charge_point(identity: Identity, services: ServicesOf) -> ChargePointView:
    """Return what is known; credentials are never shown."""
    return _view(await known_charge_point(services, identity), services)


@router.delete("/{identity}", summary="Forget a charge point", status_code=HTTPStatus.NO_CONTENT)
async def delete_charge_point(identity: Identity, services: ServicesOf) -> None:
    """Close its connection and know it no more; transactions and messages are kept."""
    if not await services.store.write(partial(charge_points.remove, identity=identity)):
        raise unknown_charge_point(identity)
    services.ocpp.disconnect(identity, "charge point removed")


@router.get("/{identity}/connectors", summary="Show the newest status of each connector")
async def list_connectors(identity: Identity, services: ServicesOf) -> Page[ConnectorView]:
    """Return every connector ever heard of; 0 is the charge point itself."""
    await known_charge_point(services, identity)
    found = await services.store.read(partial(statuses.connector_states, identity=identity))
    return Page(items=[ConnectorView.model_validate(one) for one in found], next=None)


@router.get("/{identity}/statuses", summary="List StatusNotifications, newest first")
async def list_statuses(
    identity: Identity,
    services: ServicesOf,
    connector: ConnectorFilter = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[StatusView]:
    """Return one page."""
    await known_charge_point(services, identity)
    found = await services.store.read(
        partial(
            statuses.page,
            identity=identity,
            connector_id=connector,
            before_id=read_cursor(cursor, int),
            limit=limit + 1,
        )
    )
    page, following = cut(found, limit, lambda one: one.record_id)
    return Page(items=[StatusView.model_validate(one) for one in page], next=following)


@router.get("/{identity}/meter-values", summary="List MeterValues, newest first")
async def list_meter_values(
    identity: Identity,
    services: ServicesOf,
    connector: ConnectorFilter = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[MeterValuesView]:
    """Return one page, readings outside transactions included."""
    await known_charge_point(services, identity)
    found = await services.store.read(
        partial(
            meter_values.page,
            identity=identity,
            connector_id=connector,
            before_id=read_cursor(cursor, int),
            limit=limit + 1,
        )
    )
    return await meter_values_page(found, limit)


@router.get("/{identity}/connections", summary="List what happened to its connections")
async def list_connections(
    identity: Identity, services: ServicesOf, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Page[ConnectionEventView]:
    """Return one page, newest first."""
    await known_charge_point(services, identity)
    found = await services.store.read(
        partial(
            charge_points.connection_events,
            identity=identity,
            before_id=read_cursor(cursor, int),
            limit=limit + 1,
        )
    )
    page, following = cut(found, limit, lambda one: one.record_id)
    return Page(items=[ConnectionEventView.model_validate(one) for one in page], next=following)


async def _decide(
    identity: str, body: ChargePointBody, services: Services, *, may_create: bool
) -> tuple[ChargePoint, bool]:
    """Store what the body says; return the charge point, and whether it is new."""
    changes = await _changes(body, services)
    async with services.credential_locks.of(identity):  # a key change under way settles first
        was = await services.store.read(partial(charge_points.get, identity=identity))
        charge_point, is_new = await services.store.write(
            partial(
                _store,
                identity=identity,
                changes=changes,
                at=services.now(),
                may_create=may_create,
                has_tls=services.ocpp.has_tls,
                lowest=services.ocpp.lowest_security_profile,
            )
        )
    if charge_point is None:
        raise unknown_charge_point(identity)
    services.ocpp.hold_to_profile(charge_point)
    session = services.ocpp.registry.get(identity)
    if (
        was is not None
        and session is not None
        and session.security_profile in WITH_PASSWORD
        and not await _is_same_secret(body, changes, was, services)
    ):  # whoever came with the old one may have stolen it
        services.ocpp.disconnect(identity, "another key or password was decided")
    if "registration" in changes:
        services.ocpp.set_registration(identity, charge_point.registration)
    return charge_point, is_new


async def _is_same_secret(
    body: ChargePointBody, changes: Changes, was: ChargePoint, services: Services
) -> bool:
    """Tell whether the body leaves the key or password as it was."""
    if "credential" not in changes:
        return True
    if was.credential is None or credentials.newest(was.credential) != was.credential:
        return False  # while a key change is open nobody knows which of two it came with
    try:
        if body.authorization_key is not None:
            key = bytes.fromhex(body.authorization_key)
            return credentials.verify(was.credential, key, encoding="raw_from_hex")
        password = (body.password or "").encode()
        return await services.credentials.check(was.credential, password)
    except TooBusy:
        return False


def _store(
    connection: Connection,
    *,
    identity: str,
    changes: Changes,
    at: datetime,
    may_create: bool,
    has_tls: bool,
    lowest: int,
) -> tuple[ChargePoint | None, bool]:
    known = charge_points.get(connection, identity)
    if known is None and not may_create:
        return None, False
    _decide_profile(known, changes, has_tls=has_tls, lowest=lowest)
    if known is None:
        return charge_points.register(connection, identity, at=at, **changes), True
    if all(getattr(known, name) == value for name, value in changes.items()):
        return known, False
    return charge_points.change(connection, identity, at=at, **changes), False


def _decide_profile(
    known: ChargePoint | None, changes: Changes, *, has_tls: bool, lowest: int
) -> None:
    """Add what follows for the security profile, and check it.

    Raises:
        Problem: the charge point could not connect with it.
    """
    was = 0 if known is None else known.security_profile
    credential = None if known is None else known.credential
    credential = changes.get("credential", credential)
    is_asked_for = "security_profile" in changes
    if "security_profile" not in changes and "credential" in changes and was in (0, 1):
        follows = 0 if credential is None else 1
        if follows != was or known is None:
            changes["security_profile"] = follows
    profile = changes.get("security_profile", was)
    if profile in WITH_PASSWORD and credential is None:
        raise invalid(
            "securityProfile", f"{profile} needs an authorizationKey or a password; none is set"
        )
    if "security_profile" not in changes:
        return
    if is_asked_for and profile < lowest:
        raise invalid(
            "securityProfile", f"{profile} is let in nowhere: lowest_security_profile is {lowest}"
        )
    if profile in OVER_TLS and profile != was and not has_tls:
        raise invalid(
            "securityProfile", f"{profile} needs the TLS listener: set tls_port and start again"
        )
    changes["target_security_profile"] = None  # a person's decision ends an open upgrade


async def _changes(body: ChargePointBody, services: Services) -> Changes:
    """Return what the body names, credentials as verifiers."""
    named = body.model_fields_set
    changes = Changes()
    if {"authorization_key", "password"} <= named:
        raise invalid("authorizationKey", "give either this or password, not both")
    if "registration" in named:
        changes["registration"] = body.registration
    if "heartbeat_interval" in named:
        changes["heartbeat_interval_s"] = body.heartbeat_interval
    if "send_local_list_max_length" in named:
        changes["send_local_list_max_length"] = body.send_local_list_max_length
    if "security_profile" in named:
        changes["security_profile"] = body.security_profile
    if "certificate_name" in named:
        changes["certificate_name"] = body.certificate_name
    try:
        if body.authorization_key is not None:
            changes["credential"] = credentials.for_key(body.authorization_key)
        elif body.password is not None:
            changes["credential"] = await services.credentials.protect(body.password)
        elif named & {"authorization_key", "password"}:
            changes["credential"] = None
    except CredentialError as error:
        field = "password" if body.authorization_key is None else "authorizationKey"
        raise invalid(field, str(error)) from None
    return changes


def _view(charge_point: ChargePoint, services: Services) -> ChargePointView:
    session = services.ocpp.registry.get(charge_point.identity)
    return ChargePointView(
        id=charge_point.identity,
        registration=charge_point.registration,
        credential=credentials.kind(charge_point.credential),
        security_profile=charge_point.security_profile,
        target_security_profile=charge_point.target_security_profile,
        certificate_name=charge_point.certificate_name,
        heartbeat_interval=charge_point.heartbeat_interval_s,
        send_local_list_max_length=charge_point.send_local_list_max_length,
        is_connected=session is not None,
        connected_at=None if session is None else session.connected_at,
        remote_address=None if session is None else session.remote_address,
        last_seen_at=charge_point.last_seen_at if session is None else session.last_received_at,
        booted_at=charge_point.booted_at,
        boot=BootView.model_validate(charge_point.boot),
        registered_at=charge_point.registered_at,
        updated_at=charge_point.updated_at,
    )
