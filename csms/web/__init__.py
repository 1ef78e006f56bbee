"""The HTTP API for operators and programs."""
