"""Keeping secrets out of the message log."""

from __future__ import annotations

import json
from time import process_time

import pytest

from csms.domain.secrets import mask_location, mask_secrets

KEY = "4f5d8a0011223344aabbccddeeff0011"


@pytest.mark.parametrize(
    "text",
    [
        '[2,"1","ChangeConfiguration",{"key":"AuthorizationKey","value":"%s"}]',
        '[2,"1","ChangeConfiguration",{"value":"%s","key":"authorizationKEY"}]',
        '[2,"1","ChangeConfiguration",{"key":"Authorization\\u004bey","value":"%s"}]',
        '[3,"1",{"configurationKey":[{"key":"AuthorizationKey","readonly":false,"value":"%s"}]}]',
        '[2,"1","ChangeConfiguration",{"key":"AuthorizationKey","value":"%s"',
        '[2,"1","GetDiagnostics",{"location":"ftp://user:%s@example.org/x"}]',
        '[2,"1","GetDiagnostics",{"location":"ftp:\\/\\/user:%s@example.org\\/x"}]',
        '[2,"1","GetDiagnostics",{"location":"ftp://user:a@b%s@example.org/x"}]',
        '[2,"1","GetLog",{"log":{"remoteLocation":"ftp://user:%s@example.org/x"}}]',
        '[2,"1","GetLog",{"log":{"remoteLocation":"https://s3.example/x?a=1&sig=%s"}}]',
        '[2,"1","GetLog",{"log":{"remoteLocation" : "https:\\/\\/s3.example\\/x?sig=%s"}}]',
        '[2,"1","GetLog",{"log":{"remoteLocation":"https://s3.example/x?sig=%s',
        '[2,"1","SignedUpdateFirmware",{"firmware":{"location":"https://s3.example/x?%s"}}]',
        '[2,"1","UpdateFirmware",{"location":"http://h:1/files/firmware/%s01234567/fw.bin"}]',
        '[2,"1","GetDiagnostics",{"location":"http://h/p/files/diagnostics/%s01234567/"}]',
        '[2,"1","GetLog",{"log":{"remoteLocation":"http:\\/\\/h\\/files\\/logs\\/%s01234567\\/"}}]',
    ],
)
def test_secret_is_gone(text: str) -> None:
    """Keys and passwords are masked, however they are written (CS-WS-13)."""
    masked = mask_secrets(text % KEY)

    assert KEY not in masked
    assert masked != text % KEY


def test_the_rest_of_the_frame_stays() -> None:
    """Only the value is replaced."""
    frame = [2, "1", "ChangeConfiguration", {"key": "AuthorizationKey", "value": KEY}]

    assert json.loads(mask_secrets(json.dumps(frame))) == [
        2,
        "1",
        "ChangeConfiguration",
        {"key": "AuthorizationKey", "value": "***"},
    ]
    assert mask_secrets('{"location":"ftp://user:pass@host/a"}') == (
        '{"location":"ftp://user:***@host/a"}'
    )


def test_hostile_text_takes_no_time() -> None:
    """A megabyte made for the pattern is read in one go."""
    text = "://a:" * 200_000
    begun_s = process_time()

    assert mask_secrets(text) == text
    assert process_time() - begun_s < 1


@pytest.mark.parametrize(
    "text",
    [
        '[2, "1",  "Heartbeat", {}]',
        '[2,"1","GetDiagnostics",{"location":"ftp://example.org:21/x"}]',
        '[2,"1","DataTransfer",{"vendorId":"v","data":"mailto:a@b c://d"}]',
        "not json",
    ],
)
def test_text_without_secrets_is_untouched(text: str) -> None:
    """The log keeps frames as they came, spaces included."""
    assert mask_secrets(text) == text


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("ftp://user:secret@h/x", "ftp://user:***@h/x"),
        ("https://h/x?sig=secret&b", "https://h/x?***"),
        (f"http://h/files/logs/{'a' * 40}/", "http://h/files/logs/***/"),
        (f"http://h/files/logs/{'a' * 41}/", f"http://h/files/logs/{'a' * 41}/"),
        ("http://h/x", "http://h/x"),
        ("", ""),
    ],
)
def test_location_is_shown_without_what_opens_it(location: str, shown: str) -> None:
    """The rest of it helps whoever looks for a file."""
    assert mask_location(location) == shown


def test_query_that_is_no_location_stays() -> None:
    """A URL in other messages is none of ours."""
    text = '[2,"1","DataTransfer",{"vendorId":"v","data":"https://h/?a=1"}]'

    assert mask_secrets(text) == text


def test_hostile_locations_take_no_time() -> None:
    """A megabyte made for the patterns is read in one go."""
    text = '"location":"://' * 50_000 + "?" + "/files/a/" * 50_000
    begun_s = process_time()

    mask_secrets(text)

    assert process_time() - begun_s < 1
