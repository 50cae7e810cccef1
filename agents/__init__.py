"""The stages, one verb a file, and the ports to models."""
