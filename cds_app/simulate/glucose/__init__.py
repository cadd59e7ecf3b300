"""What if, for insulin: glucose of virtual people with type 1 diabetes."""
