"""OCPP-J 1.6 server: handshake, session, handlers and commands."""
