"""Voices behind one port: text in, speech out."""
