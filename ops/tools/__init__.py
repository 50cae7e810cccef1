"""Tools: replay, say, doctor, demo."""
