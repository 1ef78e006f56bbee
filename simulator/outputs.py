"""What a charge point wants its shell to do, and what a script may put in place of its answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from simulator.session import Request


@dataclass(frozen=True, slots=True)
class Transmit:
    """Write this text; `request` is the CALL of ours it carries, if it carries one."""

    text: str
    request: Request | None = None


@dataclass(frozen=True, slots=True)
class Hangup:
    """End the connection: in order, or without a word (the power is gone)."""

    is_abrupt: bool = False


@dataclass(frozen=True, slots=True)
class Notice:
    """What somebody standing before the charge point would notice."""

    text: str


@dataclass(frozen=True, slots=True)
class Ping:
    """Send a WebSocket ping, and give the connection up when no pong comes."""

    timeout_s: float


@dataclass(frozen=True, slots=True)
class Download:
    """Fetch a file; `ChargePoint.transfer_ended` wants to be told how it went.

    Attributes:
        number: which transfer this is.
        job: transfers of one job may go on where an earlier one was broken off.
    """

    number: int
    job: int
    url: str


@dataclass(frozen=True, slots=True)
class Upload:
    """Send a file; `ChargePoint.transfer_ended` wants to be told how it went.

    Attributes:
        number: which transfer this is.
        directory: where the file goes.
        size_bytes: what `content` amounts to.
        content: makes the file anew, piece by piece.
    """

    number: int
    directory: str
    file_name: str
    size_bytes: int
    content: Callable[[], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class CancelTransfer:
    """Break a transfer off; nobody waits for its end any more."""

    number: int


class Cause(StrEnum):
    """Why a transfer failed, as far as the CSMS is told."""

    OTHER = "other"
    BAD_MESSAGE = "bad message"
    DENIED = "denied"
    NOT_SUPPORTED = "not supported"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferEnd:
    """How a transfer went.

    Attributes:
        problem: why it failed, for people; empty where it did not.
        cause: of the problem.
        size_bytes: of the whole file, however often it was begun.
        sha256: of the whole file, in hexadecimal digits; of downloads only.
    """

    problem: str = ""
    cause: Cause = Cause.OTHER
    size_bytes: int = 0
    sha256: str = ""


class KeyType(StrEnum):
    """What kind of key pair a charge point makes for its certificate."""

    RSA = "RSA"  # 2048 bits
    ECDSA = "ECDSA"  # curve P-256


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeCsr:
    """Make a new key pair and a request to sign it; `ChargePoint.csr_made` wants the result.

    Attributes:
        number: which request this is.
        common_name: CN of the subject.
        organisation: O of the subject.
    """

    number: int
    key_type: KeyType
    common_name: str
    organisation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CsrEnd:
    """What became of a `MakeCsr`.

    Attributes:
        problem: why there is none, for people; empty where there is.
        csr_pem: the certificate signing request.
        private_key_pem: PKCS #8, not encrypted.
    """

    problem: str = ""
    csr_pem: str = ""
    private_key_pem: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A certificate of the charge point, with its key.

    Attributes:
        chain_pem: its certificate first, then its issuers as far as they are known.
        private_key_pem: PKCS #8, not encrypted.
    """

    chain_pem: str
    private_key_pem: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class UseCredentials:
    """Connect in this way from the next time on; the connection there is stays as it is.

    What is None stays as the endpoint of that profile has it.

    Attributes:
        security_profile: which endpoint is meant; only 1 and 2 send a password, only 3 shows a
            certificate.
        password: for Basic auth.
        certificate: shown in the TLS handshake.
        roots_pem: certificates to trust beside those the endpoint names.
    """

    security_profile: int
    password: bytes | None = field(default=None, repr=False)
    certificate: Credential | None = None
    roots_pem: tuple[str, ...] = ()


Output: TypeAlias = (
    Transmit
    | Hangup
    | Notice
    | Ping
    | Download
    | Upload
    | CancelTransfer
    | MakeCsr
    | UseCredentials
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedAnswer:
    """What to answer to one request instead of the model's own answer.

    Attributes:
        payload: content of the CALLRESULT; None leaves it to the model.
        error_code: answer with a CALLERROR of this code instead.
        is_silent: do not answer at all.
        delay_s: how late the answer leaves.
    """

    payload: Mapping[str, object] | None = None
    error_code: str = ""
    error_description: str = ""
    error_details: Mapping[str, object] = field(default_factory=dict)
    is_silent: bool = False
    delay_s: float = 0.0
