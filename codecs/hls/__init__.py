"""HLS: segment grid, AAC, fMP4, playlists."""
