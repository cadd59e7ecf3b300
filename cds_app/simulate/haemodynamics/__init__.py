"""One patient's circulation, and what drugs, fluids and bleeding do to it."""
