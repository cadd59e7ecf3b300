"""What if: doses, insulin and operations tried on the twin of a patient."""
