"""What charge points said of their limits: configuration keys that nobody can change.

Known only from the answers to a GetConfiguration that somebody ordered (design: nothing is sent
unasked). Keys that can be changed are not kept: what was read of them would soon be wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, select

from csms.storage.database import insert
from csms.storage.tables import capabilities

# OCPP 1.6 ed. 2 §9 and the security whitepaper: access R.
KEPT: Final = (
    "AdditionalRootCertificateCheck",
    "CertificateSignedMaxChainSize",
    "CertificateStoreMaxLength",
    "ChargeProfileMaxStackLevel",
    "ChargingScheduleAllowedChargingRateUnit",
    "ChargingScheduleMaxPeriods",
    "ConnectorSwitch3to1PhaseSupported",
    "GetConfigurationMaxKeys",
    "LocalAuthListMaxLength",
    "MaxChargingProfilesInstalled",
    "NumberOfConnectors",
    "ReserveConnectorZeroSupported",
    "SendLocalListMaxLength",
    "SupportedFeatureProfiles",
    "SupportedFileTransferProtocols",
)
MAX_VALUE: Final = 500  # characters; §7.21

_NAMES: Final = {name.casefold(): name for name in KEPT}  # key names ignore case, §7.28

_GET = select(capabilities.c.name, capabilities.c.value).where(
    capabilities.c.identity == bindparam("identity")
)
_NEW = insert(capabilities)
_PUT = _NEW.on_conflict_do_update(
    index_elements=[capabilities.c.identity, capabilities.c.name],
    set_={name: _NEW.excluded[name] for name in ("value", "reported_at")},
)


def get(connection: Connection, identity: str) -> dict[str, str]:
    """Return what a charge point said, by the name of the key; nothing for what it never told."""
    return {row.name: row.value for row in connection.execute(_GET, {"identity": identity})}


def record(
    connection: Connection, identity: str, *, answer: Mapping[str, Any], at: datetime
) -> None:
    """Keep what a GetConfiguration.conf told; what it called unknown is forgotten."""
    gone = {_NAMES.get(str(key).casefold()) for key in _items(answer.get("unknownKey"))}
    connection.execute(
        delete(capabilities).where(
            capabilities.c.identity == identity, capabilities.c.name.in_(sorted(filter(None, gone)))
        )
    )
    told = {}
    for one in _items(answer.get("configurationKey")):
        if isinstance(one, Mapping) and isinstance(one.get("value"), str):
            name = _NAMES.get(str(one.get("key")).casefold())
            if name is not None and len(one["value"]) <= MAX_VALUE:
                told[name] = one["value"]
    rows = [
        {"identity": identity, "name": name, "value": value, "reported_at": at}
        for name, value in told.items()
    ]
    if rows:
        connection.execute(_PUT, rows)


def _items(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
