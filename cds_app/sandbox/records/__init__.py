"""What the sandbox holds: resources in memory, and how they are searched."""
