"""Settings for all tests."""

from hypothesis import settings

# A busy machine must not turn a right result into a failure.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")
