"""What if, for drugs: plans of doses for one patient, compared on the same chance."""
