"""A storm: seeded faults over real servers while a foreign Faust app and sessions run."""
