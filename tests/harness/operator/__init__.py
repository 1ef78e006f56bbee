"""Tests of `harness.operator`."""
