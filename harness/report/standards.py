"""Where a rule comes from: the documents behind places such as ``OCPP-J 1.6 §4.1.4``. Pure."""

from __future__ import annotations

import re
from typing import Final

_OCA: Final = "Open Charge Alliance"
_CASES: Final = f"Test case document of the OCPP Compliance Testing Tool for OCPP 1.6, {_OCA}"
_SECURITY: Final = f"Improved security for OCPP 1.6-J, edition 3, 2022-02-17, {_OCA}"
_J_ERRATA: Final = f"Errata sheet for OCPP-J 1.6, numbers of the sheet of 2025-04, {_OCA}"
# By what stands in a place; the first that fits is taken.
_DOCUMENTS: Final = tuple(
    (re.compile(pattern), document)
    for pattern, document in (
        (r"^TC_|^official case", _CASES),
        (r"OCPP-J errata|errata \(OCPP-J\)", _J_ERRATA),
        (r"OCPP-J", f"OCPP-J 1.6 specification: OCPP over JSON and WebSocket, 2015-10-08, {_OCA}"),
        (r"security paper|[A-N][0-9]{2}\.FR\.[0-9]+", _SECURITY),
        (r"errata v4\.0", f"Errata sheet v4.0 for OCPP 1.6 edition 2, 2019-10-23, {_OCA}"),
        (r"OCPP 1\.6", f"Open Charge Point Protocol 1.6, edition 2, 2017-09-28, {_OCA}"),
        (r"RFC 3339", "RFC 3339, Date and Time on the Internet: Timestamps"),
        (r"RFC 6455", "RFC 6455, The WebSocket Protocol"),
        (r"RFC 8259", "RFC 8259, The JavaScript Object Notation (JSON) Data Interchange Format"),
        (r"RFC [0-9]+", "Request for Comments of the IETF, of this number"),
        (r"^declaration", "Declaration of the vendor (PICS)"),
        (r"^system-under-test file", "File that describes the system under test"),
        (r"CS-[A-Z]+-[0-9]+", "Numbering of this tool for what the standard asks of a CSMS"),
        (r"^our own", "Demand of this tool, not of the standard"),
    )
)


def documents_of(place: str) -> tuple[str, ...]:
    """Return the full names of the documents that a place is in, in its order, each once."""
    found: dict[str, None] = {}
    for part in place.split(";"):
        for pattern, document in _DOCUMENTS:
            if pattern.search(part.strip()):
                found[document] = None
                break
    return tuple(found)
