"""The log in memory, for flows and tests."""
