"""The firmware repository: what is offered to charge points. The bytes are in `csms.files`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from csms.domain.file_jobs import FirmwareFile
from csms.storage.database import insert
from csms.storage.tables import firmware

_NEW = insert(firmware)
_PUT = _NEW.on_conflict_do_update(
    index_elements=[firmware.c.name],
    set_={column.name: _NEW.excluded[column.name] for column in firmware.c},
)


def get(connection: Connection, name: str) -> FirmwareFile | None:
    """Return a firmware file."""
    row = connection.execute(select(firmware).where(firmware.c.name == name)).one_or_none()
    return None if row is None else _file(row)


def put(connection: Connection, file: FirmwareFile) -> FirmwareFile | None:
    """Offer a file from now on; return the one it replaces."""
    replaced = get(connection, file.name)
    connection.execute(_PUT, asdict(file))
    return replaced


def sign(
    connection: Connection,
    file: FirmwareFile,
    *,
    signature: str | None,
    signing_certificate: str | None,
    signature_algorithm: str | None,
) -> FirmwareFile | None:
    """Keep a signature beside a file, or none; return the file.

    None where the file was replaced or withdrawn meanwhile.
    """
    connection.execute(
        update(firmware)
        .where(firmware.c.name == file.name, firmware.c.stored_as == file.stored_as)
        .values(
            signature=signature,
            signing_certificate=signing_certificate,
            signature_algorithm=signature_algorithm,
        )
    )
    found = get(connection, file.name)
    return found if found is not None and found.stored_as == file.stored_as else None


def remove(connection: Connection, name: str) -> FirmwareFile | None:
    """Offer a file no longer; return what it was."""
    removed = get(connection, name)
    connection.execute(delete(firmware).where(firmware.c.name == name))
    return removed


def page(
    connection: Connection, *, after: str | None = None, limit: int = 100
) -> list[FirmwareFile]:
    """Return files in order of their names, those after a given one."""
    query = select(firmware).order_by(firmware.c.name).limit(limit)
    if after is not None:
        query = query.where(firmware.c.name > after)
    return [_file(row) for row in connection.execute(query)]


def stored_names(connection: Connection) -> set[str]:
    """Return the names on disk of all files offered."""
    return set(connection.execute(select(firmware.c.stored_as)).scalars())


def _file(row: Row[Any]) -> FirmwareFile:
    return FirmwareFile(**row._mapping)
