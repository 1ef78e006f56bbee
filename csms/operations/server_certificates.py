"""Server certificates of the built-in authority: made before a listener starts, renewed in time.

Files are replaced in place; who serves with them reads them again when they change.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from csms.pki.authority import CertificateAuthority, ServerFiles
from csms.pki.key_files import PkiError

LOOK_EVERY_S: Final = 3600.0

_logger: Final = logging.getLogger(__name__)


class ServerCertificates:
    """Keeps server certificates for some names fresh."""

    def __init__(
        self,
        authority: CertificateAuthority,
        names: Sequence[str],
        *,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        self._authority = authority
        self._names = tuple(names)
        self._look_every_s = look_every_s
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> ServerFiles:
        """Make what is missing or ends soon; look again now and then.

        Raises:
            PkiError: a file cannot be used.
            ValueError: a name that no certificate can have.
        """
        files = await asyncio.to_thread(self._authority.server_certificates, self._names)
        self._task = asyncio.create_task(self._keep())
        return files

    async def close(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self._look_every_s)
            try:
                await asyncio.to_thread(self._authority.server_certificates, self._names)
            except PkiError as error:
                _logger.error("the server certificates cannot be renewed: %s", error)
