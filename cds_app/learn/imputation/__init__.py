"""What was likely where nobody measured: fitted and measured on stays of PhysioNet/CinC Challenge 2012."""
