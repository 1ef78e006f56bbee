"""Loads the plugin that makes every scenario a test."""

pytest_plugins = ["harness.plugin"]
