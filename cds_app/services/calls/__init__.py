"""A hook call: what it brings and what has to be fetched, whose turn it is, and its answer."""
