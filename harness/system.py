"""The system under test while a run lasts: started, reached, provisioned, cleaned of leftovers.

Everything that is needed once for a run, before its first case and after its last one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Final
from urllib.parse import urlsplit

from harness.access import WITH_CERTIFICATE, WITH_PASSWORD, NoCertificate, Offer
from harness.attendant import Attendant
from harness.cleanup import stop_leftover
from harness.drivers.driver import Credentials, Driver, DriverError, NoDriver, ProvisioningError
from harness.drivers.kinds import make_driver
from harness.evidence import DEFAULT_BUDGET
from harness.guards import NotOurs, guard
from harness.leftovers import Journal, Ledger
from harness.masking import Masker
from harness.operator.spec import OperatorSpec
from harness.pacing import Pace
from harness.pki import Kind
from harness.process import StartError, SutProcess
from harness.results import Finding, Severity
from harness.sut import SystemUnderTest
from harness.wire import Wire
from simulator.charge_point import ChargePoint
from simulator.client import Call, Endpoint, Station
from simulator.outputs import Credential
from simulator.trace import Event

_REACH_TIMEOUT_S: Final = 5.0
_LEFTOVER_ANSWER_S: Final = 5.0
# A driver that waits for the charge point's answer has to outlast the wait for the request.
_DRIVER_EXTRA_S: Final = 5.0


class EngineError(Exception):
    """The run cannot begin; the message names cause and remedy."""


class System:
    """One system under test, from its start to its end.

    Attributes:
        masker: takes its secrets out of any text.
        driver: makes it act; there once the run began.
        process: the program, where it is started by us.
        death: done when that program ended by itself.
        trust_anchors: PEM of whom charge points trust; None: this machine's own.
        findings: what was found about the system itself.
    """

    def __init__(
        self,
        sut: SystemUnderTest,
        *,
        identities: Sequence[Credentials],
        id_tags: Mapping[str, Sequence[str]],
        action_timeout_s: float,
        leftovers: Path | None,
        is_first: bool,
        on_death: Callable[[SutProcess, str], None],
        pace: Pace,
        may_test_public: bool,
        attendant: Attendant | None = None,
    ) -> None:
        """Prepare; nothing is started yet.

        Args:
            identities, id_tags: what has to be provisioned.
            leftovers: the journal of open transactions; None keeps none.
            is_first: of several workers, the one that speaks for all.
            on_death: told when the program ended by itself, and how.
            pace: lets the messages of all charge points go.
            may_test_public: the system need be neither here nor private.
        """
        self.masker = _masker_of(sut)
        self.driver: Driver = NoDriver()
        self.process: SutProcess | None = None
        self.death: asyncio.Task[None] | None = None
        self.findings: list[Finding] = []
        self._sut = sut
        self._identities = identities
        self._id_tags = id_tags
        self._action_timeout_s = action_timeout_s
        self._attendant = attendant
        self._journal = Journal(leftovers, sut.ocpp_url) if leftovers else None
        self.trust_anchors: str | None = None
        self._is_first = is_first
        self._on_death = on_death
        self._pace = pace
        self._may_test_public = may_test_public
        self._exits = AsyncExitStack()

    async def __aenter__(self) -> System:
        """Start the system, register what the run needs, end what a dead run left.

        Raises:
            EngineError: any of it cannot be done.
        """
        try:
            await self._guard()
            await self._make_pki()
            await asyncio.gather(self._start(), self._make_keys())
            await self._reach()
            await self._provision()
            await self._end_leftovers()
        except EngineError as error:
            await self._close()
            raise EngineError(self.masker.mask(str(error))) from None
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the driver and the program."""
        await self._close()

    def station(
        self,
        credentials: Credentials,
        record: Callable[[Event], None],
        on_call: Callable[[Call], bool] | None = None,
        *,
        keys: Mapping[str, str] | None = None,
        is_active: bool = False,
    ) -> Station:
        """Return a charge point that is not connected yet.

        Args:
            keys: configuration it starts with.
            is_active: its model speaks by itself.
        """
        spec, access = self._sut.station, self._sut.access
        endpoint = self._endpoint(credentials, credentials.security_profile)
        offer = endpoint.tls
        charge_point = ChargePoint(
            credentials.identity,
            connectors=spec.connectors,
            vendor=spec.vendor,
            model=spec.model,
            serial_number=credentials.serial_number or spec.serial_number,
            firmware_version=spec.firmware_version,
            keys={
                "SecurityProfile": str(credentials.security_profile),
                "CpoName": credentials.organization,
                **(keys or {}),
            },
            milliseconds=self._sut.milliseconds,
            password=credentials.password,
            password_encoding=access.password_encoding.value,
            certificate=(
                Credential(
                    chain_pem=offer.certificate_chain_pem, private_key_pem=offer.private_key_pem
                )
                if offer is not None and offer.certificate_chain_pem
                else None
            ),
            central_system_roots=(self.trust_anchors,) if self.trust_anchors else (),
            security_profiles=frozenset(access.endpoints),
        )
        return Station(
            charge_point,
            endpoint,
            record=record,
            on_call=on_call,
            is_active=is_active,
            open_timeout_s=self._sut.budgets[DEFAULT_BUDGET].limit_s,
            pace=self._pace.turn,
            endpoints={
                profile: self._endpoint(credentials, profile)
                for profile in access.endpoints
                if profile not in (credentials.security_profile, WITH_CERTIFICATE)
            },
        )

    def _endpoint(self, credentials: Credentials, profile: int) -> Endpoint:
        """Return where an identity connects on a profile before any step says otherwise."""
        access = self._sut.access
        url = access.endpoints.get(profile, self._sut.ocpp_url)
        certificate = None
        with suppress(NoCertificate):  # a case that needs it says so
            if profile == WITH_CERTIFICATE:
                certificate = access.client_certificate(
                    Kind.OWN,
                    identity=credentials.identity,
                    common_name=credentials.serial_number or credentials.identity,
                    organization=credentials.organization,
                )
        return Offer(
            url=url,
            identity=credentials.identity,
            password=credentials.password if profile in WITH_PASSWORD else None,
            certificate=certificate,
            trust_anchors=self.trust_anchors,
            server_name=access.server_name,
        ).endpoint()

    async def restore(self, credentials: Credentials) -> str:
        """Register an identity anew; return why it could not be, or ""."""
        try:
            if await self.driver.restore(credentials):
                return ""
        except ProvisioningError as error:
            return self.masker.mask(str(error))
        return "nothing registers identities here (driver.provision.identities)"

    def remarks(self) -> list[Finding]:
        """Return what the driver noticed that belongs to no command."""
        return [
            Finding("driver.callback", Severity.WARNING, remark) for remark in self.driver.remarks()
        ]

    def note_open(self, identity: str, ledger: Ledger) -> None:
        """Write down which transactions of a charge point are open now."""
        if self._journal is not None:
            self._journal.sync(identity, ledger.open.values())

    def log_offset(self) -> int:
        """Return where the program's log ends now; 0 where it is not ours to start."""
        return self.process.log_offset() if self.process is not None else 0

    async def _guard(self) -> None:
        if self._may_test_public:
            return
        try:
            await guard(self._sut)
        except NotOurs as error:
            raise EngineError(str(error)) from error

    async def _make_pki(self) -> None:
        """Write what the program reads of the run's PKI; read whom charge points trust."""
        access = self._sut.access
        try:
            if self._sut.pki_files:
                self._exits.callback(access.pki.remove)
                await asyncio.to_thread(access.pki.write, self._sut.pki_files)
            self.trust_anchors = access.read_trust_anchors()
        except (OSError, UnicodeDecodeError) as error:
            raise EngineError(f"{self._sut.path}: {error}; see `tls` in it") from error

    async def _make_keys(self) -> None:
        """Make what cases will ask for, while the program starts and the processor has time."""
        if self._sut.start is not None and self._sut.pki_files:
            await asyncio.to_thread(self._sut.access.pki.variables)

    async def _start(self) -> None:
        if self._sut.start is None:
            return
        self.process = SutProcess(self._sut.start)
        self._exits.push_async_callback(self._stop_process, self.process, self._sut.start.log)
        try:
            await self.process.start()
        except StartError as error:
            raise EngineError(str(error)) from error
        self.death = asyncio.create_task(self._watch(self.process), name="program under test")
        self._exits.push_async_callback(_end, self.death)

    async def _watch(self, process: SutProcess) -> None:
        code = await process.wait_died()
        said = f"exit code {code}" if code >= 0 else f"signal {-code}"
        self._on_death(process, said)

    async def _stop_process(self, process: SutProcess, log: Path) -> None:
        await process.stop()
        _mask_file(log, self.masker)

    async def _reach(self) -> None:
        """See that something listens at all, before every case fails for want of it."""
        url = urlsplit(self._sut.ocpp_url)
        port = url.port or (443 if url.scheme == "wss" else 80)
        try:
            async with asyncio.timeout(_REACH_TIMEOUT_S):
                _, writer = await asyncio.open_connection(url.hostname, port)
        except (OSError, TimeoutError) as error:
            reason = f"no answer within {_REACH_TIMEOUT_S:g} s"
            if isinstance(error, OSError) and not isinstance(error, TimeoutError):
                reason = error.strerror or str(error)
            raise EngineError(
                f"the Central System cannot be reached at {self._sut.ocpp_url}: {reason}; "
                "is it running, and is `ocpp_url` right?"
            ) from error
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    async def _provision(self) -> None:
        spec, inner = self._sut.driver, None
        if spec is None and self._attendant is None:
            return
        timeout_s = self._action_timeout_s + _DRIVER_EXTRA_S
        try:
            if spec is not None and not (self._attendant and isinstance(spec, OperatorSpec)):
                inner = make_driver(spec, timeout_s=timeout_s, masker=self.masker)
            if self._attendant is not None:
                self.driver = self._attendant.driver(inner)
            elif inner is not None:
                self.driver = inner
            self._exits.push_async_callback(self.driver.close)
            await self.driver.prepare(self._identities, self._id_tags)
        except (DriverError, ProvisioningError) as error:
            raise EngineError(str(error)) from error

    async def _end_leftovers(self) -> None:
        """Stop first what a killed run left open."""
        if self._journal is None:
            return
        mine = {one.identity: one for one in self._identities}
        others = {one.identity for one in self._sut.identities} - mine.keys()
        for transaction in self._journal.leftovers():
            what = f"transaction {transaction.transaction_id} of {transaction.identity}"
            credentials = mine.get(transaction.identity)
            if credentials is not None:
                reason = await stop_leftover(
                    self.station(credentials, Wire().record),
                    transaction,
                    milliseconds=self._sut.milliseconds,
                    answer_timeout_s=_LEFTOVER_ANSWER_S,
                )
            elif transaction.identity in others or not self._is_first:
                continue  # another worker's business
            else:
                reason = "the identity is not in the system-under-test file any more"
            if reason:
                message = f"An earlier run left {what} open, and it could not be stopped: {reason}."
            else:
                message = f"An earlier run had left {what} open; it was stopped."
                self._journal.stopped(transaction)
            self.findings.append(Finding("leftover.transaction", Severity.WARNING, message))
        if self._is_first:
            self._journal.compact()

    async def _close(self) -> None:
        await self._exits.aclose()
        if self._journal is not None and self._is_first:
            self._journal.compact()


def _masker_of(sut: SystemUnderTest) -> Masker:
    masker = Masker()
    for secret in sut.sensitive:
        masker.add(secret)
    for credentials in sut.identities:
        if credentials.password is not None:
            masker.add_credentials(credentials.identity, credentials.password)
    for name, value in sut.variables.items():
        if "password" in name and isinstance(value, str):
            masker.add_key(value)  # such as `new_password`, where the file sets it
    masker.mask("")  # takes its time once, now, instead of while answers are measured
    return masker


def _mask_file(path: Path, masker: Masker) -> None:
    """Take the secrets out of a log that another program wrote."""
    with suppress(OSError):
        text = path.read_text(encoding="utf-8", errors="replace")
        masked = masker.mask(text)
        if masked != text:
            path.write_text(masked, encoding="utf-8")


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
