"""Orders that are being written, and others that may stand in their place."""
