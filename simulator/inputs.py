"""What can happen to a charge point from outside: drivers, cables, faults, power.

Each function is one input by the name scripts use; what cannot happen now is refused with words
for people.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from simulator import payloads
from simulator.boot import Registration
from simulator.clock import Moment
from simulator.connector import (
    ERROR_CODES,
    EV_COMMUNICATION_ERROR,
    EV_COMMUNICATION_ERROR_STATUSES,
    NO_ERROR,
    Connector,
)
from simulator.errors import LocalProtocolError
from simulator.security_events import MAX_TYPE
from simulator.transactions import Reason
from simulator.uploads import LOG_FAILURES

if TYPE_CHECKING:
    from simulator.charge_point import ChargePoint


def plug_in(station: ChargePoint, connector_id: int, *, now: Moment) -> None:
    """A cable with an EV at its other end is put in; or the EV comes back to the cable."""
    connector = _connector(station, connector_id)
    if connector.inputs.is_plugged and connector.inputs.is_ev_connected:
        raise LocalProtocolError(f"connector {connector_id}: a cable is in already")
    station.charging.plug_in(connector, now)


def unplug(station: ChargePoint, connector_id: int, *, now: Moment) -> None:
    """The cable is taken out of the charge point."""
    connector = _plugged(station, connector_id)
    if connector.is_locked:
        raise LocalProtocolError(f"connector {connector_id}: the cable is locked")
    station.charging.unplug(connector, now)


def ev_disconnect(station: ChargePoint, connector_id: int, *, now: Moment) -> None:
    """The cable is taken out of the EV."""
    connector = _plugged(station, connector_id)
    if not connector.inputs.is_ev_connected:
        raise LocalProtocolError(f"connector {connector_id}: no EV is there")
    station.charging.disconnect_ev(connector, now)


def ev_suspend(station: ChargePoint, connector_id: int, *, now: Moment) -> None:
    """The EV stops drawing energy."""
    station.charging.set_inputs(_plugged(station, connector_id), now, is_ev_ready=False)


def ev_resume(station: ChargePoint, connector_id: int, *, now: Moment) -> None:
    """The EV draws energy again."""
    station.charging.set_inputs(_plugged(station, connector_id), now, is_ev_ready=True)


def evse_suspend(station: ChargePoint, connector_id: int, *, now: Moment) -> None:
    """The charge point stops giving energy."""
    station.charging.set_inputs(_running(station, connector_id), now, is_withheld=True)


def evse_resume(station: ChargePoint, connector_id: int, *, now: Moment) -> None:
    """The charge point gives energy again."""
    station.charging.set_inputs(_running(station, connector_id), now, is_withheld=False)


def present_tag(
    station: ChargePoint, id_tag: str, connector_id: int | None = None, *, now: Moment
) -> None:
    """Somebody holds a card before the reader; without a connector it is the one that fits."""
    if not 0 < len(id_tag) <= payloads.MAX_ID_TAG:
        limit = payloads.MAX_ID_TAG
        raise LocalProtocolError(f"an idTag has 1 to {limit} characters, this one {len(id_tag)}")
    if connector_id is None:
        connector = station.charging.choose(id_tag)
    else:
        connector = _connector(station, connector_id)
    station.charging.present_tag(connector, id_tag, now)


def press_stop(station: ChargePoint, connector_id: int, *, now: Moment) -> None:
    """Somebody presses the stop button."""
    station.charging.stop(_running(station, connector_id), Reason.LOCAL, now)


def emergency_stop(station: ChargePoint, connector_id: int, *, now: Moment) -> None:
    """Somebody presses the emergency button."""
    station.charging.stop(_running(station, connector_id), Reason.EMERGENCY_STOP, now)


def fault(
    station: ChargePoint,
    connector_id: int,
    error_code: str = "OtherError",
    info: str = "",
    *,
    now: Moment,
) -> None:
    """Something breaks; connector 0 is the charge point as a whole."""
    connector = _connector(station, connector_id, least=0)
    if error_code not in ERROR_CODES or error_code == NO_ERROR:
        codes = ", ".join(code for code in ERROR_CODES if code != NO_ERROR)
        raise LocalProtocolError(f"unknown error code {error_code!r}; there are: {codes}")
    is_warning = error_code == EV_COMMUNICATION_ERROR
    status = connector.report.status
    if is_warning and status not in EV_COMMUNICATION_ERROR_STATUSES:
        raise LocalProtocolError(f"{error_code} cannot be while the connector is {status}")
    connector.error_code = error_code
    connector.info = info
    if not is_warning:
        connector.change(is_faulted=True)
    station.refresh(connector, now)


def clear_fault(station: ChargePoint, connector_id: int, *, now: Moment) -> None:
    """What was broken works again."""
    connector = _connector(station, connector_id, least=0)
    if connector.error_code == NO_ERROR:
        raise LocalProtocolError(f"connector {connector_id}: there is no fault")
    connector.info = ""
    connector.error_code = NO_ERROR
    connector.lock_fails = False
    connector.change(is_faulted=False)
    station.refresh(connector, now)
    if connector.id > 0:
        station.charging.try_start(connector, now)


def lock_failure(station: ChargePoint, connector_id: int, *, now: Moment) -> None:
    """The lock is broken: the next attempt to lock a cable fails, until the fault is cleared."""
    _lockable(station, connector_id).lock_fails = True


def unlock_failure(station: ChargePoint, connector_id: int, *, now: Moment) -> None:
    """The lock is stuck: UnlockConnector does not open it."""
    _lockable(station, connector_id).unlock_fails = True


def download_failure(station: ChargePoint, times: int = 1, *, now: Moment) -> None:
    """The next downloads of firmware fail, so many times."""
    station.firmware.failing_downloads = _times(times)


def installation_failure(station: ChargePoint, *, now: Moment) -> None:
    """The next installation of firmware fails."""
    station.firmware.fails_installation = True


def upload_failure(
    station: ChargePoint, times: int = 1, status: str = "UploadFailure", *, now: Moment
) -> None:
    """The next uploads fail, so many times; the status is what a log's upload then has."""
    causes = {word: cause for cause, word in LOG_FAILURES.items()}
    if status not in causes:
        raise LocalProtocolError(f"unknown status {status!r}; there are: {', '.join(causes)}")
    station.upload_faults.times = _times(times)
    station.upload_faults.cause = causes[status]


def verification_failure(station: ChargePoint, *, now: Moment) -> None:
    """The next signed firmware turns out unusable before it is installed."""
    station.firmware.fails_verification = True


def pause_download(station: ChargePoint, *, now: Moment) -> None:
    """The download of firmware stops for a while."""
    station.firmware.pause()


def resume_download(station: ChargePoint, *, now: Moment) -> None:
    """The download goes on where it was."""
    station.firmware.go_on_downloading(now)


def certificate_refusal(
    station: ChargePoint, times: int = 1, is_revoked: object = False, *, now: Moment
) -> None:
    """The next certificates are refused whatever they are: roots, our own, those of firmware."""
    station.security.refusals.times = _times(times)
    station.security.refusals.signing_status = (
        "RevokedCertificate" if is_revoked else "InvalidCertificate"
    )


def certificate_store_failure(station: ChargePoint, times: int = 1, *, now: Moment) -> None:
    """The next changes of the store of root certificates fail, so many times."""
    station.security.store.failures = _times(times)


def renew_certificate(station: ChargePoint, *, now: Moment) -> None:
    """The charge point's own certificate is about to expire."""
    if not station.security.renewal.can_begin:
        raise LocalProtocolError("CpoName is not set, so there is nobody to ask a certificate for")
    station.security.renewal.begin(now)


def security_event(station: ChargePoint, type: str, tech_info: str = "", *, now: Moment) -> None:
    """Something happens that the CSMS has to know of, TamperDetectionActivated for example."""
    if not 0 < len(type) <= MAX_TYPE:
        raise LocalProtocolError(f"a type has 1 to {MAX_TYPE} characters, this one {len(type)}")
    station.security.events.note(type, now, tech_info, is_pushed=True)


def send_data(
    station: ChargePoint,
    vendor_id: str,
    message_id: str | None = None,
    data: str | None = None,
    *,
    now: Moment,
) -> None:
    """The vendor's software has something to tell the CSMS."""
    if not station.wire.is_online:
        raise LocalProtocolError("not connected, or not accepted yet")
    payload = payloads.data_transfer(vendor_id=vendor_id, message_id=message_id, data=data)
    station.wire.call("DataTransfer", payload, lambda reply, now: None)


def power_off(station: ChargePoint, *, now: Moment) -> None:
    """The power goes, without warning and without backup."""
    station.power_off(now)


def power_on(station: ChargePoint, *, now: Moment) -> None:
    """The power comes (back)."""
    station.power_on(now)


def reboot(station: ChargePoint, *, now: Moment) -> None:
    """The charge point restarts by itself."""
    station.restart(Reason.REBOOT, now)


def _times(times: object) -> int:
    if not isinstance(times, int) or isinstance(times, bool) or times < 0:
        raise LocalProtocolError(f"how often? {times!r} is no number of times")
    return times


def _connector(station: ChargePoint, connector_id: object, least: int = 1) -> Connector:
    last = len(station.connectors) - 1
    if not isinstance(connector_id, int) or not least <= connector_id <= last:
        raise LocalProtocolError(f"no connector {connector_id!r}; there are {least} to {last}")
    return station.connectors[connector_id]


def _plugged(station: ChargePoint, connector_id: int) -> Connector:
    connector = _connector(station, connector_id)
    if not connector.inputs.is_plugged:
        raise LocalProtocolError(f"connector {connector_id}: no cable is in")
    return connector


def _running(station: ChargePoint, connector_id: int) -> Connector:
    connector = _connector(station, connector_id)
    if connector.transaction is None:
        raise LocalProtocolError(f"connector {connector_id}: no transaction runs")
    return connector


def _lockable(station: ChargePoint, connector_id: int) -> Connector:
    connector = _connector(station, connector_id)
    if not connector.has_lock:
        raise LocalProtocolError(f"connector {connector_id}: a fixed cable has no lock")
    return connector


INPUTS: Final[dict[str, Callable[..., None]]] = {
    function.__name__: function
    for function in (
        certificate_refusal,
        certificate_store_failure,
        clear_fault,
        download_failure,
        emergency_stop,
        ev_disconnect,
        ev_resume,
        ev_suspend,
        evse_resume,
        evse_suspend,
        fault,
        installation_failure,
        lock_failure,
        pause_download,
        plug_in,
        power_off,
        power_on,
        present_tag,
        press_stop,
        reboot,
        renew_certificate,
        resume_download,
        security_event,
        send_data,
        unlock_failure,
        unplug,
        upload_failure,
        verification_failure,
    )
}

_POSSIBLE_WITHOUT_POWER: Final = frozenset({"plug_in", "power_on", "unplug", "ev_disconnect"})


def run(station: ChargePoint, event: str, arguments: Mapping[str, object], now: Moment) -> None:
    """Let an input happen, by name.

    Raises:
        LocalProtocolError: no such input, wrong arguments, or it cannot happen now.
    """
    function = INPUTS.get(event)
    if function is None:
        names = ", ".join(INPUTS)
        raise LocalProtocolError(f"unknown input {event!r}; there are: {names}")
    try:
        inspect.signature(function).bind(station, **arguments, now=now)
    except TypeError as exc:
        raise LocalProtocolError(f"{event}: {exc}") from exc
    is_off = station.registration is Registration.OFF
    if is_off and event not in _POSSIBLE_WITHOUT_POWER:
        raise LocalProtocolError(f"{event}: the power is off")
    function(station, **arguments, now=now)
