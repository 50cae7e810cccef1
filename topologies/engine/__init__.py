"""Faust on a log: consumer, producer, conductor and transport, with no Redis in sight."""
