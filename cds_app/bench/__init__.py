"""``twinline bench``: speed and memory of everything that somebody waits for. Serving imports none of it."""
