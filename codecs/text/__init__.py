"""Text: where it may be cut, and into what pieces."""
