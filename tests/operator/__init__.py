"""Runs with a scripted person."""
