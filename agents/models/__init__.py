"""Language models behind one port: a prompt in, a text out as it is written."""
