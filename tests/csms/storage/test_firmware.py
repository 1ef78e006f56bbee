"""The firmware repository in the database."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from csms.domain.file_jobs import FirmwareFile
from csms.storage import firmware
from csms.storage.store import Store

FILE = FirmwareFile(
    name="a.bin",
    version="1.0",
    size_bytes=3,
    sha256="ab",
    stored_as="0" * 32,
    uploaded_at=datetime(2026, 3, 1, tzinfo=UTC),
)


async def test_a_file_is_offered_replaced_and_withdrawn(store: Store) -> None:
    """Each step tells what was there before, so that its bytes can go."""
    newer = replace(FILE, version="1.1", stored_as="1" * 32)

    assert await store.write(partial(firmware.put, file=FILE)) is None
    assert await store.write(partial(firmware.put, file=newer)) == FILE
    assert await store.read(partial(firmware.get, name="a.bin")) == newer
    assert await store.read(firmware.stored_names) == {"1" * 32}
    assert await store.write(partial(firmware.remove, name="a.bin")) == newer
    assert await store.write(partial(firmware.remove, name="a.bin")) is None
    assert await store.read(partial(firmware.get, name="a.bin")) is None


async def test_files_are_listed_by_name(store: Store) -> None:
    """Page by page."""
    for name in ("c", "a", "b"):
        await store.write(partial(firmware.put, file=replace(FILE, name=name)))

    first = await store.read(partial(firmware.page, limit=2))
    second = await store.read(partial(firmware.page, after="b", limit=2))

    assert [one.name for one in first] == ["a", "b"]
    assert [one.name for one in second] == ["c"]
