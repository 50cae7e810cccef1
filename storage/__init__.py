"""Where bytes rest: the log, objects, groups."""
