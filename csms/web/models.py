"""The shapes of the HTTP API: camelCase outside, unknown fields refused, UTC with milliseconds."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import (
    AfterValidator,
    AliasGenerator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
)
from pydantic.alias_generators import to_camel

from csms.domain.model import AuthorizationStatus, RegistrationStatus
from csms.domain.times import format_time, parse_time
from csms.web.parameters import MAX_ID_TAG

Item = TypeVar("Item")


def _read_time(value: object) -> datetime:
    parsed = value if isinstance(value, datetime) else None
    if isinstance(value, str) and (read := parse_time(value)) is not None:
        parsed = read.at
    if parsed is None:
        raise ValueError("is not a time such as 2026-01-31T12:34:56Z")
    return parsed.astimezone(UTC)


def _read_optional_time(value: object) -> datetime | None:
    return None if value is None else _read_time(value)


def _not_blank(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("is blank or has unprintable characters")
    return text


Time = Annotated[
    datetime,
    BeforeValidator(_read_time),
    PlainSerializer(format_time, return_type=str, when_used="json"),
]


Number = Annotated[Decimal, PlainSerializer(float, return_type=float, when_used="json")]


def _from(attribute: str, *, description: str | None = None) -> Any:
    """Declare a field that has another name in the domain."""
    return Field(validation_alias=attribute, description=description)


IdToken = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_ID_TAG), AfterValidator(_not_blank)
]


CertificateName = Annotated[
    str, StringConstraints(min_length=1, max_length=64), AfterValidator(_not_blank)
]


class Body(BaseModel):
    """What a caller sends: only the names that are documented."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")


class View(BaseModel):
    """What a caller gets."""

    model_config = ConfigDict(
        alias_generator=AliasGenerator(serialization_alias=to_camel), from_attributes=True
    )


class Page(View, Generic[Item]):
    """One page of a list."""

    items: list[Item]
    next: str | None = Field(description="Cursor of the next page; null on the last.")


class ChargePointBody(Body):
    """What an operator decides about a charge point.

    What is left out stays as it was; the defaults are those of a new charge point.
    """

    registration: RegistrationStatus = RegistrationStatus.ACCEPTED
    authorization_key: str | None = Field(
        None,
        description="16 to 20 random bytes as hex digits; the charge point sends the bytes as"
        " its Basic auth password. Null removes the credential. Write-only.",
        json_schema_extra={"writeOnly": True},
    )
    password: str | None = Field(
        None,
        description="A password chosen by a person; slower to check than a key. Null removes"
        " the credential. Write-only.",
        json_schema_extra={"writeOnly": True},
    )
    heartbeat_interval: int | None = Field(
        None, strict=True, ge=1, lt=2**31, description="Seconds; null for the setting of the CSMS."
    )
    send_local_list_max_length: int | None = Field(
        None,
        strict=True,
        ge=1,
        lt=2**31,
        description="Entries that one SendLocalList may have; null for what the charge point says.",
    )
    security_profile: int = Field(
        0,
        strict=True,
        ge=0,
        le=3,
        description="How it has to connect: 0 plain and open, 1 with Basic auth, 2 over TLS with"
        " Basic auth, 3 over TLS with a client certificate. By default 1 with an authorization key"
        " or a password, else 0.",
    )
    certificate_name: CertificateName | None = Field(
        None,
        description="A common name its certificates may bear, beside its identity and the serial"
        " numbers of its BootNotification.",
    )


class BootView(View):
    """The last BootNotification's content."""

    charge_point_vendor: str | None
    charge_point_model: str | None
    charge_point_serial_number: str | None
    charge_box_serial_number: str | None
    firmware_version: str | None
    iccid: str | None
    imsi: str | None
    meter_type: str | None
    meter_serial_number: str | None


class ChargePointView(View):
    """A charge point as the CSMS knows it."""

    id: str
    registration: RegistrationStatus
    credential: Literal["none", "key", "password"]
    security_profile: int
    target_security_profile: int | None = Field(
        description="A higher one it was commanded to take; it becomes the only one as soon as it"
        " connects so."
    )
    certificate_name: str | None
    heartbeat_interval: int | None = Field(description="Seconds; null: the setting of the CSMS.")
    send_local_list_max_length: int | None
    is_connected: bool
    connected_at: Time | None
    remote_address: str | None
    last_seen_at: Time | None
    booted_at: Time | None
    boot: BootView
    registered_at: Time
    updated_at: Time


class ConnectorView(View):
    """The newest status of a connector; 0 is the charge point itself."""

    connector_id: int
    status: str
    error_code: str
    info: str | None
    vendor_id: str | None
    vendor_error_code: str | None
    reported_at: Time
    received_at: Time
    is_stale: bool = Field(description="The charge point booted since.")


class StatusView(View):
    """One StatusNotification."""

    id: int = _from("record_id")
    connector_id: int
    status: str
    error_code: str
    info: str | None
    vendor_id: str | None
    vendor_error_code: str | None
    timestamp: str | None = Field(description="As the charge point wrote it.")
    reported_at: Time
    received_at: Time
    is_current: bool = Field(description="It became the connector's state when it came.")
    flags: list[str]


class ConnectionEventView(View):
    """Something that happened to a charge point's connection."""

    id: int = _from("record_id")
    event: str
    at: Time
    detail: str


QueryTime = Annotated[datetime | None, BeforeValidator(_read_optional_time)]


class IdTagBody(Body):
    """What an operator decides about an id tag; what is left out gets its default."""

    status: Literal["Accepted", "Blocked", "Expired", "Invalid"] = "Accepted"
    expiry_date: Time | None = Field(None, description="From then on the tag is Expired.")
    parent_id_tag: IdToken | None = Field(None, description="The group of the tag.")


class IdTagView(View):
    """An id tag as it was issued."""

    id_tag: str
    status: AuthorizationStatus
    expiry_date: Time | None = _from("expires_at")
    parent_id_tag: str | None


class AuthorizationView(View):
    """What a charge point was told of an id tag."""

    status: AuthorizationStatus
    expiry_date: Time | None = _from("expires_at")
    parent_id_tag: str | None


class SampleView(View):
    """One reading with its defaults applied, in the normal unit of its quantity."""

    sampled_at: Time | None = Field(description="Null where the timestamp cannot be read.")
    measurand: str
    phase: str | None
    location: str
    context: str
    format: str
    value: Number | None = Field(description="Null for signed data and what is no number.")
    unit: str | None = Field(description="Wh, varh, W, VA, var, A, V, Celsius, Percent or Hertz.")
    received_value: str
    received_unit: str | None
    flags: list[str] = Field(description="What is odd about it.")


class MeterValuesView(View):
    """One MeterValues message."""

    id: int = _from("record_id")
    connector_id: int | None
    transaction_id: int | None
    received_at: Time
    meter_value: list[Any] = Field(description="MeterValue objects as they came.")
    samples: list[SampleView]
    flags: list[str]


class TransactionView(View):
    """A charging session."""

    transaction_id: int
    charge_point: str = _from("identity")
    connector_id: int | None
    id_tag: str
    authorization: AuthorizationView = Field(description="What the start was answered with.")
    meter_start: int | None = _from("meter_start_wh", description="Wh")
    started_at: Time
    start_received_at: Time
    reservation_id: int | None
    meter_stop: int | None = _from("meter_stop_wh", description="Wh")
    energy: int | None = _from(
        "energy_wh", description="Wh; null while it runs and where the meter went back."
    )
    stopped_at: Time | None
    stop_received_at: Time | None
    stop_reason: str | None
    stop_id_tag: str | None
    transaction_data: list[Any] = Field(description="MeterValue objects of the StopTransaction.")
    flags: list[str]


class TransactionDetailView(TransactionView):
    """A charging session with its readings."""

    samples: list[SampleView] = Field(description="The samples of the StopTransaction.")
    meter_values: Page[MeterValuesView] = Field(
        description="The first page; `/transactions/{transactionId}/meter-values` has the others."
    )


class OrphanStopView(View):
    """A StopTransaction that ended no transaction we know."""

    id: int = _from("record_id")
    charge_point: str = _from("identity")
    claimed_transaction_id: str
    cause: str = Field(description="`unknown`, `foreign` or `already_stopped`.")
    stopped_at: Time
    received_at: Time
    payload: dict[str, Any]
    flags: list[str]


class MessageView(View):
    """One frame on a charge point's wire; keys are masked."""

    id: int
    charge_point: str
    direction: Literal["received", "sent"]
    at: Time
    action: str | None
    message_id: str | None
    text: str


class QuarantineView(View):
    """A transaction message that was refused; its raw text waits for a person."""

    id: int = _from("record_id")
    charge_point: str = _from("identity")
    action: str
    text: str
    reason: str
    first_at: Time
    last_at: Time
    times: int = Field(description="How often the charge point sent it.")
