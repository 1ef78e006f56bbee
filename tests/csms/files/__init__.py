"""Tests of csms.files."""
