"""Only one program serves charge points from a database.

The claim is a lock on a file beside the database. The system drops it with the process, however
that ends, so the file that stays behind means nothing.
"""

from __future__ import annotations

import os
import sys

from sqlalchemy import Engine

from csms.storage.errors import DatabaseUnusable

if sys.platform != "win32":
    import fcntl


def claim_database(engine: Engine) -> int | None:
    """Claim the database and return what `release_database` wants; None where nothing can lock.

    Raises:
        DatabaseUnusable: another program holds it, or the lock file cannot be made.
    """
    if sys.platform == "win32":
        return None
    database = engine.url.database
    try:
        claim = os.open(f"{database}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as exc:
        raise DatabaseUnusable(f"the database {database} cannot be locked: {exc.strerror}") from exc
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(claim)
        raise DatabaseUnusable(
            f"the database {database} is served by another csms; end that one or name another"
            " database"
        ) from None
    except OSError:  # a network file system without locks
        os.close(claim)
        return None
    return claim


def release_database(claim: int | None) -> None:
    """Let others claim the database."""
    if claim is not None:
        os.close(claim)
