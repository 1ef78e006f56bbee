"""Names of TLS: versions, cipher suites and alerts, as IANA writes them."""

from __future__ import annotations

import re
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class TlsVersion(StrEnum):
    """A version of TLS, oldest first."""

    TLS_1_0 = "TLSv1"
    TLS_1_1 = "TLSv1.1"
    TLS_1_2 = "TLSv1.2"
    TLS_1_3 = "TLSv1.3"

    @property
    def code(self) -> int:
        """Its number on the wire."""
        return 0x0301 + list(TlsVersion).index(self)


# What a Central System must speak over TLS 1.2: white paper ed. 3, A00.FR.318 and A00.FR.422.
MANDATORY_SUITES: Final = (
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
)

TLS_1_3_SUITES: Final = (
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
)

# IANA "TLS Cipher Suites": those a charge point may meet, and some it must not.
SUITES: Final = MappingProxyType(
    {
        "TLS_RSA_WITH_NULL_MD5": 0x0001,
        "TLS_RSA_WITH_NULL_SHA": 0x0002,
        "TLS_RSA_WITH_RC4_128_SHA": 0x0005,
        "TLS_RSA_WITH_3DES_EDE_CBC_SHA": 0x000A,
        "TLS_RSA_WITH_AES_128_CBC_SHA": 0x002F,
        "TLS_DHE_RSA_WITH_AES_128_CBC_SHA": 0x0033,
        "TLS_DH_anon_WITH_AES_128_CBC_SHA": 0x0034,
        "TLS_RSA_WITH_AES_256_CBC_SHA": 0x0035,
        "TLS_DHE_RSA_WITH_AES_256_CBC_SHA": 0x0039,
        "TLS_RSA_WITH_NULL_SHA256": 0x003B,
        "TLS_RSA_WITH_AES_128_CBC_SHA256": 0x003C,
        "TLS_RSA_WITH_AES_256_CBC_SHA256": 0x003D,
        "TLS_RSA_WITH_AES_128_GCM_SHA256": 0x009C,
        "TLS_RSA_WITH_AES_256_GCM_SHA384": 0x009D,
        "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256": 0x009E,
        "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384": 0x009F,
        "TLS_DH_anon_WITH_AES_128_GCM_SHA256": 0x00A6,
        "TLS_AES_128_GCM_SHA256": 0x1301,
        "TLS_AES_256_GCM_SHA384": 0x1302,
        "TLS_CHACHA20_POLY1305_SHA256": 0x1303,
        "TLS_ECDHE_ECDSA_WITH_NULL_SHA": 0xC006,
        "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": 0xC009,
        "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": 0xC00A,
        "TLS_ECDHE_RSA_WITH_NULL_SHA": 0xC010,
        "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": 0xC013,
        "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": 0xC014,
        "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256": 0xC023,
        "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384": 0xC024,
        "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256": 0xC027,
        "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384": 0xC028,
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": 0xC02B,
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": 0xC02C,
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": 0xC02F,
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": 0xC030,
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": 0xCCA8,
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": 0xCCA9,
        "TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256": 0xCCAA,
    }
)
NAME_OF_SUITE: Final = MappingProxyType({code: name for name, code in SUITES.items()})

# IANA "TLS Alerts".
ALERTS: Final = MappingProxyType(
    {
        0: "close_notify",
        10: "unexpected_message",
        20: "bad_record_mac",
        21: "decryption_failed",
        22: "record_overflow",
        30: "decompression_failure",
        40: "handshake_failure",
        41: "no_certificate",
        42: "bad_certificate",
        43: "unsupported_certificate",
        44: "certificate_revoked",
        45: "certificate_expired",
        46: "certificate_unknown",
        47: "illegal_parameter",
        48: "unknown_ca",
        49: "access_denied",
        50: "decode_error",
        51: "decrypt_error",
        60: "export_restriction",
        70: "protocol_version",
        71: "insufficient_security",
        80: "internal_error",
        86: "inappropriate_fallback",
        90: "user_canceled",
        100: "no_renegotiation",
        109: "missing_extension",
        110: "unsupported_extension",
        111: "certificate_unobtainable",
        112: "unrecognized_name",
        113: "bad_certificate_status_response",
        114: "bad_certificate_hash_value",
        115: "unknown_psk_identity",
        116: "certificate_required",
        120: "no_application_protocol",
    }
)

# What OpenSSL calls an alert it received: SSLV3_ALERT_BAD_CERTIFICATE, TLSV1_UNRECOGNIZED_NAME;
# those that Python's table of reasons lacks are words, "tlsv1 alert no application protocol".
_OPENSSL_ALERT: Final = re.compile(r"(?:sslv3|tlsv1|tlsv13)[ _](?:alert[ _])?([a-z_ ]+)", re.ASCII)


def received_alert(openssl_words: str) -> str:
    """Return the alert that OpenSSL's words about an error tell of, empty where they tell of none.

    Alerts that OpenSSL itself sent have other words.
    """
    match = _OPENSSL_ALERT.search(openssl_words.lower())
    name = match[1].strip().replace(" ", "_") if match else ""
    name = "user_canceled" if name == "user_cancelled" else name
    return name if name in ALERTS.values() else ""


def suite_name(code: int) -> str:
    """Return the IANA name of a suite, its number where we know none."""
    return NAME_OF_SUITE.get(code, f"0x{code:04X}")
