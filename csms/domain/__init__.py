"""The rules of the Central System as pure functions, one OCPP topic a module."""
