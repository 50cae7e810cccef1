"""Bytes in, bytes out: no clock, no log, no await."""
