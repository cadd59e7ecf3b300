"""Results of pharmacogenes, as FHIR Genomics Reporting or as VCF."""
