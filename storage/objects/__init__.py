"""Objects that are stored, and people's files that are read: in a folder, S3 or memory."""
