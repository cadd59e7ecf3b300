"""The durable memory in a SQL database: SQLite in a file, or PostgreSQL."""
