"""The charge point's own certificate: asked for, signed elsewhere, taken into use.

Spec: OCPP 1.6 security white paper ed. 3, A02, A03, §6.2 and §6.27. The key pair is made by the
shell, because that is slow and needs chance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from simulator.access import Access
from simulator.certificate_store import CertificateStore, CertificateType
from simulator.certificates import (
    BadCertificate,
    PublicKey,
    check_own,
    public_key,
    read_chain,
    read_csr_key,
)
from simulator.clock import Moment
from simulator.frames import CallResult
from simulator.outputs import Credential, CsrEnd, KeyType, MakeCsr
from simulator.session import Outcome, Reply
from simulator.wire import Wire


class Renewal:
    """How one charge point gets a new certificate.

    Attributes:
        key_type: what kind of key the next one is for.
        refusals: how many of the next certificates are refused, whatever they are.
    """

    def __init__(
        self,
        wire: Wire,
        access: Access,
        store: CertificateStore,
        *,
        key_type: KeyType,
        common_name: Callable[[], str],
        needs_known_issuer: bool,
        numbers: Iterator[int],
    ) -> None:
        """Begin without a request.

        Args:
            common_name: what the certificate is for, white paper A02.
            needs_known_issuer: an installed root must have signed the certificate. The standard
                knows no root for charge point certificates, so as a rule none is there.
            numbers: a fresh one for every request.
        """
        self.key_type = key_type
        self._wire = wire
        self._access = access
        self._store = store
        self._common_name = common_name
        self._needs_known_issuer = needs_known_issuer
        self._numbers = numbers
        self._number = 0
        self._csr: CsrEnd | None = None
        self._is_due = False  # the request is made and was not answered yet
        self._key: PublicKey | None = None  # that of the request under way, whoever made it

    @property
    def can_begin(self) -> bool:
        """Whether there is an organisation to ask a certificate for (A02)."""
        return bool(self._wire.keys.text("CpoName"))

    def begin(self, _: Moment) -> None:
        """Have a key pair made; a request that is under way is forgotten."""
        self._forget()
        self._number = next(self._numbers)
        self._wire.outputs.append(
            MakeCsr(
                number=self._number,
                key_type=self.key_type,
                common_name=self._common_name(),
                organisation=self._wire.keys.text("CpoName"),
            )
        )

    def made(self, number: int, end: CsrEnd) -> None:
        """Take the key pair and the request, and have it signed."""
        if number != self._number:
            return
        self._number = 0
        if end.problem:
            self._wire.notice(f"No request for a certificate: {end.problem}")
            return
        self._csr, self._key, self._is_due = end, read_csr_key(end.csr_pem), True
        self.pump()

    def made_by_script(self, csr_pem: object) -> None:
        """Take note of a request that a script sent by hand; its key is the script's."""
        try:
            key = read_csr_key(str(csr_pem))
        except BadCertificate:
            return
        self._forget()
        self._key = key

    def pump(self) -> None:
        """Send the request, if it waits and there is somebody to send it to."""
        if self._is_due and self._csr is not None and self._wire.is_online:
            self._is_due = False
            csr = self._csr

            def ended(reply: Reply, _: Moment) -> None:
                if self._csr is csr:
                    self._answered(reply)

            self._wire.call("SignCertificate", {"csr": csr.csr_pem}, ended)

    def check(self, chain_pem: str, now: Moment) -> None:
        """Check a certificate that the CSMS had signed for us.

        Raises:
            BadCertificate: it is of no use, or not to be trusted.
        """
        limit = self._wire.keys.integer("CertificateSignedMaxChainSize")
        if len(chain_pem) > limit:
            raise BadCertificate(f"{len(chain_pem)} characters, where {limit} are allowed")
        chain = read_chain(chain_pem)
        keys = [] if self._key is None else [self._key]
        if self._access.certificate is not None:
            keys.append(public_key(read_chain(self._access.certificate.chain_pem)[0]))
        needs_issuer = self._needs_known_issuer
        check_own(
            chain,
            self._wire.local_time(now),
            keys=keys,
            common_name=self._common_name(),
            organisation=self._wire.keys.text("CpoName"),
            anchors=self._store.roots(CertificateType.CENTRAL_SYSTEM) if needs_issuer else None,
        )

    def take(self, chain_pem: str) -> None:
        """Use a certificate that was checked, from the next connection on."""
        key, present = public_key(read_chain(chain_pem)[0]), self._access.certificate
        if key != self._key and present is not None:
            private_key_pem = present.private_key_pem
        elif self._csr is not None:
            private_key_pem = self._csr.private_key_pem
        else:
            return  # the key is a script's, and so is what to do with it
        self._forget()
        self._access.certificate = Credential(chain_pem=chain_pem, private_key_pem=private_key_pem)
        self._access.follow()

    def _answered(self, reply: Reply) -> None:
        if reply.outcome is Outcome.DISCONNECTED:
            self._is_due = True
        elif reply.outcome is Outcome.TIMED_OUT:
            pass  # the certificate may come all the same
        elif not _is_accepted(reply):
            self._wire.notice("The CSMS does not have our certificate signed")
            self._forget()

    def _forget(self) -> None:
        self._csr = self._key = None
        self._is_due = False


def _is_accepted(reply: Reply) -> bool:
    answer = reply.answer
    return isinstance(answer, CallResult) and answer.payload.get("status") == "Accepted"
