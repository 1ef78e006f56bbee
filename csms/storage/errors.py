"""What can go wrong with the database, sorted by who has to act.

StorageError
├── DatabaseUnusable     it cannot be opened: the operator has to act
│   └── DatabaseTooNew   it was written by a newer version
├── CommitFailed         it cannot be written or read now: nothing was kept, try again later
└── StoreClosed          the program is ending
"""


class StorageError(Exception):
    """The database cannot do what was asked; the message is for people."""


class DatabaseUnusable(StorageError):
    """The database cannot be opened."""


class DatabaseTooNew(DatabaseUnusable):
    """The database has a schema this version does not know."""


class CommitFailed(StorageError):
    """Nothing was stored: the disk is full, the database locked, read-only or broken."""


class StoreClosed(StorageError):
    """The store was closed; nothing was stored."""
