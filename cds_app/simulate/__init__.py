"""What would happen: regimens through published models of drugs, with the patient's own uncertainty."""
