"""Voice devices: Opus packets, when each is due, and the protocol they speak."""
