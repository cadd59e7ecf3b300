"""Calls to other servers: each with a deadline, a byte cap and no redirects."""
