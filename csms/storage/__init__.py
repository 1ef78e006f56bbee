"""Durable state: tables, named operations and the one writer."""
