"""What `preflight check` sees of a server's TLS: a few handshakes, and not a word inside."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlsplit

from harness.access import VERSIONS, Offer
from harness.judge_handshakes import judge_certificate
from harness.results import Finding, Severity
from simulator.errors import CannotOffer, RefusalKind
from simulator.tls_names import MANDATORY_SUITES
from simulator.transport import TlsProbe, probe_tls

_OLD: Final = ("1.0", "1.1")
HANDSHAKES: Final = 3 + len(MANDATORY_SUITES) + len(_OLD)


@dataclass(frozen=True, slots=True)
class Note:
    """One thing seen; fatal where no charge point would get in."""

    found: str
    remedy: str = ""
    is_good: bool = False
    is_fatal: bool = False


async def look(
    url: str, *, trust_anchors: str | None, server_name: str, timeout_s: float
) -> list[Note]:
    """Return what a server's TLS is like: trust, name, versions, suites."""
    offer = Offer(url=url, identity="", trust_anchors=trust_anchors, server_name=server_name)
    probe = await _handshake(offer, timeout_s)
    if isinstance(probe, str):
        return [Note(probe, is_fatal=True)]
    notes: list[Note] = []
    if probe.refusal is not None and probe.refusal.kind is RefusalKind.NOT_TRUSTED:
        notes.append(
            Note(
                f"Charge points do not trust it: {probe.refusal.reason}.",
                "name its certificate authority under `tls.trust_anchors`, or its name as "
                "`tls.server_name`",
                is_fatal=True,
            )
        )
        probe = await _handshake(offer, timeout_s, checks_server=False)
        if isinstance(probe, str):
            return notes
    if probe.facts is None:
        reason = probe.refusal.reason if probe.refusal is not None else "no handshake"
        remedy = "see whether it speaks TLS 1.2 or newer there"
        return [*notes, Note(f"There is no TLS: {reason}.", remedy, is_fatal=True)]
    facts = probe.facts
    if not notes:
        notes.append(Note("Its certificate is trusted, and names it.", is_good=True))
    notes.append(Note(f"Agreed on {facts.version}, {facts.suite}.", is_good=True))
    host = server_name or urlsplit(url).hostname or ""
    notes += map(_of_finding, judge_certificate(facts.certificate, host=host))
    newest = await _handshake(replace(offer, versions=("1.3",)), timeout_s, checks_server=False)
    spoken = isinstance(newest, TlsProbe) and newest.facts is not None
    notes.append(
        Note(f"TLS 1.3 is {'there' if spoken else 'not there; it need not be'}.", is_good=True)
    )
    notes += await _suites(offer, timeout_s)
    notes += await _old_versions(offer, timeout_s)
    return notes


async def _suites(offer: Offer, timeout_s: float) -> list[Note]:
    there, missing, cannot = [], [], []
    for suite in MANDATORY_SUITES:
        one = replace(offer, versions=("1.2",), suites=(suite,))
        probe = await _handshake(one, timeout_s, checks_server=False)
        if isinstance(probe, str):
            cannot.append(suite)
        elif probe.facts is not None:
            there.append(suite)
        else:
            missing.append(suite)
    notes = []
    if there:
        notes.append(Note(f"It takes {', '.join(there)}.", is_good=True))
    if missing:
        remedy = "the security white paper demands these of profiles 2 and 3"
        notes.append(Note(f"It does not take {', '.join(missing)}.", remedy))
    if cannot:
        notes.append(Note(f"Our own side cannot offer {', '.join(cannot)}; not seen."))
    return notes


async def _old_versions(offer: Offer, timeout_s: float) -> list[Note]:
    taken: list[str] = []
    refused: list[str] = []
    for version in _OLD:
        one = replace(offer, versions=(version,))
        probe = await _handshake(one, timeout_s, checks_server=False)
        if isinstance(probe, str):
            continue
        (taken if probe.facts is not None else refused).append(VERSIONS[version].value)
    notes = []
    if taken:
        remedy = "switch these off; a Central System must not take them"
        notes.append(Note(f"It takes {' and '.join(taken)}.", remedy))
    if refused:
        notes.append(Note(f"{' and '.join(refused)} are refused.", is_good=True))
    return notes


async def _handshake(
    offer: Offer, timeout_s: float, *, checks_server: bool = True
) -> TlsProbe | str:
    """Make one handshake; return what came of it, or why our side could not make it."""
    try:
        tls = offer.tls(checks_server=checks_server)
        return await probe_tls(offer.url, tls, timeout_s=timeout_s)
    except CannotOffer as error:
        return f"Our own side cannot offer it: {error}."


def _of_finding(finding: Finding) -> Note:
    is_fatal = finding.severity is Severity.FAILURE
    return Note(finding.message, "renew the certificate as it should be", is_fatal=is_fatal)
