"""The event log in PostgreSQL: where it is (`target`), how m8 comes to it (`connections`), and the engine itself."""
