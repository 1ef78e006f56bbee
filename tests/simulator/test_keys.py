"""Every standard key with its access, its type and its limits."""

from __future__ import annotations

import pytest

from simulator.errors import LocalProtocolError
from simulator.keys import ChangeStatus, Configuration


def names(text: str) -> list[str]:
    """Return the words of a text."""
    return text.split()


# What case TC_019_1 lists: the keys a complete report has at least, and whether they are readonly.
READWRITE = names("""
    AuthorizeRemoteTxRequests ClockAlignedDataInterval ConnectionTimeOut ConnectorPhaseRotation
    HeartbeatInterval LocalAuthorizeOffline LocalPreAuthorize MeterValuesAlignedData
    MeterValuesSampledData MeterValueSampleInterval ResetRetries StopTransactionOnEVSideDisconnect
    StopTransactionOnInvalidId StopTxnAlignedData StopTxnSampledData TransactionMessageAttempts
    TransactionMessageRetryInterval UnlockConnectorOnEVSideDisconnect LocalAuthListEnabled
""")
READONLY = names("""
    GetConfigurationMaxKeys NumberOfConnectors SupportedFeatureProfiles LocalAuthListMaxLength
    SendLocalListMaxLength ChargeProfileMaxStackLevel ChargingScheduleAllowedChargingRateUnit
    ChargingScheduleMaxPeriods MaxChargingProfilesInstalled
""")
OPTIONAL = names("""
    AllowOfflineTxForUnknownId AuthorizationCacheEnabled BlinkRepeat ConnectorPhaseRotationMaxLength
    LightIntensity MaxEnergyOnInvalidId MessageTimeout MeterValuesAlignedDataMaxLength
    MeterValuesSampledDataMaxLength MinimumStatusDuration StopTransactionMaxMeterValues
    StopTxnAlignedDataMaxLength StopTxnSampledDataMaxLength WebSocketPingInterval
    SupportedFileTransferProtocols ReserveConnectorZeroSupported
""")
SECURITY = names("""
    AdditionalRootCertificateCheck CertificateSignedMaxChainSize CertificateStoreMaxLength CpoName
    SecurityProfile
""")


@pytest.fixture
def keys() -> Configuration:
    """A configuration as shipped."""
    return Configuration(connectors=2)


def test_report_has_every_standard_key_with_its_access(keys: Configuration) -> None:
    """The complete report names the keys of TC_019_1 with their access, and the optional ones."""
    known, unknown = keys.report()
    access = {key.name: key.is_readonly for key in known}

    assert unknown == []
    assert {name for name, is_readonly in access.items() if not is_readonly} >= set(READWRITE)
    assert {name for name, is_readonly in access.items() if is_readonly} >= set(READONLY)
    assert set(access) == {*READWRITE, *READONLY, *OPTIONAL, *SECURITY}


def test_single_keys_are_reported_without_regard_to_case(keys: Configuration) -> None:
    """Asked keys come back once, by their proper name; unknown ones as they were asked."""
    known, unknown = keys.report(["heartbeatinterval", "Nonsense", "heartbeatinterval"])

    assert [(key.name, key.value) for key in known] == [("HeartbeatInterval", "300")]
    assert unknown == ["Nonsense"]


def test_computed_values(keys: Configuration) -> None:
    """What follows from the number of connectors is filled in."""
    assert keys.integer("NumberOfConnectors") == 2
    assert keys.integer("ConnectorPhaseRotationMaxLength") == 3
    assert keys.entries("ConnectorPhaseRotation") == ["0.RST", "1.RST", "2.RST"]


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("MeterValueSampleInterval", "60", "Accepted"),
        ("metervaluesampleinterval", " 60 ", "Accepted"),
        ("MeterValueSampleInterval", "0", "Accepted"),
        ("MeterValueSampleInterval", "-1", "Rejected"),
        ("MeterValueSampleInterval", "sixty", "Rejected"),
        ("MeterValueSampleInterval", "1.5", "Rejected"),
        ("MeterValueSampleInterval", "", "Rejected"),
        ("MeterValueSampleInterval", "99999999999", "Rejected"),
        ("MeterValueSampleInterval", "4294967296", "Rejected"),
        ("MeterValueSampleInterval", "６０", "Rejected"),  # noqa: RUF001 - digits, but not ASCII
        ("WebSocketPingInterval", "-1", "Rejected"),
        ("HeartbeatInterval", "0", "Rejected"),
        ("LocalPreAuthorize", "true", "Accepted"),
        ("LocalPreAuthorize", "TRUE", "Accepted"),
        ("LocalPreAuthorize", "yes", "Rejected"),
        ("MeterValuesSampledData", "", "Accepted"),
        ("MeterValuesSampledData", "Voltage.L1-N, SoC", "Accepted"),
        ("MeterValuesSampledData", "Voltage,RPM", "Rejected"),
        ("MeterValuesSampledData", ",".join(["SoC"] * 21), "Rejected"),
        ("StopTxnSampledData", "Frequency", "Rejected"),
        ("ConnectorPhaseRotation", "0.Unknown,1.TRS", "Accepted"),
        ("ConnectorPhaseRotation", "3.RST", "Rejected"),
        ("ConnectorPhaseRotation", "1.XYZ", "Rejected"),
        ("NumberOfConnectors", "3", "Rejected"),
        ("SupportedFeatureProfiles", "Core", "Rejected"),
        ("AuthorizationKey", "00" * 16, "Accepted"),
        ("AuthorizationKey", "aB" * 20, "Accepted"),
        ("AuthorizationKey", "00" * 15, "Rejected"),
        ("AuthorizationKey", "00" * 21, "Rejected"),
        ("AuthorizationKey", "0" * 33, "Rejected"),
        ("AuthorizationKey", "xy" * 16, "Rejected"),
        ("AuthorizationKey", "", "Rejected"),
        ("SecurityProfile", "3", "Accepted"),
        ("SecurityProfile", "4", "Rejected"),
        ("CpoName", "Preflight, Inc.", "Accepted"),
        ("CertificateStoreMaxLength", "3", "Rejected"),
        ("NoSuchKey", "1", "NotSupported"),
    ],
)
def test_change(keys: Configuration, name: str, value: str, status: str) -> None:
    """Each kind of value has its limits; nothing changes unless accepted."""
    before = keys.report()

    assert keys.change(name, value) == status
    if status != "Accepted":
        assert keys.report() == before


def test_accepted_values_are_kept_in_normal_form(keys: Configuration) -> None:
    """Booleans are lower case, lists and numbers without spaces."""
    keys.change("LocalPreAuthorize", "TRUE")
    keys.change("MeterValuesSampledData", "Voltage.L1-N, SoC")
    keys.change("ConnectionTimeOut", " 090")
    known, _ = keys.report(["LocalPreAuthorize", "MeterValuesSampledData", "ConnectionTimeOut"])

    assert [key.value for key in known] == ["true", "Voltage.L1-N,SoC", "90"]
    assert keys.boolean("LocalPreAuthorize")
    assert keys.entries("MeterValuesSampledData") == ["Voltage.L1-N", "SoC"]
    assert keys.integer("ConnectionTimeOut") == 90


def test_key_that_needs_a_reboot() -> None:
    """Such a key answers RebootRequired and changes with the next start only."""
    keys = Configuration(connectors=1, needs_reboot=["ConnectionTimeOut"])

    assert keys.change("ConnectionTimeOut", "5") is ChangeStatus.REBOOT_REQUIRED
    assert keys.integer("ConnectionTimeOut") == 60
    keys.restart()
    assert keys.integer("ConnectionTimeOut") == 5


def test_fixed_cable_never_unlocks() -> None:
    """Without a lock UnlockConnectorOnEVSideDisconnect is false and readonly (errata 3.83)."""
    keys = Configuration(connectors=1, has_lock=False)

    assert not keys.boolean("UnlockConnectorOnEVSideDisconnect")
    assert keys.change("UnlockConnectorOnEVSideDisconnect", "true") is ChangeStatus.REJECTED


@pytest.mark.parametrize("overrides", [{"Nope": "1"}, {"ConnectionTimeOut": "soon"}])
def test_wrong_overrides_are_our_own_mistake(overrides: dict[str, str]) -> None:
    """A script that sets what cannot be is told so, not ignored."""
    with pytest.raises(LocalProtocolError, match=next(iter(overrides))):
        Configuration(overrides, connectors=1)


def test_overrides_may_set_readonly_keys() -> None:
    """A script decides what the charge point is, so it may set what the CSMS may not."""
    keys = Configuration({"SupportedFeatureProfiles": "Core,SmartCharging"}, connectors=1)

    assert keys.entries("SupportedFeatureProfiles") == ["Core", "SmartCharging"]


def test_change_takes_effect_once() -> None:
    """What took effect with one restart does not come back with the next."""
    keys = Configuration(connectors=1, needs_reboot=["HeartbeatInterval"])
    keys.change("HeartbeatInterval", "5")
    keys.restart()
    keys.set("HeartbeatInterval", "900")
    keys.restart()

    assert keys.integer("HeartbeatInterval") == 900


def test_secret_is_never_told() -> None:
    """An AuthorizationKey is not in the complete report, and has no value where it is asked for."""
    keys = Configuration({"AuthorizationKey": "00" * 16}, connectors=1)
    assert "AuthorizationKey" not in {key.name for key in keys.report()[0]}
    (told,), unknown = keys.report(["AuthorizationKey"])
    assert (told.value, told.is_readonly, unknown) == (None, False, [])
    assert keys.text("AuthorizationKey") == "00" * 16
