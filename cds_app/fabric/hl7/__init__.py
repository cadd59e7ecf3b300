"""HL7 v2: messages as they are written, and what results and visits in them mean."""
