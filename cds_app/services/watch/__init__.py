"""The standing watch: canaries, firing rates, switches, readiness."""
