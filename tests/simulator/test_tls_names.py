"""Names of versions, suites and alerts."""

from __future__ import annotations

import ssl

import pytest

from simulator.tls_names import (
    ALERTS,
    MANDATORY_SUITES,
    SUITES,
    TLS_1_3_SUITES,
    TlsVersion,
    received_alert,
    suite_name,
)


def test_every_suite_that_openssl_shares_has_its_number() -> None:
    """The table agrees with OpenSSL wherever both know a suite of TLS 1.3 or of the four."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    numbers = {str(one["name"]): one["id"] & 0xFFFF for one in context.get_ciphers()}

    assert {name: SUITES[name] for name in TLS_1_3_SUITES} == {
        name: numbers[name] for name in TLS_1_3_SUITES
    }
    assert [SUITES[name] for name in MANDATORY_SUITES] == [
        numbers["ECDHE-ECDSA-AES128-GCM-SHA256"],
        numbers["ECDHE-ECDSA-AES256-GCM-SHA384"],
        numbers["AES128-GCM-SHA256"],
        numbers["AES256-GCM-SHA384"],
    ]


def test_names_and_openssl_names_tell_the_same() -> None:
    """Every suite both know is the same one by its parts, so no row of the table has slipped."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    known = {one["id"] & 0xFFFF: str(one["name"]) for one in context.get_ciphers()}
    for name, code in SUITES.items():
        theirs = known.get(code, "")
        if not theirs or theirs.startswith("TLS_"):
            continue
        plain = theirs.replace("ADH", "DH-anon").replace("AES128", "AES-128")
        plain = plain.replace("AES256", "AES-256")
        if not plain.startswith(("ECDHE", "DHE", "DH-anon")):
            plain = f"RSA-{plain}"
        assert set(plain.split("-")) <= set(name.replace("_", "-").split("-")), theirs


def test_unknown_suite_is_its_number() -> None:
    """A suite nobody named here still says which it is."""
    assert suite_name(0x1301) == "TLS_AES_128_GCM_SHA256"
    assert suite_name(0xFAFA) == "0xFAFA"


def test_versions_are_in_order() -> None:
    """Versions have the numbers of the wire."""
    assert [version.code for version in TlsVersion] == [0x0301, 0x0302, 0x0303, 0x0304]


@pytest.mark.parametrize(
    ("words", "alert"),
    [
        ("[SSL: SSLV3_ALERT_HANDSHAKE_FAILURE] sslv3 alert handshake failure", "handshake_failure"),
        ("[SSL: TLSV1_UNRECOGNIZED_NAME] tlsv1 unrecognized name (_ssl.c:1)", "unrecognized_name"),
        ("[SSL: TLSV1_ALERT_UNKNOWN_CA] tlsv1 alert unknown ca", "unknown_ca"),
        ("[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] x", "certificate_required"),
        ("[SSL] tlsv1 alert no application protocol (_ssl.c:1)", "no_application_protocol"),
        ("[SSL: TLSV1_ALERT_USER_CANCELLED] tlsv1 alert user cancelled", "user_canceled"),
        ("[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1)", ""),
        ("[SSL: TLSV1_ALERT_SOMETHING_NEW] tlsv1 alert something new", ""),
        ("", ""),
    ],
)
def test_openssl_words_about_alerts(words: str, alert: str) -> None:
    """Alerts are known by IANA's names, whatever OpenSSL calls them."""
    assert received_alert(words) == alert
    assert alert == "" or alert in ALERTS.values()
