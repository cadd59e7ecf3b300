"""Files of patients as the public challenges have them: read, and refused where they mean something else."""
