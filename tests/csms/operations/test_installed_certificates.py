"""Commands about root certificates: what their answers, or none, make true (CS-SEC-11, -12)."""

import asyncio
from functools import partial
from typing import Any

import pytest

from csms.domain.certificates import HashAlgorithm, InstalledCertificate, InstalledState
from csms.ocppj.commands import InvalidCommand
from csms.ocppj.outcomes import (
    Answered,
    CommandOutcome,
    Disconnected,
    Malformed,
    Offline,
    QueueFull,
    Refused,
    TimedOut,
)
from csms.operations.installed_certificates import (
    DeleteCertificateEffect,
    GetInstalledCertificateIdsEffect,
    InstallCertificateEffect,
    install,
    remove,
)
from csms.operations.locks import Locks
from csms.pki.certificates import BadCertificate, hash_data
from csms.storage import installed_certificates
from tests.csms.operations.rig import ACCEPTED, Rig
from tests.csms.pki import material

KIND = {"certificateType": "CentralSystemRootCertificate"}
ROOT = material.root("Root")
NAME = hash_data(ROOT, ROOT, HashAlgorithm.SHA384)
WRITTEN = {
    "hashAlgorithm": "SHA384",
    "issuerNameHash": NAME.issuer_name_hash,
    "issuerKeyHash": NAME.issuer_key_hash,
    "serialNumber": NAME.serial_number,
}


@pytest.fixture(autouse=True)
def _effects(rig: Rig) -> None:
    locks = Locks()
    rig.effects |= {
        "InstallCertificate": InstallCertificateEffect(rig.store, locks, rig.now),
        "GetInstalledCertificateIds": GetInstalledCertificateIdsEffect(rig.store, locks, rig.now),
        "DeleteCertificate": DeleteCertificateEffect(rig.store, locks, rig.now),
    }


async def _shown(rig: Rig) -> list[InstalledCertificate]:
    return await rig.store.read(partial(installed_certificates.page, identity="CP1"))


async def _states(rig: Rig) -> list[InstalledState]:
    return [one.state for one in await _shown(rig)]


async def _install(rig: Rig) -> None:
    await rig.send("InstallCertificate", {**KIND, "certificate": material.pem(ROOT)})


async def _report(rig: Rig, payload: dict[str, Any]) -> None:
    rig.wire.outcomes = [Answered(payload)]
    await rig.send("GetInstalledCertificateIds", KIND)


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (ACCEPTED, InstalledState.INSTALLED),
        (Answered({"status": "Rejected"}), InstalledState.REJECTED),
        (Answered({"status": "Failed"}), InstalledState.FAILED),
        (Refused("NotSupported", "", {}), InstalledState.REFUSED),
        (Answered({"status": "Perhaps"}), InstalledState.UNKNOWN),
        (Answered({"status": ["Accepted"]}), InstalledState.UNKNOWN),
        (Answered({}), InstalledState.UNKNOWN),
        (Malformed("x"), InstalledState.UNKNOWN),
        (TimedOut(1.0), InstalledState.UNKNOWN),
        (Disconnected(), InstalledState.UNKNOWN),
    ],
)
async def test_answer_decides(rig: Rig, outcome: CommandOutcome, state: InstalledState) -> None:
    """Where none came, nobody knows."""
    rig.wire.outcomes = [outcome]

    await _install(rig)

    assert await _states(rig) == [state]


@pytest.mark.parametrize("outcome", [Offline(), QueueFull()])
async def test_what_was_not_sent_is_not_kept(rig: Rig, outcome: CommandOutcome) -> None:
    """No trace of what never happened."""
    rig.wire.outcomes = [outcome]

    sent, installed = await install(
        rig.commanding, rig.store, "CP1", certificate_type=KIND["certificateType"],
        pem=material.pem(ROOT),
    )  # fmt: skip

    assert sent == outcome
    assert installed is None
    assert await _shown(rig) == []


async def test_forbidden_order_is_not_kept(rig: Rig) -> None:
    """The schema does not know this type; nothing is sent."""
    for action, payload in (
        ("InstallCertificate", {"certificateType": "Other", "certificate": "x"}),
        ("GetInstalledCertificateIds", {}),
        ("DeleteCertificate", {"certificateHashData": {}}),
    ):
        with pytest.raises(InvalidCommand):
            await rig.send(action, payload)

    assert await _shown(rig) == []
    assert rig.wire.sent == []


async def test_kill_while_under_way_is_unknown(rig: Rig) -> None:
    """It was written down before it left."""
    seen: list[list[InstalledState]] = []

    async def look() -> None:
        page = partial(installed_certificates.page, identity="CP1")
        seen.append([one.state for one in await rig.after_kill(page)])

    rig.wire.meanwhile = look
    await _install(rig)

    assert seen == [[InstalledState.UNKNOWN]]


async def test_list_does_not_overtake_an_installation(rig: Rig) -> None:
    """A list from before would say that the root is not there."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def meanwhile() -> None:
        begun.set()
        await go_on.wait()

    rig.wire.meanwhile = meanwhile
    rig.wire.outcomes = [ACCEPTED, Answered({"status": "NotFound"})]
    installing = asyncio.create_task(_install(rig))
    await begun.wait()
    listing = asyncio.create_task(rig.send("GetInstalledCertificateIds", KIND))
    for _ in range(10):
        await asyncio.sleep(0)
    sent_meanwhile = [action for action, _ in rig.wire.sent]
    go_on.set()
    await asyncio.gather(installing, listing)

    assert sent_meanwhile == ["InstallCertificate"]
    assert await _states(rig) == [InstalledState.GONE]


@pytest.mark.parametrize(
    ("payload", "is_gone"),
    [
        ({"status": "NotFound"}, True),
        ({"status": "Accepted"}, True),
        ({"status": "Accepted", "certificateHashData": []}, True),
        ({"status": "Accepted", "certificateHashData": [WRITTEN]}, False),
        ({"status": "Accepted", "certificateHashData": "x"}, False),
        ({"status": "Perhaps", "certificateHashData": []}, False),
        ({}, False),
    ],
)
async def test_list_tells_what_is_there(rig: Rig, payload: dict[str, Any], is_gone: bool) -> None:
    """Nonsense tells nothing; nothing in an accepted list is an empty list."""
    await _install(rig)

    await _report(rig, payload)

    assert await _states(rig) == [InstalledState.GONE if is_gone else InstalledState.INSTALLED]


async def test_nonsense_in_a_list_hides_no_other(rig: Rig) -> None:
    """One entry is unreadable, the other is the root."""
    await _install(rig)

    await _report(rig, {"status": "Accepted", "certificateHashData": [{"a": 1}, 7, WRITTEN]})

    (shown,) = await _shown(rig)
    assert shown.reported == NAME


@pytest.mark.parametrize(
    ("outcome", "state", "deletion"),
    [
        (ACCEPTED, InstalledState.GONE, "Accepted"),
        (Answered({"status": "NotFound"}), InstalledState.GONE, "NotFound"),
        (Answered({"status": "Failed"}), InstalledState.INSTALLED, "Failed"),
        (Answered({"status": "Perhaps"}), InstalledState.INSTALLED, None),
        (Refused("NotSupported", "", {}), InstalledState.INSTALLED, None),
        (TimedOut(1.0), InstalledState.INSTALLED, None),
    ],
)
async def test_deletion_is_what_the_charge_point_says(
    rig: Rig, outcome: CommandOutcome, state: InstalledState, deletion: str | None
) -> None:
    """By the hash data that it reported, to the letter (CS-SEC-12)."""
    await _install(rig)
    await _report(rig, {"status": "Accepted", "certificateHashData": [WRITTEN]})
    rig.wire.outcomes = [outcome]

    await remove(rig.commanding, (await _shown(rig))[0])

    (shown,) = await _shown(rig)
    assert (shown.state, shown.deletion) == (state, deletion)
    assert rig.wire.sent[-1] == ("DeleteCertificate", {"certificateHashData": WRITTEN})


async def test_certificate_nobody_can_name_is_not_deleted(rig: Rig) -> None:
    """One that is not its own issuer, before it was reported."""
    leaf = material.certificate(material.name("Sub"), issuer=ROOT, issuer_key=material.ec_key())
    await rig.send("InstallCertificate", {**KIND, "certificate": material.pem(leaf)})

    with pytest.raises(LookupError, match="list what the charge point holds"):
        await remove(rig.commanding, (await _shown(rig))[0])
    assert len(rig.wire.sent) == 1


async def test_only_a_certificate_is_installed(rig: Rig) -> None:
    """An operator's mistake costs no message."""
    with pytest.raises(BadCertificate):
        await install(
            rig.commanding, rig.store, "CP1", certificate_type=KIND["certificateType"], pem="x"
        )

    assert rig.wire.sent == []
