"""From a place to the document it is in."""

import pytest

from harness.checks import CHECKS, SURROUNDINGS
from harness.report.standards import documents_of


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("OCPP-J 1.6 §4.1.4; CS-RPC-04", ["OCPP-J 1.6 specification", "Numbering of this tool"]),
        ("OCPP-J errata 3.1", ["Errata sheet for OCPP-J 1.6"]),
        ("errata v4.0 §3.54; CS-START-04", ["Errata sheet v4.0", "Numbering of this tool"]),
        ("OCPP 1.6 §4.2, §4.6", ["Open Charge Point Protocol 1.6, edition 2"]),
        ("OCPP 1.6 security paper, GetLog", ["Improved security for OCPP 1.6-J"]),
        ("RFC 8259 §4; OCPP-J 1.6 §4.2", ["RFC 8259", "OCPP-J 1.6 specification"]),
        ("TC_010_CSMS §3.4.1", ["Test case document"]),
        ("BEYOND_RESTARTED_IDS OCPP-J 1.6 §4.1.4", ["OCPP-J 1.6 specification"]),
    ],
)
def test_places_have_documents(place: str, words: list[str]) -> None:
    """Each part of a place leads to one document, in its order."""
    documents = documents_of(place)

    assert len(documents) == len(words)
    for document, word in zip(documents, words, strict=True):
        assert document.startswith(word)


def test_every_check_leads_somewhere() -> None:
    """No check cites a document that the preview could not name."""
    infos = {**CHECKS, **SURROUNDINGS}

    assert [rule for rule, info in infos.items() if not documents_of(info.requirement)] == []
