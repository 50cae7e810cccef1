"""The log and its consumer groups on Redis or Valkey, and an embedded server."""
