"""Bodies of the command line, loaded when asked for."""
