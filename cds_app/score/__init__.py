"""How far the twin is from where it should be, and what that means for risk. Pure."""
