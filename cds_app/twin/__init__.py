"""The patient digital twin: what each quantity is now, what is usual for this person, and where it is going. Pure."""
