"""Where bytes are stored: the log with its consumer groups, and objects."""
