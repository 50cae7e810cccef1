"""The log on Redis or Valkey, and an embedded server."""
