"""Who is connected now. The newest connection of an identity is the only one that counts."""

from csms.ocppj.session import Session


class Registry:
    """The live sessions by identity (CS-WS-17)."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def __contains__(self, identity: object) -> bool:
        return identity in self._sessions

    def get(self, identity: str) -> Session | None:
        """Return the live session of a charge point, if it is connected."""
        return self._sessions.get(identity)

    def identities(self) -> list[str]:
        """Return who is connected, in the order of connecting."""
        return list(self._sessions)

    def add(self, session: Session) -> Session | None:
        """Make this the identity's session; return the one it takes the place of."""
        replaced = self._sessions.pop(session.identity, None)
        self._sessions[session.identity] = session
        return replaced

    def remove(self, session: Session) -> None:
        """Forget this session; one that took its place is left alone."""
        if self._sessions.get(session.identity) is session:
            del self._sessions[session.identity]
