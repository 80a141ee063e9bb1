"""The event log, the catalogue and the registry of models: SQLite in one file, or PostgreSQL."""
