"""Certificates: read with suspicion, and signed by a certification authority of our own."""
