"""Decoding of foreign audio files in processes of their own."""
