"""From what a laboratory reported of genes to diplotypes and phenotypes."""
