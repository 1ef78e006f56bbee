"""A Central System with both doors open, and stations that come with any security profile."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import httpx
from websockets.exceptions import InvalidStatus

from csms.app import CentralSystem, central_system
from csms.config import Settings
from tests.csms.tls_files import client_authority, client_certificate, client_context, server_files
from tests.csms.web.stations import Station

KEY = "aa" * 20


class Doors:
    """A running Central System and who came in.

    `come` takes a security profile, and returns the station, or the status it was refused with.
    """

    def __init__(self, system: CentralSystem, api: httpx.AsyncClient, folder: Path) -> None:
        self.system = system
        self.api = api
        self._folder = folder
        self._stations: list[Station] = []

    async def put(self, identity: str, **body: Any) -> httpx.Response:
        """Register a charge point, or change it."""
        return await self.api.put(f"/charge-points/{identity}", json=body)

    async def shown(self, identity: str) -> dict[str, Any]:
        """What the API shows of a charge point."""
        shown: dict[str, Any] = (await self.api.get(f"/charge-points/{identity}")).json()
        return shown

    async def profiles(self, identity: str) -> tuple[int, int | None]:
        """Its security profile, and the one it was told to take."""
        shown = await self.shown(identity)
        return shown["securityProfile"], shown["targetSecurityProfile"]

    async def raise_profile(self, identity: str, profile: int | str) -> httpx.Response:
        """Command a higher security profile."""
        return await self.api.post(
            f"/charge-points/{identity}/commands/ChangeConfiguration",
            json={"key": "SecurityProfile", "value": str(profile)},
        )

    async def come(
        self,
        identity: str,
        profile: int,
        *,
        password: bytes | None = bytes.fromhex(KEY),
        certificate: str | None = None,
        subprotocol: str = "ocpp1.6",
    ) -> Station:
        """Connect with a profile.

        Args:
            password: sent with profiles 1 and 2.
            certificate: the common name of the one shown with profile 3; by default the identity.

        Raises:
            InvalidStatus: refused.
        """
        tls = None
        if profile >= 2:
            name = certificate or (identity if profile == 3 else None)
            own = None if name is None else client_certificate(name, self._folder)
            tls = client_context(certificate=own)
        station = Station(
            f"{self.system.tls_url if profile >= 2 else self.system.ocpp_url}/",
            identity,
            password=password if profile in (1, 2) else None,
            tls=tls,
            subprotocol=subprotocol,
        )
        await station
        self._stations.append(station)
        return station

    async def status(self, identity: str, profile: int, **options: Any) -> int:
        """Connect, leave again, and return the HTTP status of the handshake."""
        try:
            station = await self.come(identity, profile, **options)
        except InvalidStatus as refused:
            return refused.response.status_code
        await station.close()
        return 101

    async def close(self) -> None:
        """Let everybody leave."""
        for station in self._stations:
            await station.close()

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, folder: Path, settings: Settings, token: str) -> AsyncIterator[Self]:
        """Run a Central System with TLS."""
        files = server_files(folder, trusted=[client_authority()])
        rsa, ec = files.certificates
        given = replace(
            settings,
            tls_port=0,
            tls_certificate=str(rsa.chain),
            tls_key=str(rsa.key),
            tls_ec_certificate=str(ec.chain),
            tls_ec_key=str(ec.key),
            tls_client_ca=str(files.trusted[0]),
        )
        async with (
            central_system(given) as system,
            httpx.AsyncClient(
                base_url=f"{system.http_url}/api/v1",
                headers={"Authorization": f"Bearer {token}"},
                trust_env=False,
                verify=client_context(),
            ) as api,
        ):
            doors = cls(system, api, folder)
            yield doors
            await doors.close()
