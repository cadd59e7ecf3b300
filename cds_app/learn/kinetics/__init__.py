"""The simulation of drugs, checked on published people and on invented ones."""
