"""PCM and audio files."""
