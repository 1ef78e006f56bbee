"""The security cases of the official list, driven by inputs and frames of the CSMS alone."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest

from simulator.certificates import read_csr_key
from simulator.clock import format_time
from simulator.outputs import Credential, Download, Hangup, KeyType, Upload
from tests.simulator import pki
from tests.simulator.rig import Rig

OLD_KEY = "00112233445566778899aabbccddeeff00112233"
NEW_KEY = "ffeeddccbbaa99887766554433221100"
OUT = ["Status 1 Unavailable", "Status 2 Unavailable", "Status 0 Unavailable"]
IN = ["Status 0 Available", "Status 1 Available", "Status 2 Available"]


def ready(profile: int, *, keys: dict[str, str] | None = None, **options: Any) -> Rig:
    """Return an idle charge point on a security profile."""
    settings = {"SecurityProfile": str(profile), "CpoName": "Preflight", **(keys or {})}
    rig = Rig(keys=settings, serial_number="SN-1", firmware_version="1.0", **options)
    rig.dialogue()
    return rig


def own_certificate(authority: pki.Authority) -> Credential:
    """Return the certificate a charge point has before any renewal."""
    key = pki.ec_key()
    certificate = authority.issue(key.public_key(), pki.name("SN-1"))
    return Credential(chain_pem=pki.pem(certificate), private_key_pem=pki.key_pem(key))


def change(rig: Rig, key: str, value: str) -> object:
    """Change a configuration key."""
    return rig.ask("ChangeConfiguration", {"key": key, "value": value})


def trigger(rig: Rig, message: str) -> object:
    """Ask for a message by ExtendedTriggerMessage."""
    return rig.ask("ExtendedTriggerMessage", {"requestedMessage": message})


def test_073_password_is_changed() -> None:
    """TC_073: Accepted, then another connection with the new password."""
    rig = ready(1, keys={"AuthorizationKey": OLD_KEY})
    assert change(rig, "AuthorizationKey", NEW_KEY) == {"status": "Accepted"}
    (credentials,) = rig.credentials
    assert credentials.password == bytes.fromhex(NEW_KEY)
    assert credentials.security_profile == 1
    assert rig.hangups == [Hangup()]
    rig.dialogue()
    rig.reconnect_after_hangup()
    assert rig.dialogue() == []  # no BootNotification: it did not restart
    rig.refuse()
    assert len(rig.credentials) == 1  # proven, and not given up any more


@pytest.mark.parametrize("key_type", KeyType)
def test_074_certificate_is_renewed(key_type: KeyType) -> None:
    """TC_074: a new key pair, its request signed, another connection with the certificate."""
    authority = pki.make_root()
    old = own_certificate(authority)
    rig = ready(3, certificate=old, central_system_roots=[authority.pem], key_type=key_type)
    assert trigger(rig, "SignChargePointCertificate") == {"status": "Accepted"}
    (order,) = rig.csr_orders
    assert (order.key_type, order.common_name, order.organisation) == (
        key_type,
        "SN-1",
        "Preflight",
    )
    rig.make_csr()
    csr = rig.payload("SignCertificate")["csr"]
    chain = authority.sign_csr(csr)
    assert rig.ask("CertificateSigned", {"certificateChain": chain}) == {"status": "Accepted"}
    (credentials,) = rig.credentials
    assert credentials.certificate is not None
    assert credentials.certificate.chain_pem == chain
    assert credentials.certificate.private_key_pem != old.private_key_pem
    assert read_csr_key(csr) == pki.public_key_of(credentials.certificate.private_key_pem)
    assert rig.dialogue() == ["conf Accepted", "SignCertificate", "conf Accepted"]
    rig.reconnect_after_hangup()
    assert rig.dialogue() == []


@pytest.mark.parametrize("how", ["arranged", "another key"])
def test_077_certificate_is_refused(how: str) -> None:
    """TC_077: Rejected and the security event; connection and certificate stay."""
    authority = pki.make_root()
    old = own_certificate(authority)
    rig = ready(3, certificate=old, central_system_roots=[authority.pem], key_type=KeyType.ECDSA)
    if how == "arranged":
        rig.do("certificate_refusal")
    trigger(rig, "SignChargePointCertificate")
    rig.make_csr()
    chain = authority.sign_csr(rig.payload("SignCertificate")["csr"])
    if how != "arranged":
        chain = pki.pem(authority.issue(pki.ec_key().public_key(), pki.name("SN-1")))
    rig.dialogue()
    rig.ask("CertificateSigned", {"certificateChain": chain})
    assert rig.dialogue() == ["conf Rejected", "Event InvalidChargePointCertificate"]
    assert (rig.hangups, rig.credentials) == ([], [])
    assert rig.charge_point.security.access.certificate == old


def test_078_root_is_refused() -> None:
    """TC_078: Rejected and the security event, though nothing is wrong with the root."""
    rig = ready(2, password=b"secret", central_system_roots=[pki.make_root("A").pem])
    rig.do("certificate_refusal")
    kind = "CentralSystemRootCertificate"
    root = pki.make_root("B").pem
    rig.ask("InstallCertificate", {"certificateType": kind, "certificate": root})
    assert rig.dialogue() == ["conf Rejected", "Event InvalidCentralSystemCertificate"]
    rig.ask("InstallCertificate", {"certificateType": kind, "certificate": root})
    assert rig.dialogue() == ["conf Accepted"]


def test_079_security_log_is_uploaded() -> None:
    """TC_079: the file is named, sent, and every step told with the request's number."""
    rig = ready(1, password=b"secret")
    rig.do("security_event", type="TamperDetectionActivated", tech_info="cover open")
    rig.dialogue()
    log = {"remoteLocation": "ftp://csms.example/logs/"}
    answer = rig.ask("GetLog", {"logType": "SecurityLog", "requestId": 7, "log": log})
    assert isinstance(answer, dict)
    (upload,) = rig.transfers
    assert isinstance(upload, Upload)
    assert (upload.directory, upload.file_name) == (log["remoteLocation"], answer["filename"])
    rig.transferred()
    assert rig.dialogue() == ["conf Accepted", "Log Uploading 7", "Log Uploaded 7"]
    content = b"".join(upload.content())
    assert len(content) == upload.size_bytes
    assert b"TamperDetectionActivated cover open" in content
    assert b"StartupOfTheDevice" in content


def order_firmware(rig: Rig, signature: str, certificate: str, **more: object) -> object:
    """Order signed firmware."""
    firmware = {
        "location": "http://csms.example/charger-2.5.1.bin",
        "retrieveDateTime": format_time(rig.now.at, milliseconds=True),
        "signingCertificate": certificate,
        "signature": signature,
        **more,
    }
    return rig.ask("SignedUpdateFirmware", {"requestId": 5, "firmware": firmware})


def test_080_signed_firmware_is_installed() -> None:
    """TC_080: every status in its order, the restart, the security event, the new version."""
    signer = pki.make_root("Signer")
    rig = ready(1, password=b"secret")
    answer = order_firmware(rig, pki.sign(signer.key), signer.pem)
    assert answer == {"status": "Accepted"}
    assert isinstance(rig.transfers[0], Download)
    rig.transferred(size_bytes=len(pki.FIRMWARE), sha256=sha256(pki.FIRMWARE).hexdigest())
    rig.advance(5)
    assert rig.dialogue() == [
        *["conf Accepted", "Signed Downloading 5", "Signed Downloaded 5"],
        *["Signed SignatureVerified 5", *OUT, "Signed Installing 5", "Signed InstallRebooting 5"],
    ]
    rig.reconnect_after_hangup()
    assert rig.payload("BootNotification")["firmwareVersion"] == "2.5.1"
    assert rig.dialogue() == [
        *["Boot", "Event ResetOrReboot", *IN, "Signed Installed 5"],
        *["Event StartupOfTheDevice", "Event FirmwareUpdated"],
    ]


def test_081_wrong_signature_is_found() -> None:
    """TC_081: the file is fetched, its signature refused, the event told; nothing is installed."""
    signer = pki.make_root("Signer")
    rig = ready(1, password=b"secret")
    order_firmware(rig, pki.sign(signer.key, b"something else"), signer.pem)
    rig.transferred(size_bytes=len(pki.FIRMWARE), sha256=sha256(pki.FIRMWARE).hexdigest())
    rig.advance(100)
    assert rig.dialogue() == [
        *["conf Accepted", "Signed Downloading 5", "Signed Downloaded 5"],
        *["Signed InvalidSignature 5", "Event InvalidFirmwareSignature"],
    ]
    assert not rig.hangups


@pytest.mark.parametrize("profile", [1, 2])
def test_083_profile_is_raised(profile: int) -> None:
    """TC_083: Accepted; the Reset that follows leads to the new profile, and stays there."""
    authority = pki.make_root()
    rig = ready(
        profile,
        password=b"secret",
        certificate=own_certificate(authority),
        central_system_roots=[authority.pem],
        reconnects_at_once=False,
    )
    assert change(rig, "SecurityProfile", str(profile + 1)) == {"status": "Accepted"}
    assert not rig.hangups
    (credentials,) = rig.credentials
    assert credentials.security_profile == profile + 1
    assert (credentials.password is None) is (profile == 2)
    assert (credentials.certificate is None) is (profile == 1)
    rig.dialogue()
    assert rig.ask("Reset", {"type": "Hard"}) == {"status": "Accepted"}
    assert rig.hangups == [Hangup()]
    rig.reconnect_after_hangup()
    assert [line for line in rig.dialogue() if not line.startswith("Event")] == [
        *["conf Accepted", "Boot", *IN],
    ]
    for _ in range(5):  # a script tries the old profile, in vain; the new one stays proven
        rig.refuse("http", 403)
    assert rig.credentials == [credentials]


def test_083_profile_is_raised_at_once() -> None:
    """Without a Reset the charge point reconnects by itself (A05)."""
    rig = ready(1, password=b"secret", central_system_roots=[pki.make_root().pem])
    assert change(rig, "SecurityProfile", "2") == {"status": "Accepted"}
    assert rig.hangups == [Hangup()]
