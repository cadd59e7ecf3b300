"""What could be done: concerns that a catalogue raises, and the options that pass its safety gates. Pure."""
