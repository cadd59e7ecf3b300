"""Who may call, and who is calling."""
