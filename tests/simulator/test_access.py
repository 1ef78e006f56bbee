"""How a charge point gets in: profile, password, certificate; new ones tried, old ones kept."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.outputs import Credential, Hangup
from tests.simulator import pki
from tests.simulator.rig import Rig

KEY = "00112233445566778899aabbccddeeff"
NEW_KEY = "ff" * 20
ROOT = pki.make_root().pem
CERTIFICATE = Credential(chain_pem=ROOT, private_key_pem="key")
ALL: dict[str, Any] = {
    "password": b"secret",
    "central_system_roots": [ROOT],
    "certificate": CERTIFICATE,
}


def ready(profile: int = 1, **options: Any) -> Rig:
    """Return an idle charge point on a profile that has all that any profile needs."""
    keys = {"SecurityProfile": str(profile), **options.pop("keys", {})}
    rig = Rig(keys=keys, **{**ALL, **options})
    rig.dialogue()
    return rig


def change(rig: Rig, value: object, key: str = "SecurityProfile") -> str:
    """Change a key; return the status."""
    answer = rig.ask("ChangeConfiguration", {"key": key, "value": str(value)})
    assert isinstance(answer, dict)
    return str(answer["status"])


def profile_told(rig: Rig) -> str:
    """Return what GetConfiguration says of the profile."""
    answer = rig.ask("GetConfiguration", {"key": ["SecurityProfile"]})
    assert isinstance(answer, dict)
    return str(answer["configurationKey"][0]["value"])


@pytest.mark.parametrize("present", range(4))
@pytest.mark.parametrize("wanted", ["-1", "0", "1", "+1", " 2 ", "3", "4", "x", ""])
def test_profile_only_rises(present: int, wanted: str) -> None:
    """Anything that is not higher is refused, as is what is no profile (A05)."""
    is_profile = wanted.strip(" +") in ("1", "2", "3")
    is_higher = is_profile and int(wanted) > present
    assert change(ready(present), wanted) == ("Accepted" if is_higher else "Rejected")


@pytest.mark.parametrize(
    ("wanted", "missing"),
    [
        (1, {"password": None}),
        (2, {"password": None}),
        (2, {"central_system_roots": []}),
        (3, {"central_system_roots": []}),
        (3, {"certificate": None}),
        (1, {"security_profiles": [0, 2, 3]}),
        (3, {"security_profiles": [0, 1, 2]}),
    ],
)
def test_profile_needs_what_it_shows(wanted: int, missing: dict[str, Any]) -> None:
    """1 and 2 a password, 2 and 3 a root, 3 a certificate, each an address."""
    rig = ready(0, **missing)
    assert change(rig, wanted) == "Rejected"
    assert profile_told(rig) == "0"
    assert not rig.credentials


def test_profile_3_needs_no_password() -> None:
    """The certificate stands for it."""
    assert change(ready(0, password=None), 3) == "Accepted"


@pytest.mark.parametrize(
    ("encoding", "password"),
    [("raw_from_hex", bytes.fromhex(NEW_KEY)), ("hex_text", NEW_KEY.encode())],
)
def test_key_becomes_the_password(encoding: str, password: bytes) -> None:
    """As its bytes, or as the text itself: both are met in the field."""
    rig = ready(password_encoding=encoding)
    assert change(rig, NEW_KEY, "AuthorizationKey") == "Accepted"
    assert rig.credentials[-1].password == password


@pytest.mark.parametrize(("profile", "reconnects"), [(0, False), (1, True), (2, True), (3, False)])
def test_key_matters_where_it_is_shown(profile: int, reconnects: bool) -> None:
    """Without Basic auth a new key is kept for later."""
    rig = ready(profile)
    assert change(rig, NEW_KEY, "AuthorizationKey") == "Accepted"
    assert rig.hangups == ([Hangup()] if reconnects else [])
    assert len(rig.credentials) == reconnects


def test_same_key_again_changes_nothing() -> None:
    """There is nothing to reconnect for."""
    rig = ready(keys={"AuthorizationKey": KEY})
    assert change(rig, KEY, "AuthorizationKey") == "Accepted"
    assert (rig.hangups, rig.credentials) == ([], [])


def test_answer_leaves_before_the_connection_ends() -> None:
    """The CSMS must know that the change was accepted."""
    rig = ready()
    change(rig, 2)
    assert rig.dialogue() == ["conf Accepted"]
    assert rig.hangups == [Hangup()]


def test_changes_may_wait_for_the_connection_to_end() -> None:
    """With reconnects_at_once false; what the next connection shows is told all the same."""
    rig = ready(reconnects_at_once=False)
    change(rig, 2)
    assert not rig.hangups
    assert rig.credentials[-1].security_profile == 2


def test_change_may_need_a_restart() -> None:
    """RebootRequired, and nothing is shown before the restart."""
    rig = ready(needs_reboot=["SecurityProfile"])
    assert change(rig, 2) == "RebootRequired"
    assert not rig.credentials
    rig.ask("Reset", {"type": "Hard"})
    assert rig.credentials[-1].security_profile == 2
    assert rig.hangups == [Hangup()]
    rig.reconnect_after_hangup()
    assert profile_told(rig) == "2"


def test_refused_profile_falls_back() -> None:
    """After three refusals in a row the old profile counts again (A05)."""
    rig = ready()
    change(rig, 2)
    rig.drop()
    for _ in range(2):
        rig.refuse("closed_port", None)
    assert len(rig.credentials) == 1
    rig.refuse("closed_port", None)
    assert rig.credentials[-1].security_profile == 1
    assert rig.credentials[-1].password == b"secret"
    rig.connect()
    assert profile_told(rig) == "1"
    assert any("back to the old ones" in notice for notice in rig.notices)
    assert change(rig, 2) == "Accepted"


def test_refused_key_falls_back() -> None:
    """The old password is shown again."""
    rig = ready(keys={"AuthorizationKey": KEY}, new_credential_tries=1)
    change(rig, NEW_KEY, "AuthorizationKey")
    rig.drop()
    rig.refuse()
    assert rig.credentials[-1].password == bytes.fromhex(KEY)
    rig.connect()
    rig.refuse()
    assert len(rig.credentials) == 2


def test_key_that_was_not_shown_has_not_failed() -> None:
    """A profile that is refused takes the key it was to use not with it."""
    rig = ready(0, new_credential_tries=1)
    change(rig, NEW_KEY, "AuthorizationKey")
    change(rig, 1)
    rig.drop()
    rig.refuse()
    assert rig.credentials[-1].security_profile == 0
    rig.connect()
    change(rig, 1)
    assert rig.credentials[-1].password == bytes.fromhex(NEW_KEY)


def test_refusals_of_proven_credentials_change_nothing() -> None:
    """A CSMS that is down, or forgot us, is no reason to show something else."""
    rig = ready(2)
    rig.drop()
    for _ in range(10):
        rig.refuse()
    assert not rig.credentials


def test_trial_is_over_with_a_connection() -> None:
    """Refusals after it do not count together with those before."""
    rig = ready()
    change(rig, 2)
    rig.drop()
    rig.refuse()
    rig.refuse()
    rig.connect()
    for _ in range(5):
        rig.refuse()
    assert len(rig.credentials) == 1
    assert rig.notices == []
    rig.connect()
    change(rig, 3)
    rig.drop()
    rig.refuse()
    rig.refuse()
    assert rig.credentials[-1].security_profile == 3
    rig.refuse()
    assert rig.credentials[-1].security_profile == 2  # what was proven last, not first


def test_fall_back_is_told_once() -> None:
    """When the old credentials are refused as well, there is nothing more to fall back on."""
    rig = ready()
    change(rig, 2)
    rig.drop()
    for _ in range(10):
        rig.refuse()
    assert len(rig.credentials) == 2
    assert len([notice for notice in rig.notices if "back to the old ones" in notice]) == 1


@pytest.mark.parametrize(
    ("kind", "status", "alert", "event"),
    [
        ("http", 401, "", "FailedToAuthenticateAtCentralSystem"),
        ("http", 403, "", "FailedToAuthenticateAtCentralSystem"),
        ("http", 404, "", ""),
        ("alert", None, "bad_certificate", "FailedToAuthenticateAtCentralSystem"),
        ("alert", None, "protocol_version", "InvalidTLSVersion"),
        ("alert", None, "handshake_failure", "InvalidTLSCipherSuite"),
        ("not_trusted", None, "", "InvalidCentralSystemCertificate"),
        ("closed_port", None, "", ""),
    ],
)
def test_refusals_are_security_events(
    kind: str, status: int | None, alert: str, event: str
) -> None:
    """What a refusal says of security is in the log, and told where it is a kind that is told."""
    rig = ready(0, pushes=["FailedToAuthenticateAtCentralSystem", "InvalidTLSVersion"])
    rig.drop()
    rig.refuse(kind, status, alert)
    rig.dialogue()
    rig.connect()
    now = rig.now.at
    log = list(rig.charge_point.security.events.lines(pki.BEGIN, now))[1:]
    assert [line.split()[1] for line in log] == ([event] if event else [])
    is_told = event in ("FailedToAuthenticateAtCentralSystem", "InvalidTLSVersion")
    assert rig.story() == ([f"Event {event}"] if is_told else [])


def test_secrets_are_not_in_representations() -> None:
    """What is shown at the door does not come into logs by accident."""
    rig = ready(3)
    change(rig, NEW_KEY, "AuthorizationKey")
    rig2 = ready(1)
    change(rig2, NEW_KEY, "AuthorizationKey")
    text = repr(rig2.credentials) + repr(CERTIFICATE)
    assert NEW_KEY not in text
    assert repr(bytes.fromhex(NEW_KEY)) not in text
    assert "private_key" not in text


def test_passive_charge_point_changes_nothing_by_itself() -> None:
    """It answers as the rules are, and its script connects as it likes."""
    rig = Rig(boots=False, **ALL)
    rig.charge_point.is_active = False
    rig.connect()
    assert [change(rig, 1), change(rig, 1), change(rig, 2)] == ["Accepted", "Rejected", "Accepted"]
    assert change(rig, NEW_KEY, "AuthorizationKey") == "Accepted"
    for _ in range(5):
        rig.refuse()
    assert (rig.credentials, rig.hangups, rig.story()) == ([], [], [])
    assert profile_told(rig) == "2"
