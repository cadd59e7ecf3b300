"""Virtual surgery: anaesthetic plans compared on one patient's circulation."""
