"""What content says, loaded, checked, and shown to those who own it."""
