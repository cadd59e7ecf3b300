"""Use cases: what Twinline does for those who call it. Each fetches, computes and saves, in that order."""
