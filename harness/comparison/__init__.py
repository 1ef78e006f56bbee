"""Holds runs against each other: one against an earlier one, several systems side by side."""
