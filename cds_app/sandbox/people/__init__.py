"""The synthetic patients and who looks after them: what happens to them, and how their charts are written."""
