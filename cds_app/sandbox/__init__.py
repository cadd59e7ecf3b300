"""A small EHR with synthetic patients, for the demo and for tests. It reaches the CDS service only over HTTP."""
