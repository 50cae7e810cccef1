"""Voice devices: the server, and a simulated one."""
