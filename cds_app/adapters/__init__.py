"""Where bytes and rows go in and out: FHIR over HTTP, stores, keys. No clinical logic; only bootstrap imports it."""
