"""Rhapsode: prompts and texts in, audio as a stream out, every stage a durable log."""

__version__ = "0.1.0"
