"""Certificates on their way to charge points: what happens when the wire or the program fails."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import Connection

from csms.domain import certificates as rules
from csms.domain.certificates import IssuedCertificate, IssuedState
from csms.ocppj.commands import CommandNotAllowed, Problem
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
from csms.operations import certificate_signing
from csms.operations.certificate_signing import (
    CertificateSignedEffect,
    CertificateSigning,
    NotIssued,
)
from csms.pki.authority import CertificateAuthority, SignatureForm
from csms.pki.certificates import read_chain
from csms.storage import charge_points, issued_certificates
from tests.csms.operations.rig import ACCEPTED, Rig
from tests.csms.pki import material

REJECTED = Answered({"status": "Rejected"})
LOST = Disconnected()


class Events:
    """The security events that were noted."""

    def __init__(self) -> None:
        self.noted: list[tuple[str | None, str, str]] = []

    def note(self, identity: str | None, type: str, detail: str, address: str | None) -> None:
        """Keep it."""
        self.noted.append((identity, type, detail))


class Office:
    """The part that signs, and a charge point that asks it."""

    def __init__(self, rig: Rig, directory: Path) -> None:
        self.rig = rig
        self.events = Events()
        self.authority = CertificateAuthority(directory, now=rig.now, signature=SignatureForm.ECDSA)
        rig.effects["CertificateSigned"] = CertificateSignedEffect(rig.store, rig.now)
        self.signing = self.anew()

    def anew(self) -> CertificateSigning:
        """The same after a restart."""
        return CertificateSigning(self.rig.store, self.authority, self.events, self.rig.now)

    async def ask(self, number: int = 0, identity: str = "CP1") -> bool:
        """Send a SignCertificate for one of many keys."""
        return await self.signing.request(
            identity, material.csr(material.ec_key(number), common_name=identity)
        )

    async def call(self, identity: str = "CP1") -> None:
        """Answer any CALL, and wait until what follows it is over."""
        self.signing.answered(identity)
        await self.idle()

    async def idle(self) -> None:
        """Wait until nothing is under way."""
        await asyncio.gather(*self.signing._under_way.values())

    async def shown(self) -> list[IssuedCertificate]:
        """What the table holds, oldest first."""
        page = partial(issued_certificates.page, identity="CP1")
        return (await self.rig.store.read(page))[::-1]

    async def states(self) -> list[IssuedState]:
        """Their states."""
        return [one.state for one in await self.shown()]


@pytest_asyncio.fixture
async def office(rig: Rig, tmp_path: Path) -> AsyncIterator[Office]:
    """An office that knows CP1 and CP2, and has begun."""
    office = Office(rig, tmp_path / "ca")
    for identity in ("CP1", "CP2"):
        register = partial(charge_points.register, identity=identity, at=rig.now())
        await rig.store.write(register)
    await office.signing.start(rig.commanding)
    yield office
    await office.signing.close()


@pytest.mark.parametrize(
    ("outcome", "state", "detail"),
    [
        (ACCEPTED, IssuedState.ACCEPTED, ""),
        (REJECTED, IssuedState.REJECTED, ""),
        (Refused("InternalError", "", {}), IssuedState.REJECTED, "CALLERROR InternalError"),
        (TimedOut(1.0), IssuedState.SENT, "no answer in time"),
        (Malformed("x"), IssuedState.SENT, "an answer that is none"),
        (Answered({"status": "Soon"}), IssuedState.SENT, "an answer that is none"),
    ],
)
async def test_answer_is_the_end(
    office: Office, outcome: CommandOutcome, state: IssuedState, detail: str
) -> None:
    """It reached the charge point: nothing is sent again by itself."""
    office.rig.wire.outcomes = [outcome]
    await office.ask()

    await office.call()
    await office.call()

    (shown,) = await office.shown()
    assert (shown.state, shown.detail) == (state, detail)
    assert len(office.rig.wire.sent) == 1


async def test_nothing_happens_before_the_answer(office: Office) -> None:
    """Accepted, written down; signed only when the answer is about to leave."""
    assert await office.ask()

    assert await office.states() == [IssuedState.REQUESTED]
    assert office.rig.wire.sent == []


@pytest.mark.parametrize(
    "outcome", [Offline(), QueueFull(), CommandNotAllowed((Problem("", "Rejected"),))]
)
async def test_what_was_not_sent_waits(
    office: Office, outcome: CommandOutcome | BaseException
) -> None:
    """For the next CALL, as often as need be; it does not count as a try."""
    office.rig.wire.outcomes = [outcome] * (rules.ATTEMPTS + 1)
    await office.ask()
    for _ in range(rules.ATTEMPTS + 1):
        await office.call()
    waiting = await office.shown()

    await office.call()

    assert [(one.state, one.attempts) for one in waiting] == [(IssuedState.SIGNED, 0)]
    assert await office.states() == [IssuedState.ACCEPTED]
    chains = {payload["certificateChain"] for _, payload in office.rig.wire.sent}
    assert len(chains) == 1


async def test_call_while_the_loss_is_noticed_counts(office: Office) -> None:
    """The charge point was back before its old connection was known to be dead."""
    office.rig.wire.outcomes = [LOST]

    async def meanwhile() -> None:
        office.rig.wire.meanwhile = None
        office.signing.answered("CP1")

    office.rig.wire.meanwhile = meanwhile
    await office.ask()
    await office.call()

    assert await office.states() == [IssuedState.ACCEPTED]


async def test_no_call_is_missed(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even one that is answered while it is looked whether something is due."""
    office.rig.wire.outcomes = [LOST]
    read = office.rig.store.read
    looks: list[object] = []

    async def read_slowly(operation: Any) -> Any:
        found = await read(operation)
        if operation.func is issued_certificates.next_due:
            looks.append(found)
            if len(looks) == 3:  # unsigned, signed, lost
                office.signing.answered("CP1")
        return found

    monkeypatch.setattr(office.rig.store, "read", read_slowly)
    await office.ask()
    await office.call()

    assert await office.states() == [IssuedState.ACCEPTED]


async def test_lost_connections_have_an_end(office: Office) -> None:
    """A charge point that falls over its certificate is not made to fall for ever."""
    office.rig.wire.outcomes = [LOST] * 10
    await office.ask()

    for _ in range(10):
        await office.call()

    assert len(office.rig.wire.sent) == rules.ATTEMPTS
    (shown,) = await office.shown()
    assert shown.state is IssuedState.SENT
    assert "connection ended" in shown.detail


async def test_repeating_the_request_begins_anew(office: Office) -> None:
    """The same certificate is sent again, since the charge point says that it lacks it."""
    office.rig.wire.outcomes = [TimedOut(1.0)]
    await office.ask()
    await office.call()

    assert await office.ask()
    await office.call()

    assert await office.states() == [IssuedState.ACCEPTED]
    first, second = (payload for _, payload in office.rig.wire.sent)
    assert first == second


async def test_repeated_request_while_waiting_is_one(office: Office) -> None:
    """Asked five times before anything could be sent: one record, one command."""
    for _ in range(5):
        assert await office.ask()

    await office.call()
    await office.call()

    assert await office.states() == [IssuedState.ACCEPTED]
    assert len(office.rig.wire.sent) == 1


async def test_repeated_request_while_under_way_is_one(office: Office) -> None:
    """The charge point is impatient; its answer comes all the same."""

    async def meanwhile() -> None:
        office.rig.wire.meanwhile = None
        assert await office.ask()
        office.signing.answered("CP1")

    office.rig.wire.meanwhile = meanwhile
    await office.ask()
    await office.call()
    await office.call()

    assert await office.states() == [IssuedState.ACCEPTED]
    assert len(office.rig.wire.sent) == 1


async def test_newer_request_takes_the_place(office: Office) -> None:
    """The charge point made a new key pair; the old certificate would be of no use."""
    office.rig.wire.outcomes = [Offline()]
    await office.ask(1)
    await office.call()
    await office.ask(2)
    await office.call()

    assert await office.states() == [IssuedState.SUPERSEDED, IssuedState.ACCEPTED]
    leaf = read_chain(office.rig.wire.sent[-1][1]["certificateChain"])[0]
    assert leaf.public_key() == material.ec_key(2).public_key()


async def test_request_that_comes_while_another_ends_is_not_lost(office: Office) -> None:
    """Both are carried out without another CALL."""

    async def meanwhile() -> None:
        office.rig.wire.meanwhile = None
        assert await office.ask(2)
        office.signing.answered("CP1")

    office.rig.wire.meanwhile = meanwhile
    await office.ask(1)
    await office.call()

    assert await office.states() == [IssuedState.ACCEPTED, IssuedState.ACCEPTED]


async def test_use_before_the_answer_counts(office: Office) -> None:
    """It reconnected with the new certificate without a word."""
    office.rig.wire.outcomes = [LOST]

    async def meanwhile() -> None:
        (shown,) = await office.shown()
        await office.rig.store.write(
            partial(issued_certificates.use, record_id=shown.record_id, at=office.rig.now())
        )

    office.rig.wire.meanwhile = meanwhile
    await office.ask()
    await office.call()
    await office.call()

    assert await office.states() == [IssuedState.IN_USE]
    assert len(office.rig.wire.sent) == 1


@pytest.mark.parametrize("is_sent", [False, True])
async def test_killed_program_keeps_its_promise(office: Office, is_sent: bool) -> None:
    """Between the answer and the command, or before its answer."""
    seen: list[set[str]] = []

    async def look() -> None:
        seen.append(await office.rig.after_kill(issued_certificates.due))

    await office.ask()
    if is_sent:
        office.rig.wire.meanwhile = look
        await office.call()
    else:
        await look()

    assert seen == [{"CP1"}]


async def test_restart_takes_up_what_is_open(office: Office) -> None:
    """Without another SignCertificate."""
    await office.ask()
    await office.signing.close()
    office.signing = office.anew()
    await office.signing.start(office.rig.commanding)

    await office.call()

    assert await office.states() == [IssuedState.ACCEPTED]


async def test_end_while_under_way_leaves_it_open(office: Office) -> None:
    """The next run sends it again."""
    reached = asyncio.Event()

    async def meanwhile() -> None:
        reached.set()
        await asyncio.Event().wait()

    office.rig.wire.meanwhile = meanwhile
    await office.ask()
    office.signing.answered("CP1")
    await reached.wait()
    await office.signing.close()

    assert await office.states() == [IssuedState.SENT]
    assert await office.rig.store.read(issued_certificates.due) == {"CP1"}


async def test_certificate_nobody_comes_for_is_given_up(office: Office) -> None:
    """After a week it is asked for anew."""
    await office.ask()
    office.rig.now.move(rules.KEPT_WAITING + timedelta(seconds=1))
    office.signing = office.anew()
    await office.signing.start(office.rig.commanding)

    await office.call()

    assert await office.states() == [IssuedState.FAILED]
    assert office.rig.wire.sent == []


async def test_flood_of_requests_is_refused(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many in an hour; then it goes on."""
    monkeypatch.setattr(issued_certificates, "REQUESTS_PER_HOUR", 3)
    taken = [await office.ask(number) for number in range(5)]
    office.rig.now.move(timedelta(hours=1))

    assert taken == [True, True, True, False, False]
    assert "in an hour" in office.events.noted[0][2]
    assert await office.ask(5)


async def test_queue_is_bounded(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits already may ask again; others are Rejected and have to come back."""
    monkeypatch.setattr(certificate_signing, "MAX_WAITING", 1)

    assert await office.ask(1)
    assert not await office.ask(2, identity="CP2")
    assert await office.ask(3)
    await office.call()
    assert await office.ask(2, identity="CP2")
    assert [one[:2] for one in office.events.noted] == [("CP2", "RefusedCertificateRequest")]


async def test_unknown_charge_point_gets_nothing(office: Office) -> None:
    """Removed while it was connected."""
    assert not await office.ask(identity="CP9")


async def test_charge_point_removed_meanwhile_is_forgotten(office: Office) -> None:
    """Nothing is signed for nobody."""
    await office.ask()
    await office.rig.store.write(partial(charge_points.remove, identity="CP1"))

    await office.call()

    assert office.rig.wire.sent == []
    assert office.signing._waiting == set()


async def test_lost_keys_fail_it_with_an_event(office: Office, tmp_path: Path) -> None:
    """The operator hears of it; the charge point may ask again."""
    office.authority.prepare()
    await office.ask()
    (tmp_path / "ca" / "ec-root.key").unlink()
    office.authority._signers.clear()

    await office.call()

    (shown,) = await office.shown()
    assert shown.state is IssuedState.FAILED
    assert "ec-root.key" in shown.detail
    assert [one[1] for one in office.events.noted] == ["CertificateSigningFailed"]


async def test_key_of_a_revoked_certificate_is_refused(office: Office) -> None:
    """Whatever was the reason, it was about the key."""
    await office.ask(1)
    (shown,) = await office.shown()

    def revoke(connection: Connection) -> None:
        issued_certificates.revoke(
            connection, "CP1", shown.record_id, reason="", at=office.rig.now()
        )

    await office.rig.store.write(revoke)
    await office.call()

    assert office.rig.wire.sent == []
    with pytest.raises(NotIssued, match="revoked"):
        await office.signing.issue("CP1", material.csr(material.ec_key(1)))


async def test_operators_certificates_are_not_sent(office: Office) -> None:
    """Each is one of its own, and none is due."""
    csr = material.csr(material.ec_key(1))
    made = [await office.signing.issue("CP1", csr) for _ in range(2)]

    await office.call()

    assert [one.state for one in made] == [IssuedState.SIGNED] * 2
    assert made[0].facts != made[1].facts
    assert office.rig.wire.sent == []
