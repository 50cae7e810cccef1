"""Recognisers behind one port: what is said in, words out."""
