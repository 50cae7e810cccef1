"""Run it, watch it, replay it."""
