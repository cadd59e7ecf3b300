"""What monitors and wearables send."""
