"""The sandbox's FHIR R4 server: charts in memory, searched, written and exported."""
