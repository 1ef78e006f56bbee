"""Certificates for charge points: from their request to their answer (CS-SEC-08).

A SignCertificate is answered at once, Accepted or Rejected. What was accepted is in the database
before the answer leaves; signing and CertificateSigned follow by themselves, also after a restart,
and only after a CALL of the charge point was answered: so it is there, booted and listening.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from typing import Final, Protocol, TypeVar

from sqlalchemy import Connection

from csms.domain.certificates import (
    KEPT_WAITING,
    MAX_CHAIN,
    IssuedCertificate,
    IssuedState,
    Origin,
    Wish,
    name_problem,
    own_names,
)
from csms.domain.model import ChargePoint
from csms.domain.numbers import whole_number
from csms.ocppj.commands import InvalidCommand
from csms.ocppj.outcomes import Answered, CommandOutcome, Disconnected, Refused, TimedOut
from csms.operations.commanding import Commanding, Order, Send
from csms.operations.recording import send_recorded
from csms.pki.authority import CertificateAuthority, Issued
from csms.pki.certificates import BadCertificate, common_name, facts, read_chain, write_chain
from csms.pki.key_files import PkiError
from csms.pki.requests import RefusedRequest, SigningRequest, read_request
from csms.storage import capabilities, charge_points, issued_certificates
from csms.storage.errors import StorageError
from csms.storage.store import Store

MAX_WAITING: Final = 10_000  # charge points that wait for a certificate

REFUSED: Final = "RefusedCertificateRequest"  # security events of ours
FAILED: Final = "CertificateSigningFailed"

T = TypeVar("T")

_logger: Final = logging.getLogger(__name__)


class SecurityEvents(Protocol):
    """Takes what an operator should know of."""

    def note(self, identity: str | None, type: str, detail: str, address: str | None) -> None:
        """Write an event down, soon; never waits and never fails."""


class NotIssued(Exception):
    """A certificate is not signed; the message says why."""


class CertificateSigning:
    """Takes requests, has them signed off the event loop, and brings certificates to their owners.

    Args:
        checks_names: whether a request must bear the charge point's own names.
        organisation: what it must name as organisation then; None for any.
    """

    def __init__(
        self,
        store: Store,
        authority: CertificateAuthority,
        events: SecurityEvents,
        now: Callable[[], datetime],
        *,
        checks_names: bool = True,
        organisation: str | None = None,
    ) -> None:
        self._store = store
        self._authority = authority
        self._events = events
        self._now = now
        self._checks_names = checks_names
        self._organisation = organisation
        self._commanding: Commanding | None = None
        self._waiting: set[str] = set()
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._called: set[str] = set()  # who was answered while something was under way
        # One thread: signing takes a core, and must not take the one of the event loop.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="csms-signer")

    async def start(self, commanding: Commanding) -> None:
        """Begin to bring certificates; what an earlier run left open is taken up.

        Raises:
            StorageError: the database cannot be used.
        """
        at = self._now()

        def open_ones(connection: Connection) -> set[str]:
            issued_certificates.give_up(connection, before=at - KEPT_WAITING, at=at)
            return issued_certificates.due(connection)

        self._waiting |= await self._store.write(open_ones)
        self._commanding = commanding

    async def close(self) -> None:
        """Stop; what is open stays in the database."""
        self._commanding = None
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._thread.shutdown(wait=False, cancel_futures=True)

    # --- the charge point asks ---------------------------------------------------------------

    async def request(self, identity: str, csr: str) -> bool:
        """Take a SignCertificate; False where it is to be answered Rejected.

        Raises:
            StorageError: it could not be written down.
        """
        if len(self._waiting) >= MAX_WAITING and identity not in self._waiting:
            self._refuse(identity, "too many charge points wait for a certificate")
            return False
        try:
            await self._take(identity, csr, Origin.REQUEST)
        except NotIssued as error:
            self._refuse(identity, str(error))
            return False
        except PkiError as error:
            _logger.error("%s: no certificate can be signed: %s", identity, error)
            self._events.note(identity, FAILED, str(error), None)
            return False
        self._waiting.add(identity)
        return True

    def answered(self, identity: str) -> None:
        """A CALL of this charge point is about to be answered: what waits for it may follow."""
        if identity in self._under_way:
            self._called.add(identity)
        elif identity in self._waiting and self._commanding is not None:
            self._under_way[identity] = asyncio.create_task(self._bring(identity, self._commanding))

    async def issue(self, identity: str, csr: str) -> IssuedCertificate:
        """Sign a request for an operator, who brings the certificate to the charge point.

        Raises:
            NotIssued: the request must not be signed.
            PkiError: no certificate can be signed.
            StorageError: it could not be written down.
        """
        record_id, request = await self._take(identity, csr, Origin.API)
        await self._sign(record_id, request)
        found = await self._store.read(
            partial(issued_certificates.get, identity=identity, record_id=record_id)
        )
        if found is None:
            raise NotIssued("the charge point was removed meanwhile")
        return found

    async def _take(self, identity: str, csr: str, origin: Origin) -> tuple[int, SigningRequest]:
        """Write a good request down.

        Raises:
            NotIssued: it is none.
            PkiError: no certificate can be signed.
        """
        try:
            request = await asyncio.to_thread(read_request, csr)
        except RefusedRequest as error:
            raise NotIssued(str(error)) from None
        await asyncio.to_thread(self._authority.roots)
        taken = await self._store.write(
            partial(self._write, identity=identity, request=request, origin=origin, at=self._now())
        )
        if isinstance(taken, str):
            raise NotIssued(taken)
        return taken, request

    def _write(
        self,
        connection: Connection,
        *,
        identity: str,
        request: SigningRequest,
        origin: Origin,
        at: datetime,
    ) -> int | str:
        charge_point = charge_points.get(connection, identity)
        if charge_point is None:
            return "the charge point is not known any more"
        wish = Wish(
            origin=origin,
            common_name=request.common_name,
            request=request.pem,
            digest=request.digest,
            key_digest=request.key_digest,
            is_proven=origin is Origin.API or charge_point.security_profile > 0,
        )
        return self._wrong_name(charge_point, request) or issued_certificates.request(
            connection, identity, wish=wish, at=at
        )

    def _wrong_name(self, charge_point: ChargePoint, request: SigningRequest) -> str | None:
        if not self._checks_names:
            return None
        return name_problem(
            common_name=request.common_name,
            organisations=request.organisations,
            names=own_names(charge_point, charge_point.certificate_name),
            organisation=self._organisation,
        )

    def _refuse(self, identity: str, reason: str) -> None:
        _logger.warning("%s: its certificate request is refused: %s", identity, reason)
        self._events.note(identity, REFUSED, reason, None)

    # --- the certificate goes ----------------------------------------------------------------

    async def _bring(self, identity: str, commanding: Commanding) -> None:
        """Sign and send what a charge point waits for; what cannot be sent now stays."""
        tried: int | None = None
        try:
            while identity in self._waiting:
                self._waiting.discard(identity)  # before looking: a request may come meanwhile
                issued = await self._store.read(
                    partial(issued_certificates.next_due, identity=identity)
                )
                if issued is None:
                    continue
                self._waiting.add(identity)
                # Still due: not now, unless it is back already on another connection.
                if issued.record_id == tried and identity not in self._called:
                    return
                self._called.discard(identity)
                if await self._bring_one(issued, commanding):
                    tried = issued.record_id
        except StorageError as error:
            self._waiting.add(identity)
            _logger.error("%s: its certificate waits: %s", identity, error)
        except Exception:
            self._waiting.add(identity)
            _logger.exception("%s: its certificate waits", identity)
        finally:
            del self._under_way[identity]
            self._called.discard(identity)

    async def _bring_one(self, issued: IssuedCertificate, commanding: Commanding) -> bool:
        """Bring one certificate a step further; say whether that was sending it."""
        if issued.state is IssuedState.REQUESTED:
            try:
                request = await asyncio.to_thread(read_request, issued.request)
                await self._sign(issued.record_id, request)
            except (PkiError, ValueError) as error:  # a name that no certificate takes, say
                await self._fail(issued, str(error))
            return False
        chain = await self._fitting(issued)
        if chain is None:
            await self._fail(issued, "it is longer than CertificateSignedMaxChainSize")
            return False
        try:
            await commanding.send(issued.identity, "CertificateSigned", {"certificateChain": chain})
        except InvalidCommand as error:
            _logger.info("%s: its certificate waits: %s", issued.identity, error)
        return True

    async def _sign(self, record_id: int, request: SigningRequest) -> None:
        def sign() -> Issued:
            return self._authority.issue(request)

        signed = await self._in_thread(sign)
        await self._store.write(
            partial(
                issued_certificates.sign,
                record_id=record_id,
                facts=facts(signed.leaf),
                chain=signed.chain,
                at=self._now(),
            )
        )

    async def _fitting(self, issued: IssuedCertificate) -> str | None:
        """Return the chain, or the leaf alone where the charge point takes no more; else None."""
        told = await self._store.read(partial(capabilities.get, identity=issued.identity))
        reported = whole_number(told.get("CertificateSignedMaxChainSize", ""))
        limit = min(MAX_CHAIN, reported) if reported is not None and reported > 0 else MAX_CHAIN
        chain = issued.chain or ""
        if len(chain) > limit:
            chain = write_chain(read_chain(chain)[:1])
        return chain if len(chain) <= limit else None

    async def _fail(self, issued: IssuedCertificate, reason: str) -> None:
        _logger.error("%s: no certificate: %s", issued.identity, reason)
        self._events.note(issued.identity, FAILED, reason, None)
        await self._store.write(
            partial(
                issued_certificates.fail,
                record_id=issued.record_id,
                detail=reason,
                at=self._now(),
            )
        )

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


class CertificateSignedEffect:
    """What a CertificateSigned makes true of a certificate, whoever signed and sent it."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now

    async def carry_out(self, order: Order, send: Send) -> CommandOutcome:
        """Write it down, send it, settle it; a chain nobody can read is sent as it is."""
        try:
            chain = str(order.payload.get("certificateChain", ""))
            leaf = (await asyncio.to_thread(read_chain, chain))[0]
        except BadCertificate:
            return await send()
        record_id = await self._store.write(
            partial(
                issued_certificates.begin,
                identity=order.identity,
                facts=facts(leaf),
                common_name=common_name(leaf.subject) or "",
                chain=chain,
                at=self._now(),
            )
        )
        order.on_recorded(record_id)

        async def withdraw() -> None:
            await self._store.write(
                partial(issued_certificates.withdraw, record_id=record_id, at=self._now())
            )

        async def settle(outcome: CommandOutcome | None) -> None:
            state, detail, is_final = _end(outcome)
            await self._store.write(
                partial(
                    issued_certificates.settle,
                    record_id=record_id,
                    state=state,
                    detail=detail,
                    is_final=is_final,
                    at=self._now(),
                )
            )

        return await send_recorded(send, withdraw=withdraw, settle=settle)


def _end(outcome: CommandOutcome | None) -> tuple[IssuedState, str, bool]:
    """Return the state after an outcome, what to say about it, and whether that is the end."""
    match outcome:
        case Answered({"status": "Accepted"}):
            return IssuedState.ACCEPTED, "", True
        case Answered({"status": "Rejected"}):
            return IssuedState.REJECTED, "", True
        case Refused(code):
            return IssuedState.REJECTED, f"CALLERROR {code}", True
        case TimedOut():
            return IssuedState.SENT, "no answer in time", True
        case None | Disconnected():
            return IssuedState.SENT, "the connection ended before the answer", False
    return IssuedState.SENT, "an answer that is none", True
