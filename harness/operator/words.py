"""What a person is to do in the screens of a Central System, in plain words. Pure.

Made of an action, its payload and the rules of the case; a template for each request that OCPP 1.6
and its security extension have from the Central System. Long values become files to copy from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from harness.drivers.driver import Operation
from harness.matching import parse_time
from harness.model import Fields, Json, Operator, Pattern, Value

_LONGEST_VALUE: Final = 48  # what is longer is copied, not typed
_NUMBERS: Final = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
)  # fmt: skip

SCREENS: Final = {
    Operation.CANCEL_RESERVATION: "Cancel a reservation",
    Operation.CHANGE_AVAILABILITY: "Change the availability",
    Operation.CHANGE_CONFIGURATION: "Change the configuration",
    Operation.CLEAR_CACHE: "Clear the cache",
    Operation.CLEAR_CHARGING_PROFILE: "Clear charging profiles",
    Operation.DATA_TRANSFER: "Transfer data",
    Operation.GET_COMPOSITE_SCHEDULE: "Get the composite schedule",
    Operation.GET_CONFIGURATION: "Read the configuration",
    Operation.GET_DIAGNOSTICS: "Get diagnostics",
    Operation.GET_LOCAL_LIST_VERSION: "Get the version of the local list",
    Operation.REMOTE_START_TRANSACTION: "Start a transaction",
    Operation.REMOTE_STOP_TRANSACTION: "Stop a transaction",
    Operation.RESERVE_NOW: "Reserve",
    Operation.RESET: "Reset",
    Operation.SEND_LOCAL_LIST: "Send the local list",
    Operation.SET_CHARGING_PROFILE: "Set a charging profile",
    Operation.TRIGGER_MESSAGE: "Trigger a message",
    Operation.UNLOCK_CONNECTOR: "Unlock a connector",
    Operation.UPDATE_FIRMWARE: "Update the firmware",
    Operation.CERTIFICATE_SIGNED: "Send a signed certificate",
    Operation.DELETE_CERTIFICATE: "Delete a certificate",
    Operation.EXTENDED_TRIGGER_MESSAGE: "Trigger a message (security extension)",
    Operation.GET_INSTALLED_CERTIFICATE_IDS: "List the installed certificates",
    Operation.GET_LOG: "Get a log",
    Operation.INSTALL_CERTIFICATE: "Install a certificate",
    Operation.SIGNED_UPDATE_FIRMWARE: "Update the firmware (signed)",
}

# How fields are called on screens; what is not here is spelled out of its own name.
_LABELS: Final = {
    "connectorId": "connector",
    "idTag": "tag",
    "parentIdTag": "parent tag",
    "reservationId": "reservation",
    "transactionId": "transaction",
    "expiryDate": "expiry",
    "key": "key",
    "value": "value",
    "type": "type",
    "vendorId": "vendor",
    "messageId": "message",
    "data": "data",
    "location": "address",
    "remoteLocation": "address",
    "retrieveDate": "begin",
    "retrieveDateTime": "begin",
    "requestedMessage": "message",
    "id": "profile id",
    "chargingProfileId": "profile id",
    "chargingProfilePurpose": "purpose",
    "chargingProfileKind": "kind",
    "recurrencyKind": "recurrence",
    "stackLevel": "stack level",
    "chargingRateUnit": "unit",
    "startSchedule": "schedule begins",
    "startPeriod": "period begins at second",
    "numberPhases": "phases",
    "limit": "limit",
    "duration": "duration",
    "validFrom": "valid from",
    "validTo": "valid to",
    "updateType": "update",
    "listVersion": "version",
    "localAuthorizationList": "cards",
    "logType": "log",
    "certificateType": "certificate type",
    "hashAlgorithm": "hash algorithm",
    "serialNumber": "serial number",
    "chargingProfile": "charging profile",
}

_CERTIFICATES: Final = {
    "CentralSystemRootCertificate": "root certificate of the Central System",
    "ManufacturerRootCertificate": "root certificate of the manufacturer",
}
_MESSAGES: Final = {
    "BootNotification": "how it started (BootNotification)",
    "DiagnosticsStatusNotification": "how its diagnostics are (DiagnosticsStatusNotification)",
    "FirmwareStatusNotification": "how its firmware is (FirmwareStatusNotification)",
    "Heartbeat": "a sign of life (Heartbeat)",
    "LogStatusNotification": "how its log is (LogStatusNotification)",
    "MeterValues": "its meter values (MeterValues)",
    "SignChargePointCertificate": "a request for a new certificate (SignChargePointCertificate)",
    "StatusNotification": "its status (StatusNotification)",
}
_LISTED: Final = {
    "Full": "the whole local list (Full)",
    "Differential": "a change of the local list (Differential)",
}
# Numbers that a Central System makes up by itself, and nobody types.
_OWN_NUMBERS: Final = frozenset({"reservationId", "requestId", "chargingProfileId", "listVersion"})


@dataclass(frozen=True, slots=True)
class CopyFile:
    """A value too long to be typed; `name` is what its file is called."""

    name: str
    label: str
    text: str


@dataclass(frozen=True, slots=True)
class Instruction:
    """What a person is to do.

    Attributes:
        screen: where such a thing is done.
        headline: all of it in a sentence, or two.
        operation, payload: the same for programs.
        details: fields and what belongs in them.
        empty: fields that have to stay empty.
        files: what to copy from.
        note: what the case says about it, as a sentence.
        named: paths of the payload that the words name, such as ``type`` or ``firmware.location``:
            what a person chooses.
    """

    screen: str
    headline: str
    operation: Operation
    payload: Mapping[str, Json]
    details: tuple[tuple[str, str], ...] = ()
    empty: tuple[str, ...] = ()
    files: tuple[CopyFile, ...] = ()
    note: str = ""
    named: frozenset[str] = frozenset()


def instruct(
    operation: Operation,
    payload: Mapping[str, Json],
    *,
    identity: str,
    rules: Fields | None = None,
    now: datetime,
    note: str = "",
) -> Instruction:
    """Return the words for one request.

    Args:
        rules: what the case demands of the frame.
        now: the present, to say times from.
    """
    say = _Saying(dict(payload), identity, now, rules)
    headline = _TEMPLATES[operation](say)
    own = _OWN_NUMBERS if operation is not Operation.CANCEL_RESERVATION else frozenset()
    named = {path for path, _ in leaves(payload) if path.rpartition(".")[2] not in own}
    empty = [path for path in _absent(rules) if not _is_given(payload, path)]
    return Instruction(
        screen=SCREENS[operation],
        headline=headline,
        operation=operation,
        payload=payload,
        details=tuple(say.details),
        empty=tuple(dict.fromkeys(label(path) for path in empty)),
        files=tuple(say.files),
        note=_sentence(note),
        named=frozenset(named | set(empty)),
    )


def label(path: str) -> str:
    """Return what a field is called on a screen."""
    name = path.rpartition(".")[2]
    return _LABELS.get(name) or _spaced(name)


def leaves(value: object, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of a payload by their paths; members of lists stand under the list's."""
    if isinstance(value, Mapping):
        for name, member in value.items():
            yield from leaves(member, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list):
        yield path, value
        for member in value:
            if isinstance(member, Mapping | list):
                yield from leaves(member, path)
    else:
        yield path, value


def time_words(text: object, now: datetime) -> str:
    """Return a time as people say it: ``now``, ``in two minutes``."""
    at = parse_time(text)
    if at is None:
        return str(text)
    seconds = (at - now).total_seconds()
    if abs(seconds) < 5:
        return "now"
    ago = seconds < 0
    words = span_words(abs(seconds))
    return f"{words} ago" if ago else f"in {words}"


def span_words(seconds: float) -> str:
    """Return a length of time as people say it: ``two minutes``, ``one day``."""
    for unit, length_s in (("day", 86400), ("hour", 3600), ("minute", 60)):
        count = round(seconds / length_s)
        if count and abs(seconds - count * length_s) < 5:
            return _counted(count, unit)
    if seconds > 300:
        return _counted(round(seconds / 60), "minute")
    return _counted(round(seconds), "second")


class _Saying:
    """Values of a payload on their way into a sentence."""

    def __init__(
        self, payload: dict[str, Json], identity: str, now: datetime, rules: Fields | None
    ) -> None:
        self.payload = payload
        self.identity = identity
        self.now = now
        self.rules = rules
        self.details: list[tuple[str, str]] = []
        self.files: list[CopyFile] = []

    def get(self, path: str) -> Any:
        value: Any = self.payload
        for name in path.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        return value

    def where(self) -> str:
        """The connector, or the whole charge point."""
        number = self.get("connectorId")
        if number is None:
            return self.identity
        if number == 0:
            return f"the whole of {self.identity} (connector 0)"
        return f"connector {number} of {self.identity}"

    def time(self, path: str) -> str:
        return time_words(self.get(path), self.now)

    def value(self, path: str, name: str = "") -> str:
        """Return a value to be typed; a long one becomes a file."""
        text = str(self.get(path))
        if len(text) <= _LONGEST_VALUE and "\n" not in text:
            return text
        return f"as in the file {self.copy(path, name or label(path)).name}"

    def copy(self, path: str, what: str) -> CopyFile:
        text = str(self.get(path))
        ending = ".pem" if text.lstrip().startswith("-----BEGIN") else ".txt"
        file = CopyFile(what.replace(" ", "-").lower() + ending, what, text)
        if file not in self.files:
            self.files.append(file)
        return file

    def tell(self, name: str, words: object) -> None:
        self.details.append((name, str(words)))

    def is_free(self, name: str) -> bool:
        """Say whether the case does not look at a field."""
        return self.rules is None or name not in self.rules.fields


def _cancel_reservation(say: _Saying) -> str:
    number = say.get("reservationId")
    say.tell("Reservation", number)
    return f"Cancel reservation {number} of {say.identity}."


def _change_availability(say: _Saying) -> str:
    kind = say.get("type")
    say.tell("Availability", kind)
    words = "Take {} out of service" if kind == "Inoperative" else "Put {} into service"
    return f"{words.format(say.where())} ({kind})."


def _change_configuration(say: _Saying) -> str:
    key = say.get("key")
    say.tell("Key", key)
    say.tell("Value", say.value("value", str(key)))
    if key == "AuthorizationKey":
        return f"Give {say.identity} a new password: set AuthorizationKey to the value below."
    return f"Set {key} of {say.identity} to {say.value('value')}."


def _clear_cache(say: _Saying) -> str:
    return f"Clear the authorization cache of {say.identity}."


def _clear_charging_profile(say: _Saying) -> str:
    filters = []
    if (number := say.get("id")) is not None:
        say.tell("Profile id", number)
        filters.append(f"with id {number}")
    if (purpose := say.get("chargingProfilePurpose")) is not None:
        say.tell("Purpose", purpose)
        filters.append(f"of purpose {purpose}")
    if (level := say.get("stackLevel")) is not None:
        say.tell("Stack level", level)
        filters.append(f"on stack level {level}")
    if not filters and say.get("connectorId") is None:
        return f"Clear all charging profiles of {say.identity}, without any filter."
    what = "the charging profile" if say.get("id") is not None else "the charging profiles"
    return f"Clear {what} {', '.join(filters)} of {say.where()}.".replace("  ", " ")


def _data_transfer(say: _Saying) -> str:
    for name, path in (("Vendor", "vendorId"), ("Message", "messageId"), ("Data", "data")):
        if say.get(path) is not None:
            say.tell(name, say.value(path, name))
    return f"Send a data transfer of vendor {say.get('vendorId')} to {say.identity}."


def _get_composite_schedule(say: _Saying) -> str:
    span = span_words(float(say.get("duration") or 0))
    say.tell("Duration", f"{say.get('duration')} s")
    unit = say.get("chargingRateUnit")
    if unit:
        say.tell("Unit", _unit(unit))
    return f"Ask {say.where()} for its composite schedule of {span}" + (
        f", in {_unit(unit)}." if unit else "."
    )


def _get_configuration(say: _Saying) -> str:
    keys = say.get("key")
    if not keys:
        return f"Read the whole configuration of {say.identity}, without naming any key."
    for key in keys:
        say.tell("Key", key)
    plural = "s" if len(keys) > 1 else ""
    return f"Read the configuration key{plural} {_listed(keys)} of {say.identity}."


def _get_diagnostics(say: _Saying) -> str:
    say.tell("Upload to", say.value("location", "upload address"))
    return f"Ask {say.identity} to upload its diagnostics."


def _get_local_list_version(say: _Saying) -> str:
    return f"Ask {say.identity} for the version of its local list."


def _remote_start(say: _Saying) -> str:
    tag = say.get("idTag")
    say.tell("Tag", tag)
    words = f"Start a transaction on {say.where()} for tag {tag}"
    if say.get("chargingProfile") is None:
        return f"{words}."
    _profile(say, "chargingProfile")
    return f"{words}, with a charging profile."


def _remote_stop(say: _Saying) -> str:
    number = say.get("transactionId")
    say.tell("Transaction", number)
    if say.is_free("transactionId"):
        return f"Stop the transaction of {say.identity} (it has the number {number})."
    return f"Stop transaction {number} of {say.identity}."


def _reserve_now(say: _Saying) -> str:
    tag, parent = say.get("idTag"), say.get("parentIdTag")
    say.tell("Tag", tag)
    words = f"Reserve {say.where()} for tag {tag}"
    if parent is not None:
        say.tell("Parent tag", parent)
        words += f" and its group {parent}"
    expiry = say.time("expiryDate")
    say.tell("Expires", expiry)
    return f"{words}, expiring {expiry}."


def _reset(say: _Saying) -> str:
    kind = say.get("type")
    say.tell("Type", kind)
    return f"Reset {say.identity}: {kind}."


def _send_local_list(say: _Saying) -> str:
    kind = say.get("updateType")
    say.tell("Update", kind)
    entries = say.get("localAuthorizationList") or []
    for entry in entries:
        status = (entry.get("idTagInfo") or {}).get("status", "removed")
        say.tell("Card", f"{entry.get('idTag')}: {status}")
    cards = _listed([str(entry.get("idTag")) for entry in entries]) or "no card"
    return f"Send {say.identity} {_LISTED.get(str(kind), str(kind))} with {cards}."


def _set_charging_profile(say: _Saying) -> str:
    purpose = say.get("csChargingProfiles.chargingProfilePurpose")
    _profile(say, "csChargingProfiles")
    if purpose == "TxProfile" and (number := say.get("csChargingProfiles.transactionId")):
        return (
            f"Set a charging profile (TxProfile) on {say.where()} for the running transaction "
            f"{number}."
        )
    return f"Set a charging profile ({purpose}) on {say.where()}."


def _trigger_message(say: _Saying) -> str:
    message = say.get("requestedMessage")
    say.tell("Message", message)
    return f"Ask {say.where()} for {_MESSAGES.get(str(message), str(message))}."


def _unlock_connector(say: _Saying) -> str:
    return f"Unlock {say.where()}."


def _update_firmware(say: _Saying) -> str:
    say.tell("Firmware", say.value("location", "firmware address"))
    say.tell("Begin", say.time("retrieveDate"))
    return f"Update the firmware of {say.identity}, beginning {say.time('retrieveDate')}."


def _certificate_signed(say: _Saying) -> str:
    file = say.copy("certificateChain", "certificate chain")
    return f"Send {say.identity} its signed certificate: {file.name}."


def _delete_certificate(say: _Saying) -> str:
    for path, value in leaves(say.get("certificateHashData") or {}):
        name = _spaced(path)
        file = say.value(f"certificateHashData.{path}", name) if len(str(value)) > 99 else value
        say.tell(name[0].upper() + name[1:], file)
    return f"Delete the certificate below from {say.identity}."


def _extended_trigger(say: _Saying) -> str:
    return _trigger_message(say)


def _get_installed(say: _Saying) -> str:
    kind = say.get("certificateType")
    say.tell("Type", kind)
    return f"List the installed certificates of {say.identity}: {kind}."


def _get_log(say: _Saying) -> str:
    kind = say.get("logType")
    say.tell("Log", kind)
    say.tell("Upload to", say.value("log.remoteLocation", "upload address"))
    names = {"SecurityLog": "security log", "DiagnosticsLog": "diagnostics log"}
    return f"Ask {say.identity} to upload its {names.get(str(kind), str(kind))} ({kind})."


def _install_certificate(say: _Saying) -> str:
    kind = str(say.get("certificateType"))
    file = say.copy("certificate", "certificate")
    say.tell("Type", kind)
    say.tell("Certificate", file.name)
    return f"Install the {_CERTIFICATES.get(kind, kind)} below on {say.identity}."


def _signed_update(say: _Saying) -> str:
    say.tell("Firmware", say.value("firmware.location", "firmware address"))
    say.tell("Begin", say.time("firmware.retrieveDateTime"))
    say.tell("Signature", say.copy("firmware.signature", "signature").name)
    file = say.copy("firmware.signingCertificate", "signing certificate")
    say.tell("Signing certificate", file.name)
    begin = say.time("firmware.retrieveDateTime")
    return f"Update the firmware of {say.identity} with a signature, beginning {begin}."


_TEMPLATES: Final[dict[Operation, Callable[[_Saying], str]]] = {
    Operation.CANCEL_RESERVATION: _cancel_reservation,
    Operation.CHANGE_AVAILABILITY: _change_availability,
    Operation.CHANGE_CONFIGURATION: _change_configuration,
    Operation.CLEAR_CACHE: _clear_cache,
    Operation.CLEAR_CHARGING_PROFILE: _clear_charging_profile,
    Operation.DATA_TRANSFER: _data_transfer,
    Operation.GET_COMPOSITE_SCHEDULE: _get_composite_schedule,
    Operation.GET_CONFIGURATION: _get_configuration,
    Operation.GET_DIAGNOSTICS: _get_diagnostics,
    Operation.GET_LOCAL_LIST_VERSION: _get_local_list_version,
    Operation.REMOTE_START_TRANSACTION: _remote_start,
    Operation.REMOTE_STOP_TRANSACTION: _remote_stop,
    Operation.RESERVE_NOW: _reserve_now,
    Operation.RESET: _reset,
    Operation.SEND_LOCAL_LIST: _send_local_list,
    Operation.SET_CHARGING_PROFILE: _set_charging_profile,
    Operation.TRIGGER_MESSAGE: _trigger_message,
    Operation.UNLOCK_CONNECTOR: _unlock_connector,
    Operation.UPDATE_FIRMWARE: _update_firmware,
    Operation.CERTIFICATE_SIGNED: _certificate_signed,
    Operation.DELETE_CERTIFICATE: _delete_certificate,
    Operation.EXTENDED_TRIGGER_MESSAGE: _extended_trigger,
    Operation.GET_INSTALLED_CERTIFICATE_IDS: _get_installed,
    Operation.GET_LOG: _get_log,
    Operation.INSTALL_CERTIFICATE: _install_certificate,
    Operation.SIGNED_UPDATE_FIRMWARE: _signed_update,
}


def _profile(say: _Saying, root: str) -> None:
    """Tell a charging profile field by field."""
    for name, path in (
        ("Purpose", "chargingProfilePurpose"),
        ("Kind", "chargingProfileKind"),
        ("Recurrence", "recurrencyKind"),
        ("Stack level", "stackLevel"),
        ("Transaction", "transactionId"),
    ):
        if (value := say.get(f"{root}.{path}")) is not None:
            say.tell(name, value)
    for name, path in (("Valid from", "validFrom"), ("Valid to", "validTo")):
        if say.get(f"{root}.{path}") is not None:
            say.tell(name, say.time(f"{root}.{path}"))
    schedule = f"{root}.chargingSchedule"
    if say.get(f"{schedule}.startSchedule") is not None:
        say.tell("Schedule begins", say.time(f"{schedule}.startSchedule"))
    if (duration := say.get(f"{schedule}.duration")) is not None:
        say.tell("Duration", f"{duration} s")
    unit = _unit(say.get(f"{schedule}.chargingRateUnit"))
    for period in say.get(f"{schedule}.chargingSchedulePeriod") or []:
        words = f"from second {period.get('startPeriod')}: {_number(period.get('limit'))} {unit}"
        if (phases := period.get("numberPhases")) is not None:
            words += f", {_counted(phases, 'phase')}"
        say.tell("Period", words)


def _absent(pattern: Pattern | None, path: str = "") -> Iterator[str]:
    """Yield the paths that a pattern wants to be empty."""
    if isinstance(pattern, Fields):
        for name, inner in pattern.fields.items():
            yield from _absent(inner, f"{path}.{name}" if path else name)
    elif isinstance(pattern, Value) and any(
        check.operator in (Operator.ABSENT, Operator.EMPTY_OR_ABSENT) for check in pattern.checks
    ):
        yield path


def _is_given(payload: Mapping[str, Json], path: str) -> bool:
    return any(given == path or given.startswith(f"{path}.") for given, _ in leaves(payload))


def _sentence(note: str) -> str:
    return f"{note[0].upper()}{note[1:]}." if note else ""


def _unit(unit: object) -> str:
    return {"A": "A (ampere)", "W": "W (watt)"}.get(str(unit), str(unit))


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def _counted(count: int, unit: str) -> str:
    words = _NUMBERS[count] if 0 <= count < len(_NUMBERS) else str(count)
    return f"{words} {unit}{'s' * (count != 1)}"


def _listed(words: list[Any]) -> str:
    texts = [str(word) for word in words]
    return " and ".join(filter(None, (", ".join(texts[:-1]), *texts[-1:])))


def _spaced(name: str) -> str:
    """Write a field's own name as words: ``issuerNameHash`` is ``issuer name hash``."""
    return "".join(f" {char.lower()}" if char.isupper() else char for char in name).strip()
