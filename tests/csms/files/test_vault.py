"""Files on disk under names of our own."""

import hashlib
import os
import stat
from pathlib import Path

import pytest

from csms.files.vault import FileTooLarge, Superseded, Vault


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    """An open, empty vault."""
    made = Vault(tmp_path / "files")
    made.open()
    return made


def test_a_file_is_kept_with_its_digest(vault: Vault) -> None:
    """What was written is what is there."""
    incoming = vault.receive(limit_bytes=10)
    incoming.write(b"hello ")
    incoming.write(b"you")

    stored = incoming.keep()

    assert vault.path(stored.stored_as).read_bytes() == b"hello you"
    assert stored.size_bytes == 9
    assert stored.sha256 == hashlib.sha256(b"hello you").hexdigest()


@pytest.mark.skipif(os.name != "posix", reason="rights of POSIX")
def test_nobody_else_may_read(vault: Vault) -> None:
    """Diagnostics hold names and cards of people."""
    incoming = vault.receive(limit_bytes=10)

    assert stat.S_IMODE(vault.directory.stat().st_mode) == 0o700
    assert stat.S_IMODE(vault.path(incoming.stored_as).stat().st_mode) == 0o600
    incoming.discard()


def test_nothing_is_written_beyond_the_limit(vault: Vault) -> None:
    """The limit itself fits, one byte more does not."""
    incoming = vault.receive(limit_bytes=4)
    incoming.write(b"1234")

    with pytest.raises(FileTooLarge):
        incoming.write(b"5")

    assert incoming.keep().size_bytes == 4


def test_a_superseded_writer_is_stopped(vault: Vault) -> None:
    """The newest try wins."""
    incoming = vault.receive(limit_bytes=4)
    incoming.supersede()

    with pytest.raises(Superseded):
        incoming.write(b"1")
    incoming.discard()


def test_discarding_leaves_nothing(vault: Vault) -> None:
    """Also twice, and after the file was closed."""
    incoming = vault.receive(limit_bytes=4)
    incoming.write(b"1")
    incoming.discard()
    incoming.discard()

    assert list(vault.directory.iterdir()) == []


def test_who_reads_a_removed_file_reads_it_to_its_end(vault: Vault) -> None:
    """A replaced file is not spliced into a download under way."""
    incoming = vault.receive(limit_bytes=4)
    incoming.write(b"1234")
    stored = incoming.keep()
    with vault.path(stored.stored_as).open("rb") as file:
        beginning = file.read(2)
        vault.remove(stored.stored_as)

        assert beginning + file.read() == b"1234"
    assert not vault.path(stored.stored_as).exists()


def test_sweeping_keeps_what_is_known_and_what_is_not_ours(vault: Vault) -> None:
    """An operator may have put something there."""
    kept, lost = (vault.receive(limit_bytes=1).keep().stored_as for _ in range(2))
    (vault.directory / "notes.txt").touch()
    (vault.directory / "empty").mkdir()

    assert vault.sweep({kept}) == 1

    assert {path.name for path in vault.directory.iterdir()} == {kept, "notes.txt", "empty"}
    assert lost != kept


@pytest.mark.parametrize("name", ["../csms.sqlite3", "/etc/passwd", "", "a" * 31, "A" * 32, "."])
def test_only_names_of_ours_are_paths(vault: Vault, name: str) -> None:
    """Even if a foreign name came this far."""
    with pytest.raises(ValueError, match="not a name of ours"):
        vault.path(name)


def test_a_directory_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    """At the start, not at the first upload."""
    (tmp_path / "file").touch()

    with pytest.raises(FileExistsError):
        Vault(tmp_path / "file").open()
    with pytest.raises(FileNotFoundError):
        Vault(tmp_path / "missing" / "files").open()
