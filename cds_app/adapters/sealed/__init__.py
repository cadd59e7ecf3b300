"""What is kept, sealed and chained under keys, whatever it is kept in."""
