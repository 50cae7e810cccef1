"""The HTTP side: API, HLS origin, page, ingress."""
