"""Which scope a request wants, told from its method and path alone.

Reading is `read`. Day-to-day work with charge points, tags and reservations is `operate`. The rest
is `manage`: who is let in, with what, and what runs on charge points. A route that nobody thought
about here is `manage`.
"""

from typing import Final

from csms.domain.scopes import Scope
from csms.ocppj.commands import ACTIONS

# What changes credentials, trust or software of a charge point, whatever its payload is.
MANAGING_ACTIONS: Final = frozenset(
    {
        "CertificateSigned",
        "ChangeConfiguration",
        "DeleteCertificate",
        "InstallCertificate",
        "SignedUpdateFirmware",
        "UpdateFirmware",
    }
)
OPERATING_ACTIONS: Final = ACTIONS - MANAGING_ACTIONS
# Below a charge point.
_OPERATING: Final = frozenset(
    {
        "diagnostics",
        "firmware-updates",
        "local-list",
        "logs",
        "reservations",
        "signed-firmware-updates",
        "triggers",
    }
)


def required_scope(method: str, path: str) -> Scope:
    """Return the scope that a request wants.

    Args:
        method: in capitals.
        path: as sent, percent-encoded.
    """
    if method in ("GET", "HEAD"):
        return Scope.READ
    match path.split("/"):
        case ["", "api", "v1", "charge-points", _, "commands", action]:
            return Scope.OPERATE if action in OPERATING_ACTIONS else Scope.MANAGE
        case ["", "api", "v1", "charge-points", _, "installed-certificates", "report"]:
            return Scope.OPERATE
        case ["", "api", "v1", "charge-points", _, resource, *_] if resource in _OPERATING:
            return Scope.OPERATE
        case ["", "api", "v1", "id-tags" | "quarantine", _]:
            return Scope.OPERATE
    return Scope.MANAGE
