"""Many sources, one timeline: what an EHR sends becomes facts, and what cannot becomes issues. Pure, no I/O."""
