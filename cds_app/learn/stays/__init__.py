"""The risk that is asked of a stay once: trained and measured on stays of PhysioNet/CinC Challenge 2012."""
