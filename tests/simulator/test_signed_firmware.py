"""Signed firmware updates: all statuses, each with the number of its request (L01)."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from hashlib import sha256
from typing import Any

import pytest

from simulator.clock import format_time
from simulator.errors import LocalProtocolError
from simulator.outputs import Download
from tests.simulator import pki
from tests.simulator.rig import Rig

OUT = ["Status 1 Unavailable", "Status 2 Unavailable", "Status 0 Unavailable"]
BACK = ["Status 1 Available", "Status 2 Available", "Status 0 Available"]
SHA256 = sha256(pki.FIRMWARE).hexdigest()


@cache
def signer() -> pki.Authority:
    """Return who signs firmware here."""
    return pki.make_root("Signer")


def idle(**options: Any) -> Rig:
    """Return an idle charge point with firmware 1.0."""
    rig = Rig(firmware_version="1.0", **options)
    rig.dialogue()
    return rig


def order(rig: Rig, *, in_s: float = 0, request_id: int = 5, **more: Any) -> object:
    """Order signed firmware; what is not said is right."""
    at = format_time(rig.now.at + timedelta(seconds=in_s), milliseconds=True)
    retry: dict[str, object] = {
        name: more.pop(name) for name in ("retries", "retryInterval") if name in more
    }
    firmware = {
        "location": "http://csms.example/charger-2.5.1.bin",
        "retrieveDateTime": at,
        "signingCertificate": signer().pem,
        "signature": pki.sign(signer().key),
        **more,
    }
    return rig.ask("SignedUpdateFirmware", {"requestId": request_id, "firmware": firmware, **retry})


def plain_order(rig: Rig) -> object:
    """Order firmware without signature."""
    at = format_time(rig.now.at, milliseconds=True)
    return rig.ask(
        "UpdateFirmware", {"location": "http://csms.example/charger-3.0.bin", "retrieveDate": at}
    )


def came(rig: Rig, digest: str = SHA256, size_bytes: int = len(pki.FIRMWARE)) -> None:
    """Let the download end well."""
    rig.transferred(size_bytes=size_bytes, sha256=digest)


def trigger(rig: Rig) -> list[str]:
    """Ask for the status; return what came."""
    rig.take()
    rig.ask("ExtendedTriggerMessage", {"requestedMessage": "FirmwareStatusNotification"})
    return rig.story()


def test_dates_of_download_and_installation() -> None:
    """Neither begins before its date; both waits are told."""
    rig = idle()
    later = format_time(rig.now.at + timedelta(seconds=300), milliseconds=True)
    order(rig, in_s=100, installDateTime=later)
    assert rig.dialogue() == ["conf Accepted", "Signed DownloadScheduled 5"]
    rig.advance(99.9)
    assert rig.story() == []
    rig.advance(0.2)
    assert rig.story() == ["Signed Downloading 5"]
    came(rig)
    assert rig.story() == [
        *["Signed Downloaded 5", "Signed SignatureVerified 5", "Signed InstallScheduled 5"],
    ]
    assert trigger(rig) == ["Signed InstallScheduled 5"]
    rig.advance(199.8)
    assert rig.story() == []
    rig.advance(0.2)
    assert rig.story() == [*OUT, "Signed Installing 5"]


def test_date_of_installation_is_kept_over_a_restart() -> None:
    """What was verified is installed at its time, whatever came between."""
    rig = idle()
    later = format_time(rig.now.at + timedelta(seconds=300), milliseconds=True)
    order(rig, installDateTime=later)
    came(rig)
    rig.ask("Reset", {"type": "Hard"})
    rig.reconnect_after_hangup()
    rig.advance(299)
    rig.take()
    rig.advance(1.1)
    assert rig.story()[-1] == "Signed Installing 5"


def test_dates_in_the_past_are_not_waited_for() -> None:
    """Nothing is scheduled that is due."""
    rig = idle()
    before = format_time(rig.now.at - timedelta(days=1), milliseconds=True)
    order(rig, in_s=-100, installDateTime=before)
    came(rig)
    assert rig.story() == [
        *["Signed Downloading 5", "Signed Downloaded 5", "Signed SignatureVerified 5"],
        *[*OUT, "Signed Installing 5"],
    ]


def test_paused_download() -> None:
    """The same job goes on after the pause; no attempt is lost by it."""
    rig = idle()
    order(rig, retries=1, retryInterval=10)
    first = rig.transfers.pop()
    rig.do("pause_download")
    assert rig.cancelled == [first.number]
    rig.advance(1000)
    rig.do("resume_download")
    (second,) = rig.transfers
    assert isinstance(first, Download)
    assert isinstance(second, Download)
    assert (second.job, second.url) == (first.job, first.url)
    assert second.number != first.number
    rig.transferred("lost")
    rig.advance(10)
    assert [line for line in rig.story() if line.startswith("Signed")] == [
        *["Signed Downloading 5", "Signed DownloadPaused 5", "Signed Downloading 5"],
        *["Signed DownloadFailed 5", "Signed Downloading 5"],
    ]


@pytest.mark.parametrize(
    ("event", "words", "is_ordered"),
    [
        ("pause_download", "PAUSED cannot happen while IDLE", False),
        ("resume_download", "no download is paused", True),
    ],
)
def test_nothing_to_pause(event: str, words: str, is_ordered: bool) -> None:
    """Only a download can be paused, only a paused one goes on."""
    rig = idle()
    if is_ordered:
        order(rig)
    with pytest.raises(LocalProtocolError, match=words):
        rig.do(event)


def test_failed_download() -> None:
    """As with plain updates: so many retries, then the end; the failure is the last status."""
    rig = idle()
    order(rig, retries=1, retryInterval=10)
    rig.transferred("lost")
    rig.advance(10)
    rig.transferred("lost")
    rig.advance(100)
    assert rig.story() == ["Signed Downloading 5", "Signed DownloadFailed 5"] * 2
    assert trigger(rig) == ["Signed DownloadFailed 5"]


@pytest.mark.parametrize("digest", [sha256(b"other").hexdigest(), "", "00", "no digest"])
def test_wrong_signature(digest: str) -> None:
    """InvalidSignature ends the update, with a security event; connectors stay in service."""
    rig = idle()
    order(rig)
    rig.take()
    came(rig, digest)
    rig.advance(100)
    assert rig.story() == [
        *["Signed Downloaded 5", "Signed InvalidSignature 5", "Event InvalidFirmwareSignature"],
    ]
    assert trigger(rig) == ["Signed InvalidSignature 5"]
    assert order(rig) == {"status": "Accepted"}


def test_failed_verification() -> None:
    """InstallVerificationFailed takes the place of Installing; there is no restart."""
    rig = idle()
    rig.do("verification_failure")
    order(rig)
    came(rig)
    rig.advance(100)
    assert rig.story() == [
        *["Signed Downloading 5", "Signed Downloaded 5", "Signed SignatureVerified 5"],
        *["Status 1 Unavailable", "Status 2 Unavailable", "Signed InstallVerificationFailed 5"],
        *["Status 1 Available", "Status 2 Available"],
    ]
    assert (rig.hangups, rig.charge_point.firmware_version) == ([], "1.0")
    assert trigger(rig) == ["Signed InstallVerificationFailed 5"]


def test_failed_installation() -> None:
    """InstallationFailed without a restart: the boot loader never got it."""
    rig = idle()
    rig.do("installation_failure")
    order(rig)
    came(rig)
    rig.take()
    rig.advance(5)
    assert rig.story() == ["Signed InstallationFailed 5", *BACK]
    assert not rig.hangups
    assert order(rig) == {"status": "Accepted"}


def test_power_loss_during_the_installation() -> None:
    """An installation that was broken off failed; the old version boots, no event is told."""
    rig = idle()
    order(rig)
    came(rig)
    rig.do("power_off")
    rig.drop()
    rig.take()
    rig.do("power_on")
    rig.connect()
    assert rig.payload("BootNotification")["firmwareVersion"] == "1.0"
    story = rig.story()
    assert story[-1] == "Signed InstallationFailed 5"
    assert "Event FirmwareUpdated" not in story


def test_installed_firmware_is_told_as_idle() -> None:
    """A triggered status is Idle without a number before the first update and after the last."""
    rig = idle()
    assert trigger(rig) == ["Signed Idle"]
    order(rig)
    came(rig)
    rig.advance(5)
    rig.reconnect_after_hangup()
    assert trigger(rig) == ["Signed Idle"]


@pytest.mark.parametrize("point", ["scheduled", "downloading", "retrying", "paused", "postponed"])
def test_newer_order_cancels(point: str) -> None:
    """AcceptedCanceled, and nothing more is heard of the earlier request."""
    rig = idle()
    later = format_time(rig.now.at + timedelta(seconds=300), milliseconds=True)
    order(rig, in_s=100 if point == "scheduled" else 0, installDateTime=later, retries=1)
    match point:
        case "retrying":
            rig.transferred("lost")
        case "paused":
            rig.do("pause_download")
        case "postponed":
            came(rig)
    rig.take()
    assert order(rig, request_id=6) == {"status": "AcceptedCanceled"}
    assert rig.story() == ["Signed Downloading 6"]
    rig.transfers = rig.transfers[-1:]
    came(rig)
    rig.advance(1000)
    assert not [line for line in rig.story() if line.endswith(" 5")]


def test_order_during_the_installation_is_rejected() -> None:
    """It is too late to cancel."""
    rig = idle()
    order(rig)
    came(rig)
    assert order(rig, request_id=6) == {"status": "Rejected"}
    rig.advance(5)
    rig.take()
    rig.reconnect_after_hangup()
    assert "Signed Installed 5" in rig.story()


def test_plain_and_signed_orders_take_each_others_place() -> None:
    """There is one update at a time, of whatever kind."""
    rig = idle()
    plain_order(rig)
    assert order(rig) == {"status": "AcceptedCanceled"}
    assert plain_order(rig) == {}
    assert rig.story() == [
        *["Firmware Downloading", "Signed Downloading 5", "Signed DownloadFailed 5"],
        "Firmware Downloading",
    ]


def test_plain_updates_may_be_refused() -> None:
    """L01 wants CALLERROR NotSupported of a charge point that does signed updates only."""
    assert plain_order(idle(signed_firmware_only=True)) == "NotSupported"


@pytest.mark.parametrize(
    "what", ["nonsense", "expired", "not yet", "short key", "stranger", "not for signing"]
)
def test_bad_signing_certificate(what: str) -> None:
    """InvalidCertificate and a security event; nothing is fetched."""
    maker = pki.make_root("Maker")
    other = pki.make_root("Other")
    key = pki.ec_key().public_key()
    match what:
        case "nonsense":
            pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
        case "expired":
            pem = pki.pem(maker.issue(key, pki.name("S"), end=pki.BEGIN + pki.DAY))
        case "not yet":
            pem = pki.pem(maker.issue(key, pki.name("S"), begin=pki.END - pki.DAY))
        case "short key":
            pem = pki.pem(maker.issue(pki.rsa_key(1024).public_key(), pki.name("S")))
        case "stranger":
            pem = pki.pem(other.issue(key, pki.name("S")))
        case _:
            usage = pki.usage(key_agreement=True)
            pem = pki.pem(maker.issue(key, pki.name("S"), extensions=(usage,)))
    rig = idle(manufacturer_roots=[maker.pem])
    assert order(rig, signingCertificate=pem) == {"status": "InvalidCertificate"}
    assert rig.dialogue() == ["conf InvalidCertificate", "Event InvalidFirmwareSigningCertificate"]
    assert not rig.transfers


@pytest.mark.parametrize("has_intermediate", [True, False])
def test_certificate_of_the_manufacturer(has_intermediate: bool) -> None:
    """One that leads to an installed manufacturer root is good, through another one too."""
    maker = pki.make_root("Maker")
    issuer = maker.sub_authority("Department") if has_intermediate else maker
    key = pki.ec_key()
    usage = pki.usage(digital_signature=True)
    leaf = issuer.issue(key.public_key(), pki.name("S"), extensions=(usage,))
    chain = pki.pem(leaf) + (issuer.pem if has_intermediate else "")
    rig = idle(manufacturer_roots=[maker.pem])
    order(rig, signingCertificate=chain, signature=pki.sign(key))
    came(rig)
    assert "Signed SignatureVerified 5" in rig.story()


@pytest.mark.parametrize("is_revoked", [True, False])
def test_arranged_refusal(is_revoked: bool) -> None:
    """Somebody may have the certificate refused, as revoked too; once."""
    rig = idle()
    rig.do("certificate_refusal", is_revoked=is_revoked)
    status = "RevokedCertificate" if is_revoked else "InvalidCertificate"
    assert order(rig) == {"status": status}
    assert order(rig) == {"status": "Accepted"}


def test_running_session_ends_first() -> None:
    """Connectors nobody uses go out of service, the installation waits for the others (L01)."""
    rig = idle()
    rig.do("plug_in", connector_id=1)
    rig.do("present_tag", id_tag="A")
    order(rig)
    came(rig)
    assert rig.story()[-1] == "Status 2 Unavailable"
    rig.do("present_tag", id_tag="A")
    assert rig.story()[-1] == "Signed Installing 5"


def test_passive_charge_point_only_answers() -> None:
    """The statuses are the script's."""
    rig = Rig(boots=False)
    rig.charge_point.is_active = False
    rig.connect()
    assert order(rig) == {"status": "Accepted"}
    assert rig.dialogue() == ["conf Accepted"]
    assert not rig.transfers


def test_new_firmware_is_told_on_every_profile() -> None:
    """Who orders signed firmware understands security events (L01)."""
    rig = idle()
    order(rig)
    came(rig)
    rig.advance(5)
    rig.take()
    rig.reconnect_after_hangup()
    assert rig.story()[:2] == ["Boot", "Event FirmwareUpdated"]


def test_retry_of_a_cancelled_order_does_not_come() -> None:
    """What was to be tried again belongs to the order before."""
    rig = idle()
    order(rig, retries=1, retryInterval=10)
    rig.transferred("lost")
    order(rig, request_id=6)
    rig.take()
    rig.advance(100)
    assert rig.story() == []
    assert len(rig.transfers) == 1
