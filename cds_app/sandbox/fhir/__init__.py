"""The sandbox's FHIR R4 server: read, search, write and export, as far as a token goes."""
