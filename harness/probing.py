"""TLS handshakes without a WebSocket: one for all that is usual, one for each suite, one for 1.3.

Each is an event of its case; what they mean, `harness.judge_handshakes` says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from harness.access import VERSIONS, Offer
from harness.evidence import DEFAULT_BUDGET, Evidence
from harness.judge_handshakes import (
    judge_1_3,
    judge_certificate,
    judge_none,
    judge_suite,
    judge_version,
    judge_weak,
    not_trusted,
)
from harness.model import ProbeTls
from harness.results import Finding
from harness.wire import monotonic_s
from simulator.errors import RefusalKind
from simulator.server_certificate import CertificateFacts
from simulator.trace import Event, EventKind
from simulator.transport import TlsProbe, probe_tls

_LEAST_HANDSHAKE_S: Final = 5.0


class Probing:
    """The handshakes of one `probe_tls` step."""

    def __init__(self, evidence: Evidence, step: ProbeTls, offer: Offer, *, number: int) -> None:
        """Prepare; nothing leaves yet.

        Args:
            number: of the connection the handshakes are told beside.
        """
        self._evidence = evidence
        self._step = step
        self._offer = offer
        self._number = number
        self._checks_server = True
        self._certificates: dict[str, CertificateFacts] = {}
        self._distrusted: set[str] = set()

    async def strong(self) -> None:
        """Try what the server must be able to do.

        Raises:
            CannotOffer: our own side cannot offer it.
        """
        least = VERSIONS[self._step.version]
        probe, event = await self._handshake()
        if probe.facts is None:
            if probe.refusal is not None:
                self._add([judge_none(least, probe.refusal)], event)
            return
        self._add(judge_version(least, probe.facts), event)
        for suite in self._step.suites:
            probe, event = await self._handshake(versions=("1.2",), suites=(suite,))
            self._add(judge_suite(suite, probe.facts, probe.refusal), event)
        probe, event = await self._handshake(versions=("1.3",))
        self._add(judge_1_3(probe.facts, probe.refusal), event)
        if self._step.looks_at_certificate:
            host = self._offer.server_name or urlsplit(self._offer.url).hostname or ""
            for certificate in self._certificates.values():
                self._add(judge_certificate(certificate, host=host), None)

    async def weak(self, versions: Sequence[str], suites: Sequence[str]) -> None:
        """Try what the server must not do; whose it is does not matter here.

        Raises:
            CannotOffer: our own side cannot offer it.
        """
        self._checks_server = False
        for version in versions:
            probe, event = await self._handshake(versions=(version,))
            self._add(judge_weak(VERSIONS[version], probe.facts, probe.refusal), event)
        for suite in suites:
            probe, event = await self._handshake(versions=("1.2",), suites=(suite,))
            self._add(judge_weak(suite, probe.facts, probe.refusal), event)

    async def _handshake(
        self, *, versions: tuple[str, ...] = (), suites: tuple[str, ...] = ()
    ) -> tuple[TlsProbe, int]:
        offer = replace(self._offer, versions=versions, suites=suites)
        probe, event = await self._try(offer, checks_server=self._checks_server)
        refused = probe.refusal
        if refused is not None and refused.kind is RefusalKind.NOT_TRUSTED:
            if refused.reason not in self._distrusted:  # said once; the rest can still be seen
                self._distrusted.add(refused.reason)
                self._add([not_trusted(refused.reason)], event)
            probe, event = await self._try(offer, checks_server=False)
        if probe.facts is not None:
            certificate = probe.facts.certificate
            self._certificates.setdefault(certificate.pem, certificate)
        return probe, event

    async def _try(self, offer: Offer, *, checks_server: bool) -> tuple[TlsProbe, int]:
        """Make one handshake and note it among the events."""
        timeout_s = max(self._evidence.settings.limit_s(DEFAULT_BUDGET), _LEAST_HANDSHAKE_S)
        at, started_s = datetime.now(UTC), monotonic_s()
        tls = offer.tls(checks_server=checks_server)
        probe = await probe_tls(offer.url, tls, timeout_s=timeout_s)
        detail: dict[str, object] = {
            "url": offer.url,
            "offered": {"versions": list(offer.versions), "suites": list(offer.suites)},
            "tls": probe.facts.as_detail() if probe.facts else None,
        }
        if probe.refusal is not None:
            detail |= {
                "kind": probe.refusal.kind.value,
                "phase": probe.refusal.phase.value,
                "alert": probe.refusal.alert,
                "reason": probe.refusal.reason,
            }
        wire = self._evidence.wire
        kind = EventKind.PROBED
        wire.record(Event(kind, offer.identity, self._number, at, started_s, detail=detail))
        index = len(wire.events) - 1
        self._evidence.refer(index, self._step)
        return probe, index

    def _add(self, findings: Sequence[Finding], event: int | None) -> None:
        self._evidence.add(self._step, findings, event)
