"""What the sidebar shows, as views: words, numbers and geometry ready for templates. No I/O, no clock."""
