"""Voice devices: Opus packets and when each is due."""
