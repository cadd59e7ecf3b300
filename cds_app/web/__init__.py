"""HTTP: thin blueprints over the services. Reads requests, writes responses, decides nothing."""
