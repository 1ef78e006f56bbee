"""Renders results: everything is derived from `report.json` and the trace."""
