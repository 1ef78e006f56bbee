"""Charging sessions with their readings."""

import asyncio
from functools import partial
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query

from csms.domain.model import MeterValuesRecord, Transaction
from csms.storage import meter_values, transactions
from csms.web.history import ChargePointFilter, Since, Until
from csms.web.models import (
    MeterValuesView,
    OrphanStopView,
    Page,
    SampleView,
    TransactionDetailView,
    TransactionView,
)
from csms.web.paging import DEFAULT_LIMIT, Cursor, Limit, cut, read_cursor
from csms.web.problems import Problem
from csms.web.services import Services, ServicesOf

router = APIRouter(tags=["transactions"])

TransactionId = Annotated[int, Path(ge=1, lt=2**31, description="As the charge point was told.")]


@router.get("/transactions", summary="List transactions, newest first")
async def list_transactions(
    services: ServicesOf,
    charge_point: ChargePointFilter = None,
    id_tag: Annotated[
        str | None, Query(alias="idTag", description="Only of this id tag, in any case.")
    ] = None,
    is_open: Annotated[
        bool | None, Query(alias="isOpen", description="Only running ones, or only ended ones.")
    ] = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[TransactionView]:
    """Return one page; `since` and `until` are compared with the start."""
    found = await services.store.read(
        partial(
            transactions.page,
            identity=charge_point,
            id_tag=id_tag,
            is_running=is_open,
            since=since,
            until=until,
            before_id=read_cursor(cursor, int),
            limit=limit + 1,
        )
    )
    page, following = cut(found, limit, lambda one: one.transaction_id)
    return Page(items=[TransactionView.model_validate(one) for one in page], next=following)


@router.get("/transactions/{transaction_id}", summary="Show a transaction with its readings")
async def get_transaction(
    transaction_id: TransactionId, services: ServicesOf
) -> TransactionDetailView:
    """Return the transaction and the first page of its meter values."""
    found = await services.store.read(partial(transactions.get, transaction_id=transaction_id))
    if found is None:
        raise _unknown(transaction_id)
    readings = await _meter_values(services, found, DEFAULT_LIMIT, None)
    plain = TransactionView.model_validate(found)
    # In a thread: a charge point may have sent a megabyte of them.
    samples = await asyncio.to_thread(
        lambda: [SampleView.model_validate(one) for one in found.samples]
    )
    return TransactionDetailView.model_construct(
        **dict(plain), samples=samples, meter_values=readings
    )


@router.get(
    "/transactions/{transaction_id}/meter-values",
    summary="List a transaction's meter values, oldest first",
)
async def list_meter_values(
    transaction_id: TransactionId,
    services: ServicesOf,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[MeterValuesView]:
    """Return one page."""
    found = await services.store.read(partial(transactions.get, transaction_id=transaction_id))
    if found is None:
        raise _unknown(transaction_id)
    return await _meter_values(services, found, limit, cursor)


@router.get("/orphan-stops", summary="List StopTransactions that ended nothing, newest first")
async def list_orphan_stops(
    services: ServicesOf,
    charge_point: ChargePointFilter = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
) -> Page[OrphanStopView]:
    """Return one page; they were answered, and are kept for reconciliation."""
    found = await services.store.read(
        partial(
            transactions.orphans,
            identity=charge_point,
            before_id=read_cursor(cursor, int),
            limit=limit + 1,
        )
    )
    page, following = cut(found, limit, lambda one: one.record_id)
    return Page(items=[OrphanStopView.model_validate(one) for one in page], next=following)


async def _meter_values(
    services: Services, transaction: Transaction, limit: int, cursor: str | None
) -> Page[MeterValuesView]:
    found = await services.store.read(
        partial(
            meter_values.of_transaction,
            identity=transaction.identity,
            transaction_id=transaction.transaction_id,
            after_id=read_cursor(cursor, int) or 0,
            limit=limit + 1,
        )
    )
    return await meter_values_page(found, limit)


async def meter_values_page(found: list[MeterValuesRecord], limit: int) -> Page[MeterValuesView]:
    """Make a page of messages; in a thread, for each may hold a megabyte of readings."""
    page, following = cut(found, limit, lambda one: one.record_id)
    items = await asyncio.to_thread(lambda: [MeterValuesView.model_validate(one) for one in page])
    return Page(items=items, next=following)


def _unknown(transaction_id: int) -> Problem:
    return Problem(
        HTTPStatus.NOT_FOUND, "unknown-transaction", f"there is no transaction {transaction_id}"
    )
