"""The tables of the CSMS, once for every database SQLAlchemy speaks to.

The schema itself is made by the migrations beside this module; a test holds both together.
Records of what happened (transactions, readings, messages …) carry the identity as text and no
foreign key: they outlive the charge point they came from.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    false,
)
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """Aware times in UTC, also where the database keeps no zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Write UTC; a naive time is a programming error."""
        if value is not None and value.tzinfo is None:
            raise ValueError(f"a naive time must not be stored: {value!r}")
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Give back what was written."""
        if value is None:
            return None
        at: datetime = value
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite counts only INTEGER PRIMARY KEY by itself.
_RecordId = BigInteger().with_variant(Integer(), "sqlite")
_Json = JSON(none_as_null=True)


def _id() -> Column[int]:
    return Column("id", _RecordId, primary_key=True, autoincrement=True)


def _certificate_facts() -> tuple[Column[Any], ...]:
    """Return what a certificate says of itself; all empty before there is one."""
    return (
        Column("subject", Text),
        Column("issuer", Text),
        Column("serial", Text),
        Column("fingerprint", Text),
        Column("key", Text),
        Column("not_before", UtcDateTime),
        Column("not_after", UtcDateTime),
    )


charge_points = Table(
    "charge_points",
    metadata,
    Column("identity", Text, primary_key=True),
    Column("registration", Text, nullable=False),
    Column("credential", Text),
    Column("heartbeat_interval_s", Integer),
    Column("registered_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("boot", _Json),  # fields of BootInformation
    Column("booted_at", UtcDateTime),
    Column("accepted_at", UtcDateTime),
    Column("last_seen_at", UtcDateTime),
    Column("send_local_list_max_length", Integer),
    Column("security_profile", Integer, nullable=False, server_default="0"),
    Column("target_security_profile", Integer),
    Column("certificate_name", Text),
)

connectors = Table(
    "connectors",
    metadata,
    Column("identity", Text, primary_key=True),
    Column("connector_id", Integer, primary_key=True, autoincrement=False),
    Column("status", Text, nullable=False),
    Column("error_code", Text, nullable=False),
    Column("info", Text),
    Column("vendor_id", Text),
    Column("vendor_error_code", Text),
    Column("reported_at", UtcDateTime, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("ordered_at", UtcDateTime, nullable=False),  # what later reports are compared with
    Column("is_stale", Boolean, nullable=False),
)

statuses = Table(
    "statuses",
    metadata,
    _id(),
    Column("identity", Text, nullable=False),
    Column("connector_id", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("error_code", Text, nullable=False),
    Column("info", Text),
    Column("vendor_id", Text),
    Column("vendor_error_code", Text),
    Column("timestamp", Text),
    Column("reported_at", UtcDateTime, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("is_current", Boolean, nullable=False),
    Column("flags", _Json, nullable=False),
    Index(None, "identity", "id"),
)

id_tags = Table(
    "id_tags",
    metadata,
    Column("key", Text, primary_key=True),  # folded: tags are case-insensitive
    Column("id_tag", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("parent_id_tag", Text),
)

# Configuration keys a charge point only reads out, such as how long a list it takes.
capabilities = Table(
    "capabilities",
    metadata,
    Column("identity", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("reported_at", UtcDateTime, nullable=False),
)

local_lists = Table(
    "local_lists",
    metadata,
    Column("identity", Text, primary_key=True),
    Column("version", Integer),
    Column("is_known", Boolean, nullable=False),  # but for updates whose end is open
    Column("is_ours", Boolean, nullable=False),
    Column("is_complete", Boolean, nullable=False),
    Column("accepted_at", UtcDateTime),
    Column("settled_update_id", _RecordId),  # up to here no end is open any more
    Column("highest_version", Integer, nullable=False),
    Column("reported_version", BigInteger),
    Column("reported_at", UtcDateTime),
    Column("is_version_told", Boolean, nullable=False),  # it once reported what it had accepted
    Column("split_from", Integer),  # versions of a list that is being sent in portions
    Column("split_until", Integer),
)

local_list_entries = Table(
    "local_list_entries",
    metadata,
    Column("identity", Text, primary_key=True),
    Column("key", Text, primary_key=True),  # the folded tag
    Column("id_tag", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("parent_id_tag", Text),
)

local_list_updates = Table(
    "local_list_updates",
    metadata,
    _id(),
    Column("identity", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("update_type", Text, nullable=False),
    Column("entry_count", Integer, nullable=False),
    Column("entries", _Json),  # as long as its end is open
    Column("status", Text, nullable=False),
    Column("requested_at", UtcDateTime, nullable=False),
    Column("settled_at", UtcDateTime),
    Index(None, "identity", "id"),
)

reservations = Table(
    "reservations",
    metadata,
    _id(),
    Column("identity", Text, nullable=False),
    Column("reservation_id", Integer, nullable=False),
    Column("connector_id", Integer, nullable=False),
    Column("id_tag", Text, nullable=False),
    Column("parent_id_tag", Text),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("state", Text, nullable=False),
    Column("refusal", Text),
    Column("cancellation", Text),
    Column("transaction_id", Integer),
    Column("ended_by", Text),
    Column("requested_at", UtcDateTime, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Index(None, "identity", "id"),
    Index(None, "reservation_id"),
    Index(None, "state", "expires_at"),
    sqlite_autoincrement=True,
)

triggers = Table(
    "triggers",
    metadata,
    _id(),
    Column("identity", Text, nullable=False),
    Column("requested_message", Text, nullable=False),
    Column("is_extended", Boolean, nullable=False, server_default=false()),
    Column("connector_id", Integer),
    Column("status", Text, nullable=False),
    Column("requested_at", UtcDateTime, nullable=False),
    Column("answered_at", UtcDateTime),
    Column("followed_by", _Json, nullable=False),
    Index(None, "identity", "id"),
)

transactions = Table(
    "transactions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("identity", Text, nullable=False),
    Column("connector_id", Integer),
    Column("id_tag", Text, nullable=False),
    Column("id_tag_key", Text, nullable=False),
    Column("authorization_status", Text, nullable=False),
    Column("authorization_expires_at", UtcDateTime),
    Column("authorization_parent", Text),
    Column("meter_start_wh", BigInteger),
    Column("started_at", UtcDateTime, nullable=False),
    Column("start_received_at", UtcDateTime, nullable=False),
    Column("reservation_id", BigInteger),
    Column("start_key", Text, nullable=False, unique=True),
    Column("start_payload", _Json, nullable=False),
    Column("meter_stop_wh", BigInteger),
    Column("stopped_at", UtcDateTime),
    Column("stop_received_at", UtcDateTime),
    Column("stop_reason", Text),
    Column("stop_id_tag", Text),
    Column("stop_key", Text),
    Column("stop_payload", _Json),
    Column("flags", _Json, nullable=False),
    # CS-START-04: positive, within 32 bit; and AUTOINCREMENT gives no id twice, ever.
    CheckConstraint("id > 0 AND id <= 2147483647", name="id_range"),
    Index(None, "identity", "connector_id", "id"),
    Index(None, "id_tag_key", "id"),
    sqlite_autoincrement=True,
)
# Running sessions are few among many that ended.
Index(
    "ix_transactions_running",
    transactions.c.id_tag_key,
    sqlite_where=transactions.c.stop_received_at.is_(None),
    postgresql_where=transactions.c.stop_received_at.is_(None),
)

orphan_stops = Table(
    "orphan_stops",
    metadata,
    _id(),
    Column("identity", Text, nullable=False),
    Column("claimed_transaction_id", Text, nullable=False),  # any size
    Column("cause", Text, nullable=False),
    Column("stop_key", Text, nullable=False, unique=True),
    Column("stopped_at", UtcDateTime, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("payload", _Json, nullable=False),
    Column("flags", _Json, nullable=False),
    Index(None, "identity", "id"),
)

meter_values = Table(
    "meter_values",
    metadata,
    _id(),
    Column("identity", Text, nullable=False),
    Column("connector_id", Integer),
    Column("transaction_id", BigInteger),
    Column("received_at", UtcDateTime, nullable=False),
    Column("sampled_at", Text, nullable=False),  # of the first MeterValue, as it came
    Column("digest", BigInteger, nullable=False),  # of connector, transaction and readings
    Column("meter_value", Text, nullable=False),  # JSON
    Column("flags", _Json),
    # A message sent again is recognised by content (CS-METER-09). The leading columns keep the
    # index pages of one station together.
    UniqueConstraint("identity", "sampled_at", "digest"),
    Index(None, "transaction_id"),
)

messages = Table(
    "messages",
    metadata,
    _id(),
    Column("identity", Text, nullable=False),
    Column("direction", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("action", Text),
    Column("message_id", Text),
    # Bytes logged ever, this entry included. Before the text: pruning reads it without the text.
    Column("end_bytes", BigInteger, nullable=False),
    Column("text", Text, nullable=False),
    Index(None, "identity", "id"),
)

quarantine = Table(
    "quarantine",
    metadata,
    _id(),
    Column("identity", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("content", Text, nullable=False),  # digest of all but the message id
    Column("text", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("first_at", UtcDateTime, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
    Column("times", Integer, nullable=False),
    UniqueConstraint("identity", "content"),
    sqlite_autoincrement=True,
)

connections = Table(
    "connections",
    metadata,
    _id(),
    Column("identity", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("detail", Text, nullable=False),
    Index(None, "identity", "id"),
)

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("name", Text, primary_key=True),
    Column("digest", Text, nullable=False, unique=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
    Column("scope", Text, nullable=False, server_default="manage"),
)

security_events = Table(
    "security_events",
    metadata,
    _id(),
    Column("identity", Text),
    Column("source", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("address", Text),
    Column("timestamp", Text),  # as the charge point wrote it
    Column("occurred_at", UtcDateTime, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("last_at", UtcDateTime, nullable=False),
    Column("times", BigInteger, nullable=False),
    Column("flags", _Json, nullable=False),
    Index(None, "identity", "id"),
    Index(None, "source", "id"),
)

firmware = Table(
    "firmware",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("stored_as", Text, nullable=False),
    Column("uploaded_at", UtcDateTime, nullable=False),
    Column("signature", Text),
    Column("signing_certificate", Text),
    Column("signature_algorithm", Text),
)

file_jobs = Table(
    "file_jobs",
    metadata,
    _id(),
    Column("identity", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("token", Text, unique=True),
    Column("location", Text, nullable=False),
    Column("protocol", Text),
    Column("password_digest", Text),
    Column("order", _Json, nullable=False),
    Column("requested_at", UtcDateTime, nullable=False),
    Column("until_at", UtcDateTime, nullable=False),
    Column("command", Text, nullable=False),
    Column("answered_at", UtcDateTime),
    Column("answer", _Json),
    Column("status", Text),
    Column("status_at", UtcDateTime),
    Column("firmware", _Json),
    Column("version_before", Text),
    Column("booted_version", Text),
    Column("booted_at", UtcDateTime),
    Column("closed_at", UtcDateTime),
    Column("request_id", BigInteger),
    Column("canceled_at", UtcDateTime),
    Column("canceled_by", BigInteger),
    Index(None, "identity", "kind", "id"),
    sqlite_autoincrement=True,
)

file_job_statuses = Table(
    "file_job_statuses",
    metadata,
    _id(),
    Column("identity", Text, nullable=False),
    Column("job_id", BigInteger),
    Column("kind", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("flags", _Json, nullable=False),
    Column("request_id", BigInteger),
    Index(None, "identity", "id"),
    Index(None, "job_id", "id"),
)

file_transfers = Table(
    "file_transfers",
    metadata,
    _id(),
    Column("identity", Text, nullable=False),
    Column("job_id", BigInteger, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    Column("first_byte", BigInteger, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("is_whole", Boolean, nullable=False),
    Column("sha256", Text),
    Column("stored_as", Text),
    Column("detail", Text, nullable=False),
    Index(None, "identity", "id"),
    Index(None, "job_id", "id"),
)

charging_profiles = Table(
    "charging_profiles",
    metadata,
    _id(),
    Column("identity", Text, nullable=False),
    Column("connector_id", Integer),
    Column("transaction_id", BigInteger),
    Column("id_tag_key", Text),  # of a remote start: its transaction is found by the tag
    Column("state", Text, nullable=False),
    Column("payload", _Json, nullable=False),
    Column("requested_at", UtcDateTime, nullable=False),
    Column("answered_at", UtcDateTime),
    Index(None, "identity", "id"),
    sqlite_autoincrement=True,
)

issued_certificates = Table(
    "issued_certificates",
    metadata,
    _id(),
    Column("identity", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("common_name", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("is_proven", Boolean, nullable=False),
    Column("request_digest", Text, nullable=False),
    Column("key_digest", Text, nullable=False),
    *_certificate_facts(),
    Column("chain", Text),
    Column("detail", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("requested_at", UtcDateTime, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    Index(None, "identity", "id"),
    Index(None, "fingerprint"),
    Index(None, "key_digest"),
    Index(None, "state"),
    sqlite_autoincrement=True,
)

installed_certificates = Table(
    "installed_certificates",
    metadata,
    _id(),
    Column("identity", Text, nullable=False),
    Column("certificate_type", Text, nullable=False),
    Column("state", Text, nullable=False),
    *_certificate_facts(),
    Column("pem", Text),
    Column("names", _Json, nullable=False),  # as the charge point may name it
    Column("reported", _Json),
    Column("reported_at", UtcDateTime),
    Column("deletion", Text),
    Column("requested_at", UtcDateTime, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Index(None, "identity", "id"),
    sqlite_autoincrement=True,
)
