"""Runs certification scenarios against a Central System and judges what crossed the wire."""
