"""Whose a client certificate is (CS-SEC-05): the last question at the door of profile 3.

TLS has checked the chain. A certificate of our own authority is good for the charge point it was
issued to, as long as it is not revoked; one of another authority for who bears its name.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import partial

from cryptography import x509

from csms.domain.certificates import (
    CertificateFacts,
    IssuedCertificate,
    IssuedState,
    name_problem,
    own_names,
)
from csms.domain.model import ChargePoint
from csms.pki.authority import CertificateAuthority
from csms.pki.certificates import BadCertificate, common_name, facts, organisations, read_der
from csms.storage import issued_certificates
from csms.storage.store import Store


class ClientCertificateCheck:
    """Checks client certificates.

    Args:
        trusts_others: whether the operator named other authorities for charge points.
        organisation: what certificates of those must name as organisation; None for any.
    """

    def __init__(
        self,
        store: Store,
        authority: CertificateAuthority,
        now: Callable[[], datetime],
        *,
        trusts_others: bool = False,
        organisation: str | None = None,
    ) -> None:
        self._store = store
        self._authority = authority
        self._now = now
        self._trusts_others = trusts_others
        self._organisation = organisation

    async def refusal(self, der: bytes, charge_point: ChargePoint) -> str | None:
        """Return why the certificate is not this charge point's, None where it is.

        The first time it is, that is written down. Who refuses for it notes the security event.

        Raises:
            StorageError: it cannot be checked now.
        """
        try:
            certificate = read_der(der)
            shown = facts(certificate)
        except BadCertificate as error:
            return f"the certificate is unusable: {error}"
        # TLS checks dates, too, but not those of a session that is resumed.
        if not shown.not_before <= self._now() < shown.not_after:
            return "the certificate is expired or not valid yet"
        record = await self._store.read(
            partial(issued_certificates.find, fingerprint=shown.fingerprint)
        )
        if record is None:
            return await self._refusal_of_unknown(certificate, charge_point)
        if record.identity != charge_point.identity:
            return f"the certificate is that of {record.identity!r}"
        if record.state is IssuedState.REVOKED:
            return "the certificate is revoked"
        if not record.is_proven:
            return "the certificate was asked for when anybody could: have it renewed"
        return await self._refusal_of_known(certificate, shown, record, charge_point)

    async def _refusal_of_known(
        self,
        certificate: x509.Certificate,
        shown: CertificateFacts,
        record: IssuedCertificate,
        charge_point: ChargePoint,
    ) -> str | None:
        # What somebody else signed and we only brought is held to its name all the same.
        if not await self._is_ours(certificate):
            reason = self._foreign_name(certificate, charge_point)
            if reason is not None:
                return reason
        if record.state is not IssuedState.IN_USE and not await self._store.write(
            partial(issued_certificates.use, record_id=record.record_id, at=self._now())
        ):
            return "the certificate is revoked"
        return None

    async def _refusal_of_unknown(
        self, certificate: x509.Certificate, charge_point: ChargePoint
    ) -> str | None:
        if await self._is_ours(certificate):  # a server's, or one of a removed charge point
            return "the certificate was not issued to a charge point that is known"
        return self._foreign_name(certificate, charge_point)

    async def _is_ours(self, certificate: x509.Certificate) -> bool:
        return await asyncio.to_thread(self._authority.root_of, certificate) is not None

    def _foreign_name(self, certificate: x509.Certificate, charge_point: ChargePoint) -> str | None:
        if not self._trusts_others:
            return "the certificate is of an authority that is not trusted"
        return name_problem(
            common_name=common_name(certificate.subject),
            organisations=organisations(certificate.subject),
            names=own_names(charge_point, charge_point.certificate_name, must_be_proven=True),
            organisation=self._organisation,
        )
