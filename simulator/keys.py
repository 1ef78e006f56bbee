"""The configuration of a charge point: every standard key, its access, its type, its limits.

Spec: OCPP 1.6 ed. 2 §9 with errata 3.79-3.89, security white paper ed. 3 §5. Values are text on the
wire and stay text here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import Final

from simulator.errors import LocalProtocolError
from simulator.meter import MEASURANDS, STOP_MEASURANDS

MAX_VALUE_LENGTH: Final = 500
MAX_LIST_ENTRIES: Final = 20
FEATURE_PROFILES: Final = (
    "Core",
    "FirmwareManagement",
    "LocalAuthListManagement",
    "Reservation",
    "SmartCharging",
    "RemoteTrigger",
)
_ROTATIONS: Final = ("NotApplicable", "Unknown", "RST", "RTS", "SRT", "STR", "TRS", "TSR")


class Kind(Enum):
    """Type of a key's value."""

    BOOLEAN = auto()
    INTEGER = auto()
    LIST = auto()  # comma separated
    ROTATIONS = auto()  # comma separated ``<connector>.<rotation>``
    SECRET = auto()  # hexadecimal digits, never told
    TEXT = auto()


class ChangeStatus(StrEnum):
    """ConfigurationStatus, §7.22."""

    ACCEPTED = "Accepted"
    REJECTED = "Rejected"
    REBOOT_REQUIRED = "RebootRequired"
    NOT_SUPPORTED = "NotSupported"


@dataclass(frozen=True, slots=True)
class Key:
    """One configuration key.

    Attributes:
        minimum: least integer that is accepted.
        maximum: greatest one.
        choices: what may stand in a list; None for anything.
    """

    name: str
    kind: Kind
    default: str
    is_readonly: bool = False
    minimum: int = 0
    maximum: int = 2**31 - 1  # more seconds or times than that are no setting but a mistake
    choices: Collection[str] | None = None


def _measurands(name: str, default: str, choices: Collection[str]) -> tuple[Key, Key]:
    return (
        Key(name, Kind.LIST, default, choices=choices),
        Key(f"{name}MaxLength", Kind.INTEGER, str(MAX_LIST_ENTRIES), is_readonly=True),
    )


_REGISTER: Final = "Energy.Active.Import.Register"

_KEYS: Final = (
    Key("AllowOfflineTxForUnknownId", Kind.BOOLEAN, "false"),
    Key("AuthorizationCacheEnabled", Kind.BOOLEAN, "true"),
    Key("AuthorizeRemoteTxRequests", Kind.BOOLEAN, "true"),
    Key("BlinkRepeat", Kind.INTEGER, "3"),
    Key("ClockAlignedDataInterval", Kind.INTEGER, "0"),
    Key("ConnectionTimeOut", Kind.INTEGER, "60"),
    Key("ConnectorPhaseRotation", Kind.ROTATIONS, ""),
    Key("ConnectorPhaseRotationMaxLength", Kind.INTEGER, "", is_readonly=True),
    Key("GetConfigurationMaxKeys", Kind.INTEGER, "100", is_readonly=True),
    # 0 has no meaning here, and stations have been seen sending 80 Heartbeats a second with it.
    Key("HeartbeatInterval", Kind.INTEGER, "300", minimum=1),
    Key("LightIntensity", Kind.INTEGER, "100"),
    Key("LocalAuthorizeOffline", Kind.BOOLEAN, "true"),
    Key("LocalPreAuthorize", Kind.BOOLEAN, "false"),
    Key("MaxEnergyOnInvalidId", Kind.INTEGER, "0"),
    Key("MessageTimeout", Kind.INTEGER, "30", minimum=1),
    *_measurands("MeterValuesAlignedData", _REGISTER, MEASURANDS),
    *_measurands("MeterValuesSampledData", _REGISTER, MEASURANDS),
    Key("MeterValueSampleInterval", Kind.INTEGER, "60"),
    Key("MinimumStatusDuration", Kind.INTEGER, "0"),
    Key("NumberOfConnectors", Kind.INTEGER, "", is_readonly=True),
    Key("ResetRetries", Kind.INTEGER, "1"),
    Key("StopTransactionMaxMeterValues", Kind.INTEGER, "100", is_readonly=True),
    Key("StopTransactionOnEVSideDisconnect", Kind.BOOLEAN, "true"),
    Key("StopTransactionOnInvalidId", Kind.BOOLEAN, "true"),
    *_measurands("StopTxnAlignedData", "", STOP_MEASURANDS),
    *_measurands("StopTxnSampledData", _REGISTER, STOP_MEASURANDS),
    Key("SupportedFeatureProfiles", Kind.LIST, ",".join(FEATURE_PROFILES), is_readonly=True),
    Key("SupportedFileTransferProtocols", Kind.LIST, "FTP,HTTP,HTTPS", is_readonly=True),
    Key("TransactionMessageAttempts", Kind.INTEGER, "3", minimum=1),
    Key("TransactionMessageRetryInterval", Kind.INTEGER, "60"),
    Key("UnlockConnectorOnEVSideDisconnect", Kind.BOOLEAN, "true"),
    Key("WebSocketPingInterval", Kind.INTEGER, "0"),
    Key("LocalAuthListEnabled", Kind.BOOLEAN, "true"),
    Key("LocalAuthListMaxLength", Kind.INTEGER, "100", is_readonly=True),
    Key("SendLocalListMaxLength", Kind.INTEGER, "20", is_readonly=True),
    Key("ReserveConnectorZeroSupported", Kind.BOOLEAN, "true", is_readonly=True),
    Key("ChargeProfileMaxStackLevel", Kind.INTEGER, "8", is_readonly=True),
    Key("ChargingScheduleAllowedChargingRateUnit", Kind.LIST, "Current,Power", is_readonly=True),
    Key("ChargingScheduleMaxPeriods", Kind.INTEGER, "24", is_readonly=True),
    Key("MaxChargingProfilesInstalled", Kind.INTEGER, "10", is_readonly=True),
    Key("AdditionalRootCertificateCheck", Kind.BOOLEAN, "false", is_readonly=True),
    Key("AuthorizationKey", Kind.SECRET, ""),
    Key("CertificateSignedMaxChainSize", Kind.INTEGER, "10000", is_readonly=True),
    Key("CertificateStoreMaxLength", Kind.INTEGER, "10", is_readonly=True),
    Key("CpoName", Kind.TEXT, ""),
    Key("SecurityProfile", Kind.INTEGER, "0", maximum=3),
)


@dataclass(frozen=True, slots=True)
class KeyValue:
    """A key as GetConfiguration reports it; a secret has no value."""

    name: str
    value: str | None
    is_readonly: bool


class Configuration:
    """The keys of one charge point and their values; names are case-insensitive (§7.19)."""

    def __init__(
        self,
        overrides: Mapping[str, str] | None = None,
        *,
        connectors: int,
        has_lock: bool = True,
        needs_reboot: Collection[str] = (),
    ) -> None:
        """Start from the defaults.

        Args:
            overrides: values by key that replace the defaults, of readonly keys too.
            has_lock: without one UnlockConnectorOnEVSideDisconnect is fixed to false (errata 3.83).
            needs_reboot: keys whose change takes effect with the next start.

        Raises:
            LocalProtocolError: an unknown key, or a value it cannot have.
        """
        self._connectors = connectors
        self._keys = {key.name.casefold(): key for key in _KEYS}
        self._values = {name: key.default for name, key in self._keys.items()}
        self._readonly = {name for name, key in self._keys.items() if key.is_readonly}
        self._needs_reboot = {name.casefold() for name in needs_reboot}
        self._pending: dict[str, str] = {}
        computed = {
            "NumberOfConnectors": str(connectors),
            "ConnectorPhaseRotation": ",".join(f"{n}.RST" for n in range(connectors + 1)),
            "ConnectorPhaseRotationMaxLength": str(connectors + 1),
        }
        if not has_lock:
            computed["UnlockConnectorOnEVSideDisconnect"] = "false"
            self._readonly.add("unlockconnectoronevsidedisconnect")
        for name, value in {**computed, **(overrides or {})}.items():
            if name.casefold() not in self._keys:
                raise LocalProtocolError(f"unknown configuration key {name!r}")
            parsed = self._parse(self._keys[name.casefold()], str(value))
            if parsed is None:
                raise LocalProtocolError(f"configuration key {name} cannot be {value!r}")
            self._values[name.casefold()] = parsed

    def boolean(self, name: str) -> bool:
        """Return the value of a boolean key."""
        return self._values[name.casefold()] == "true"

    def integer(self, name: str) -> int:
        """Return the value of an integer key."""
        return int(self._values[name.casefold()])

    def text(self, name: str) -> str:
        """Return the value of a key as it is."""
        return self._values[name.casefold()]

    def entries(self, name: str) -> list[str]:
        """Return the entries of a list key."""
        return [entry for entry in self._values[name.casefold()].split(",") if entry]

    def set(self, name: str, value: str) -> None:
        """Set a key from inside, as a BootNotification answer does with HeartbeatInterval."""
        self._values[name.casefold()] = value

    def change(self, name: str, value: str) -> ChangeStatus:
        """Change a key as ChangeConfiguration asks; nothing changes unless accepted (§5.3)."""
        key = self._keys.get(name.casefold())
        if key is None:
            return ChangeStatus.NOT_SUPPORTED
        parsed = self._parse(key, value)
        if name.casefold() in self._readonly or parsed is None:
            return ChangeStatus.REJECTED
        if name.casefold() in self._needs_reboot:
            self._pending[name.casefold()] = parsed
            return ChangeStatus.REBOOT_REQUIRED
        self._values[name.casefold()] = parsed
        return ChangeStatus.ACCEPTED

    def parsed(self, name: str, value: str) -> str | None:
        """Return a value in the form a key would have it, None where it cannot have it."""
        return self._parse(self._keys[name.casefold()], value)

    def restart(self) -> None:
        """Let changes that waited for a reboot take effect."""
        self._values.update(self._pending)
        self._pending.clear()

    def report(self, names: Sequence[str] = ()) -> tuple[list[KeyValue], list[str]]:
        """Return the keys asked for, all without a question, and the unknown ones (§5.8).

        A secret is reported without value, and only to those who ask for it by name.
        """
        asked = names or [key.name for key in _KEYS if key.kind is not Kind.SECRET]
        known, unknown = [], []
        for name in dict.fromkeys(asked):
            key = self._keys.get(name.casefold())
            if key is None:
                unknown.append(name)
            else:
                folded = key.name.casefold()
                value = None if key.kind is Kind.SECRET else self._values[folded]
                known.append(KeyValue(key.name, value, folded in self._readonly))
        return known, unknown

    def _parse(self, key: Key, value: str) -> str | None:
        """Return the value in its normal form, None where the key cannot have it."""
        if len(value) > MAX_VALUE_LENGTH:
            return None
        match key.kind:
            case Kind.BOOLEAN:
                folded = value.strip().casefold()
                return folded if folded in ("true", "false") else None
            case Kind.INTEGER:
                text = value.strip()
                is_integer = re.fullmatch(r"[+-]?\d{1,10}", text, re.ASCII) is not None
                if not is_integer or not key.minimum <= int(text) <= key.maximum:
                    return None
                return str(int(text))
            case Kind.LIST:
                entries = [entry.strip() for entry in value.split(",") if entry.strip()]
                is_known = key.choices is None or all(entry in key.choices for entry in entries)
                is_short = len(entries) <= MAX_LIST_ENTRIES
                return ",".join(entries) if is_known and is_short else None
            case Kind.ROTATIONS:
                entries = [entry.strip() for entry in value.split(",") if entry.strip()]
                return ",".join(entries) if all(map(self._is_rotation, entries)) else None
            case Kind.SECRET:
                # 16 to 20 bytes, white paper §5; the empty default cannot be set
                is_key = re.fullmatch(r"(?:[0-9A-Fa-f]{2}){16,20}", value) is not None
                return value if is_key else None
            case Kind.TEXT:
                return value

    def _is_rotation(self, entry: str) -> bool:
        connector, _, rotation = entry.partition(".")
        is_connector = connector.isdecimal() and int(connector) <= self._connectors
        return is_connector and rotation in _ROTATIONS
