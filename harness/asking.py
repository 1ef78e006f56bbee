"""Asks a Central System about cards and charge points in sessions made for nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.sut import StationSpec
from simulator.client import HandshakeRefused, Station
from simulator.errors import CannotOffer


def boot_payload(spec: StationSpec) -> dict[str, object]:
    """Return what a charge point says of itself at the least."""
    return {"chargePointVendor": spec.vendor, "chargePointModel": spec.model}


async def ask_cards(
    station: Station, id_tags: Sequence[str], *, spec: StationSpec, timeout_s: float
) -> dict[str, str]:
    """Boot, send one Authorize for each card, and return the statuses that came.

    Args:
        timeout_s: for each answer; the first that does not come ends it.
    """
    try:
        await station.connect()
    except (HandshakeRefused, CannotOffer):
        return {}
    try:
        boot = await station.call("BootNotification", boot_payload(spec), timeout_s=timeout_s)
        if boot.result is None or boot.result.get("status") != "Accepted":
            return {}
        found: dict[str, str] = {}
        for id_tag in id_tags:
            answer = await station.call("Authorize", {"idTag": id_tag}, timeout_s=timeout_s)
            if answer.sent is None or answer.timed_out or answer.disconnected:
                break
            if (status := status_of(answer.result)) is not None:
                found[id_tag] = status
        return found
    finally:
        await station.shut_down()


async def is_let_in(station: Station) -> bool:
    """Open a connection and close it again; False where it is refused."""
    try:
        await station.connect()
    except (HandshakeRefused, CannotOffer):
        return False
    await station.shut_down()
    return True


def status_of(result: Mapping[str, object] | None) -> str | None:
    """Return the status of an Authorize.conf; None where it has none."""
    info = result.get("idTagInfo") if result is not None else None
    status = info.get("status") if isinstance(info, dict) else None
    return status if isinstance(status, str) else None
