"""Object stores: a folder, S3, memory."""
