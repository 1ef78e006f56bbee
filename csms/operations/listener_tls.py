"""Certificates our listeners show, and whom they trust: files of the operator, or of our CA."""

from collections.abc import Sequence
from pathlib import Path

from csms.ocppj.tls import CertificateFiles, TlsFiles
from csms.operations.server_certificates import ServerCertificates
from csms.pki.authority import CertificateAuthority


class ListenerTls:
    """The files of our TLS listeners.

    Args:
        given: the operator's certificates; without any the CA makes an RSA and an EC certificate.
        names: host names or addresses, for certificates of the CA.
        client_ca: trusted for charge points beside the CA.
    """

    def __init__(
        self,
        authority: CertificateAuthority,
        *,
        given: Sequence[CertificateFiles],
        names: Sequence[str],
        client_ca: Path | None,
    ) -> None:
        self._given = tuple(given)
        self._own = ServerCertificates(authority, names)
        self._trusted = (authority.trust_file, *(() if client_ca is None else (client_ca,)))

    async def start(self) -> TlsFiles:
        """Return the files; those of the CA are made, and made anew in time.

        Raises:
            PkiError: a file of the CA cannot be used.
            ValueError: a name no certificate can have.
        """
        certificates = self._given
        if not certificates:
            made = await self._own.start()
            certificates = (
                CertificateFiles(made.rsa_chain, made.rsa_key),
                CertificateFiles(made.ec_chain, made.ec_key),
            )
        return TlsFiles(certificates, self._trusted)

    async def close(self) -> None:
        """Look after certificates no more."""
        await self._own.close()
