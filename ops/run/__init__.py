"""Processes: workers, the supervisor, everything at once."""
