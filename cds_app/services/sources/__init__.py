"""What is not asked for: sources that send, exports, subscriptions, and whose it is."""
