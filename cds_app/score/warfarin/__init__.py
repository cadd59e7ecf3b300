"""The weekly dose of warfarin, from covariates and genotype."""
