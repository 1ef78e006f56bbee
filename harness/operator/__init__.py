"""A person as the driver: told what to press, watched over, and written down."""
